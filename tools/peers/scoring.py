"""scoring.py - prompt log-probabilities of 50 rows of 200 tokens: `rung perplexity --rows` against
llama-cpp-python's create_completion(echo, logprobs).  Seconds of scoring; both have the model loaded."""
import glob, os

from machine import ROOT, json_lines, output
from peers import engines
from peers.vote import DATA


def text_file():
    """WikiText-2's test split where the data is here, else our own documents."""
    there = os.path.join(DATA, "text", "wikitext2_test.txt")
    if os.path.exists(there):
        return there
    own = os.path.join(engines.WHERE, "documents.txt")
    with open(own, "w") as f:
        for page in sorted(glob.glob(os.path.join(ROOT, "docs", "**", "*.md"), recursive=True)):
            f.write(open(page).read())
    return own


def measure(rung, programs, path, threads, rounds, note):
    """{engine: [{"seconds", "tokens", "last_nll"}]}; last_nll: mean -log p of the last row"""
    os.makedirs(engines.WHERE, exist_ok=True)
    rows = os.path.join(engines.WHERE, "rows.jsonl")
    env = dict(os.environ, LLAMA_CPP_LIB_PATH=programs)
    child = [engines.python(), os.path.join(ROOT, "tools", "peers", "score_llama.py"), engines.llama_python(programs), path, threads]
    output(child + ["prepare", text_file(), rows], env=env)
    results = {"llama-cpp-python": [], "rung": []}
    for i in range(rounds):
        for engine in results:
            if engine == "rung":
                said = json_lines([rung, "perplexity", "-q", "-m", path, "-t", threads, "--rows", rows, "--json", "--logprobs"])
                r = {"seconds": said[-1]["wall_s"], "tokens": said[-1]["tokens"], "last_nll": said[-2]["nll"]}
            else:
                r = json_lines(child + ["score", rows], env=env)[-1]
            results[engine].append(r)
            note(dict(r, task="score", engine=engine, round=i))
    if len({r["tokens"] for runs in results.values() for r in runs}) != 1:
        raise SystemExit("bench-peers: the engines scored different tokens: %s" % results)
    return results
