"""vote.py - majority votes, end to end: `rung solve` against llama-server and the client of a Python searcher.

Both get the same problems, chat messages, temperature and limits, and keep as many branches in
flight.  Answers are drawn, so lengths differ between engines: seconds per token are compared too.
rung's seconds are those of the whole process, loading the file included; the server is up and warm."""
import http.client, json, os, queue, socket, subprocess, threading, time

from machine import ROOT, output

SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."
MAX_TOKENS, ROOM = 400, 768         # of an answer; of a slot
DATA = os.environ.get("RUNG_DATA") or os.path.join(ROOT, "..", "shared", "data")
PROBLEMS = os.path.join(DATA, "math", "gsm8k_test_first700.jsonl")

# name: (what it is, answers a problem, first problem, problems, slots, one request with n, rung's flags)
TASKS = {
    "vote16": ("majority@16 on 5 GSM8K problems, one after the other, 16 requests each", 16, 0, 5, 16, False, ["--together", "1"]),
    "vote64": ("one 64-branch vote, 64 requests", 64, 0, 1, 64, False, []),
    "vote16n": ("majority@16 on 5 GSM8K problems, one request with n = 16 each", 16, 0, 5, 16, True, ["--together", "1"]),
    "vote64n": ("one 64-branch vote, one request with n = 64", 64, 0, 1, 64, True, []),
    "vote80": ("majority@16 on 5 GSM8K problems, 64 branches in flight", 16, 0, 5, 64, False, []),
}


class Server:
    """llama-server with some slots; up when the constructor returns."""

    def __init__(self, programs, path, threads, slots):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.process = subprocess.Popen(
            [os.path.join(programs, "llama-server"), "-m", path, "-t", str(threads), "-np", str(slots), "-c", str(slots * ROOM),
             "--host", "127.0.0.1", "--port", str(self.port), "--no-webui"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            if self.process.poll() is not None:
                raise SystemExit("bench-peers: llama-server ended with exit code %d" % self.process.returncode)
            try:
                if self.call("GET", "/health", None)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        self.close()
        raise SystemExit("bench-peers: llama-server did not come up within a minute")

    def call(self, method, path, body):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3600)
        c.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        r = c.getresponse()
        text = r.read()
        c.close()
        return r.status, text

    def chat(self, problem, n, seed):
        """(prompt tokens, generated tokens) of n answers; texts too where the server's count has only the first."""
        status, text = self.call("POST", "/v1/chat/completions", {
            "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": problem}],
            "n": n, "seed": seed, "max_tokens": MAX_TOKENS, "temperature": 0.7, "top_k": 0, "top_p": 1.0, "min_p": 0.0,
            "cache_prompt": True})
        if status != 200:
            raise SystemExit("bench-peers: llama-server answered %d: %s" % (status, text[:300]))
        said = json.loads(text)
        return said["usage"]["prompt_tokens"], said["usage"]["completion_tokens"] if n == 1 else said["choices"]

    def count(self, generated):
        """Tokens of an answer: the server's count, or of n answers from their texts (an end token is none)."""
        if isinstance(generated, int):
            return generated
        return sum(len(json.loads(self.call("POST", "/tokenize", {"content": c["message"]["content"]})[1])["tokens"]) +
                   (c["finish_reason"] == "stop") for c in generated)

    def close(self):
        self.process.terminate()
        self.process.wait()


def in_parallel(server, jobs, workers):
    """Answers of all (problem, n, seed), `workers` requests at a time."""
    todo, done, failed = queue.SimpleQueue(), [], []
    for job in jobs:
        todo.put(job)

    def work():
        try:
            while True:
                done.append(server.chat(*todo.get_nowait()))
        except queue.Empty:
            return
        except BaseException as e:                  # SystemExit too: a thread would swallow it
            failed.append(e)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise SystemExit(str(failed[0]))
    return done


def run_server(programs, path, threads, problems, task, seed):
    _, n, _, _, slots, one_request, flags = TASKS[task]
    server = Server(programs, path, threads, slots)
    try:
        server.chat("What is 1+1?", 1, 1)            # the first request pays for buffers
        per_problem = [[(p, n, seed)] if one_request else [(p, 1, seed + i) for i in range(n)] for p in problems]
        start, done = time.monotonic(), []
        if "--together" in flags:
            for jobs in per_problem:
                done += in_parallel(server, jobs, slots)
        else:
            done = in_parallel(server, [j for jobs in per_problem for j in jobs], slots)
        seconds = time.monotonic() - start
        return {"seconds": seconds, "tokens": sum(server.count(d[1]) for d in done), "prompt": sorted({d[0] for d in done})}
    finally:
        server.close()


def run_rung(rung, path, threads, task, seed):
    _, n, first, count, _, _, flags = TASKS[task]
    start = time.monotonic()
    said = output([rung, "solve", "-q", "-m", path, "-t", threads, "--problems", PROBLEMS, "--start", first, "--limit", count,
                   "--method", "majority", "-N", n, "-n", MAX_TOKENS, "--temp", "0.7", "-s", seed, "--system", SYSTEM,
                   "--jsonl"] + flags)
    seconds = time.monotonic() - start
    records = [json.loads(line) for line in said.splitlines()]
    return {"seconds": seconds, "tokens": records[-1]["tokens"],
            "prompt": sorted({r["cost"]["policy_prompt"] // len(r["candidates"]) for r in records[:-1]})}


def measure(rung, programs, path, threads, task, repeats, note):
    """{engine: [{"seconds", "tokens"}]}"""
    _, _, first, count, _, _, _ = TASKS[task]
    with open(PROBLEMS) as f:
        problems = [json.loads(line)["question"] for line in f][first:first + count]
    results = {"llama.cpp": [], "rung": []}
    for i in range(repeats):
        for engine in results:
            r = run_server(programs, path, threads, problems, task, 1000 * i + 1) if engine == "llama.cpp" else \
                run_rung(rung, path, threads, task, i + 1)
            results[engine].append(r)
            note(dict(r, task=task, engine=engine, round=i))
    return results
