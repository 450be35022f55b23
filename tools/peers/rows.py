"""rows.py - tokens a second of prompts and of decoding, engine after engine within each round."""
import json, os, re, statistics, subprocess, time

from machine import json_lines, output
from peers import engines

# Rows that one run of a program gives; a group is the unit of taking turns.
GROUPS = [["pp512", "tg64"], ["tg64x4", "tg64x16"], ["tg64@2048"], ["pp4096"]]
ROWS = ["pp512", "pp4096", "tg64", "tg64@2048", "tg64x4", "tg64x16"]
LONG_S = 60             # a group that takes some engine longer than this gets fewer rounds


def batched_rates(text):
    """Decode rates of llama-batched-bench: | PP | TG | B | N_KV | T_PP | S_PP | T_TG | S_TG | T | S |"""
    rates = {}
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if len(cells) == 10 and all(re.fullmatch(r"[\d.]+", c) for c in cells):
            rates["tg64x" + cells[2]] = float(cells[7])
    return rates


class Rung:
    name = "rung"

    def __init__(self, rung, threads):
        self.rung, self.threads, self.shares, self.limits = rung, threads, [], {}

    def run(self, path, rows):
        said = json_lines([self.rung, "bench", "-q", "-m", path, "-t", self.threads, "--repeats", "1", "--json",
                           "--roofline", "--tests", ",".join(rows)])
        roof = said[0]["roofline"]
        for key, value in roof.items():         # the limits of a run are the best it saw
            if key.endswith("_per_s"):
                self.limits[key] = max(value, self.limits.get(key, 0))
        for r in said[1:]:
            self.shares.append((path, r["test"], r["fraction_of_roofline"], r["bound"], roof))
        return {r["test"]: r["tokens_per_s"] for r in said[1:]}

    def share(self, path, row):
        """Median share of the limit that binds, each against the best limits of the whole run."""
        found = []
        for at, test, fraction, bound, roof in self.shares:
            key = "read_bytes_per_s" if bound == "read" else "int8_ops_per_s"
            if (at, test) == (path, row):
                found.append(fraction * roof[key] / self.limits[key])
        return statistics.median(found)


class Llama:
    """llama.cpp, and with repack ik_llama.cpp, whose programs know fewer flags."""

    def __init__(self, name, programs, threads, repack=False):
        self.name, self.threads = name, threads
        self.bench, self.batched = (os.path.join(programs, p) for p in ("llama-bench", "llama-batched-bench"))
        self.repack = ["-rtr", "1"] if repack and engines.knows(self.bench, "-rtr") else []
        self.repack_batched = ["-rtr"] if repack and engines.knows(self.batched, "-rtr") else []
        self.depth = ["-d", "2048", "-n", "64"] if engines.knows(self.bench, "-d") else ["-gp", "2048,64", "-n", "0"]
        self.cold = ["--no-warmup"] if engines.knows(self.bench, "--no-warmup") else ["-w", "0"]

    def run(self, path, rows):
        if "tg64x4" in rows:
            return self.branches(path)
        flags = {"pp512": ["-p", "512", "-n", "64"], "pp4096": ["-p", "4096", "-n", "0"] + self.cold,
                 "tg64@2048": ["-p", "0"] + self.depth + self.cold}[rows[0]]
        said = json.loads(output([self.bench, "-m", path, "-t", self.threads, "-r", "1", "-o", "json"] + flags + self.repack))
        if len(rows) == 1:
            return {rows[0]: said[-1]["avg_ts"]}
        return {"pp512" if r["n_prompt"] else "tg64": r["avg_ts"] for r in said}

    def branches(self, path):
        command = [self.batched, "-m", path, "-t", self.threads, "-c", "8192", "-npp", "256", "-ntg", "64", "-npl", "4,16",
                   "-pps"] + self.repack_batched
        run = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        rates = batched_rates(run.stdout)
        if set(rates) != {"tg64x4", "tg64x16"}:
            raise SystemExit("bench-peers: llama-batched-bench printed no table:\n" + run.stdout[-2000:])
        return rates


def measure(all_engines, path, rounds, long_rounds, note):
    """{row: {engine: [rates]}} of one model.  note(row of results) is called as they come."""
    results = {row: {e.name: [] for e in all_engines} for row in ROWS}
    for group in GROUPS:
        wanted, done = rounds, 0
        while done < wanted:
            for engine in all_engines:          # in turn: a slow minute of the machine hits all
                start = time.monotonic()
                for row, rate in engine.run(path, group).items():
                    results[row][engine.name].append(rate)
                    note({"model": path, "row": row, "engine": engine.name, "round": done, "tokens_per_s": rate})
                if time.monotonic() - start > LONG_S:
                    wanted = min(wanted, long_rounds)
            done += 1
    return results
