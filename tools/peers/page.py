"""page.py - the tables of docs/results/speed.md.  Ratios are of medians."""
import statistics

from peers.rows import ROWS
from peers.vote import TASKS

INTEL = "Intel Xeon, 2.3 GHz, AVX-512 VNNI, two cores"
# (must, aim) in times llama.cpp's rate
GOALS = {
    "smollm2-135m": {"tg64": (1.5, None), "tg64x4": (2.6, None), "tg64x16": (2.7, None), "pp512": (4.1, None)},
    "qwen2.5-coder-0.5b": {"tg64": (1.8, 2.2), "tg64@2048": (3, 4), "tg64x4": (3.5, 4.5), "tg64x16": (5, 7.5),
                           "pp512": (3.5, 4.6), "pp4096": (2.8, 3.5)},
    "qwen2.5-coder-1.5b": {"tg64": (1.5, 1.9), "tg64@2048": (1.6, 2), "tg64x4": (2.1, 2.8), "tg64x16": (2.7, 3.5),
                           "pp512": (2.3, 2.9), "pp4096": (1.9, 2.5)},
}
VOTE_GOAL, START_GOAL, SCORE_GOAL = (4, 7), (0.6, 0.3), (3, 5)


def median(values):
    return statistics.median(values)


def cell(values, form="%.1f"):
    if not values:
        return "–"
    return (form + " (" + form + "-" + form + ")") % (median(values), min(values), max(values))


def times(ours, theirs):
    return "%.2f" % (median(ours) / median(theirs)) if ours and theirs else "–"


def goal(x):
    return "–" if x is None else "%g" % x


def line(cells):
    return "| " + " | ".join(cells) + " |"


def head(cells):
    return [line(cells), line(["---"] * len(cells))]


def rows_table(model, results, rung, path):
    """results: {row: {engine: [rates]}}"""
    others = [name for name in results[ROWS[0]] if name != "rung"]
    out = head([model] + others + ["rung", "of the limit"] + ["× " + o for o in others] + ["must", "aim"])
    for row in ROWS:
        got = results[row]
        must, aim = GOALS.get(model, {}).get(row, (None, None))
        out.append(line([row] + [cell(got[o]) for o in others] + [cell(got["rung"]), "%.0f %%" % (100 * rung.share(path, row))] +
                        [times(got["rung"], got[o]) for o in others] + [goal(must), goal(aim)]))
    return out


def tasks_head():
    return head(["whole tasks, qwen2.5-coder-0.5b", "llama.cpp", "rung", "× llama.cpp", "must", "aim"])


def vote_lines(task, results):
    theirs, ours = results["llama.cpp"], results["rung"]
    per_token = lambda runs: [1000 * r["seconds"] / r["tokens"] for r in runs]
    seconds = lambda runs: [r["seconds"] for r in runs]
    tokens = lambda runs: "%s tokens" % ", ".join("%d" % r["tokens"] for r in runs)
    must, aim = (goal(g) for g in VOTE_GOAL)
    return [
        line([TASKS[task][0] + ": ms a token", cell(per_token(theirs)), cell(per_token(ours)), times(per_token(theirs), per_token(ours)),
              must, aim]),
        line(["the same: seconds", "%s; %s" % (cell(seconds(theirs)), tokens(theirs)), "%s; %s" % (cell(seconds(ours)), tokens(ours)),
              times(seconds(theirs), seconds(ours)), "", ""])]


def start_lines(results):
    out = []
    for at, what in enumerate(["process start to first token, s", "the same, to the end of the process, s"]):
        theirs, ours = ([r[at] for r in results[name]] for name in ("llama.cpp", "rung"))
        out.append(line([what, cell(theirs, "%.2f"), cell(ours, "%.2f"), "%s of its time" % times(ours, theirs)] +
                        (["≤ %g" % g for g in START_GOAL] if at == 0 else ["", ""])))
    return out


def score_lines(results):
    theirs, ours = ([r["seconds"] for r in results[name]] for name in ("llama-cpp-python", "rung"))
    return [line(["prompt log-probabilities of 50 rows of 200 tokens, s",
                  cell(theirs), cell(ours), times(theirs, ours)] + [goal(g) for g in SCORE_GOAL])]


PAGE = """# Speed beside other engines

Command: `%(command)s`. It builds llama.cpp (the one in the source package of llama-cpp-python %(version)s) natively for this
machine, measures everything in one run and writes this page.

%(where)s. Limits of the machine, measured in the same run, the best seen: %(limits)s.
llama.cpp: version %(llama)s. %(ik)s
Files, by sha256: %(files)s.

The columns *must* and *aim* are this project's goals, set for %(intel)s; on another processor every ratio must be at
least 1.0.

## Rows

Tokens per second, median (lowest-highest) of %(rounds)d rounds (%(long_rounds)d where a round of the row takes an engine more than a
minute), in which the engines take turns on the same file with the same threads. rung's figures are of the whole program through its
scheduler: attention, sampling at temperature 0.7, divergent branches and the ledger included. `ppN`: a prompt of N tokens; `tg64`: 64 tokens of
one sequence, from an empty context or (`@2048`) after 2,048 tokens; `tg64xN`: N branches of one 256-token prompt, 64 tokens each, their sum per
decode second. *Of the limit*: share of the nearer limit of the machine, bytes read or 8-bit operations. × is the ratio of the medians.

%(tables)s

## Whole tasks

%(tasks)s

Votes: temperature 0.7 without filters, at most 400 tokens an answer, the same chat messages, as many branches in flight in both (slots of the
server, threads of the client). Lengths are drawn and differ, so time per generated token is the ratio to read; rung's seconds are those of
its whole process, loading included, the server is up and warm. %(prompts)s
Start-up: `rung generate -n 1` and `llama-cli -n 1 --no-warmup` (its chat template replaced by one that adds nothing), the file in the page cache,
median of %(start_runs)d. Scoring: `rung perplexity --rows FILE --logprobs --json` and llama-cpp-python's `create_completion(echo=True,
logprobs=1)`, both with the model loaded, the same texts, %(tokens)s.
"""
