"""startup.py - process start to the first token of a 20-token prompt, the file in the page cache."""
import os, subprocess, time

from peers import engines

PROMPT = "Once upon a time, there was a small steam engine that wanted to climb the highest hill of all"
RAW = "{% for m in messages %}{{ m.content }}{% endfor %}"      # llama-cli asks through a template: this one adds nothing


def first_token(command, before):
    """(seconds to the first byte of stdout behind `before`, seconds to the end)."""
    start, seen, at = time.monotonic(), b"", None
    with subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as p:
        while True:
            some = os.read(p.stdout.fileno(), 65536)
            if not some:
                break
            seen += some
            echo = seen.find(before)
            if at is None and echo >= 0 and seen[echo + len(before):].strip(b"\r\n"):
                at = time.monotonic() - start
    if p.returncode != 0 or at is None:
        raise SystemExit("bench-peers: %s: exit %s, no token in %r" % (command[0], p.returncode, seen[-300:]))
    return at, time.monotonic() - start


def measure(rung, programs, path, threads, runs, note):
    """{engine: [(first token, end)]}; an engine's own warm-up run is left out where it has one."""
    engines.check_tokens(rung, path, PROMPT, 20)
    with open(path, "rb") as f:                 # into the page cache
        while f.read(1 << 24):
            pass
    commands = {
        "llama.cpp": ([os.path.join(programs, "llama-cli"), "-m", path, "-t", threads, "-p", PROMPT, "-n", "1", "--temp", "0",
                       "--single-turn", "--simple-io", "--no-warmup", "--jinja", "--chat-template", RAW], PROMPT.encode()),
        "rung": ([rung, "generate", "-q", "-m", path, "-t", threads, "--temp", "0", "-n", "1", PROMPT], b""),
    }
    results = {name: [] for name in commands}
    for i in range(runs):
        for name, (command, before) in commands.items():
            results[name].append(first_token(command, before))
            note({"task": "start", "engine": name, "round": i, "first_token_s": results[name][-1][0],
                  "end_s": results[name][-1][1]})
    return results
