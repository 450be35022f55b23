"""machine.py - what the measuring tools share: this machine, this code, and programs that print JSON."""
import hashlib, json, os, platform, subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MODEL = "qwen2.5-coder-0.5b"
LIMITS = [("read", "read_bytes_per_s", "GB/s"), ("int8", "int8_ops_per_s", "GOP/s"),
          ("bf16", "bf16_flops_per_s", "GFLOP/s"), ("f32", "f32_flops_per_s", "GFLOP/s")]


def processor():
    """The processor's name; family and model too, because many machines say no more than "AMD EPYC"."""
    said = {}
    if os.path.exists("/proc/cpuinfo"):
        for line in open("/proc/cpuinfo"):
            name, _, value = line.partition(":")
            said.setdefault(name.strip(), value.strip())
    if "model name" not in said:
        return platform.machine()
    return "%s (family %s, model %s)" % (said["model name"], said.get("cpu family"), said.get("model"))


def threads():
    return len(os.sched_getaffinity(0))


def commit():
    return subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], stdout=subprocess.PIPE,
                          text=True).stdout.strip()


def output(command, **more):
    """What a program prints on stdout; what it said on stderr only when it fails."""
    run = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
    if run.returncode != 0:
        raise SystemExit("%s: exit %d\n%s" % (" ".join(map(str, command)), run.returncode, run.stderr[-2000:]))
    return run.stdout


def json_lines(command, **more):
    return [json.loads(line) for line in output(command, **more).splitlines() if line.startswith("{")]


def sha256(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            h.update(block)
    return h.hexdigest()


def pull(rung, model):
    """The model's file; fetched if it is not here."""
    return output([rung, "model", "pull", model]).strip()


def roofline(rung, model, n_threads):
    rows = json_lines([rung, "bench", "-q", "-m", model, "-t", n_threads, "--roofline", "--json", "--tests", "tg64",
                       "--repeats", "1"])
    return rows[0]["roofline"]


def limits_in_words(roof):
    return ", ".join("%s %.0f %s" % (name, roof[key] / 1e9, unit) if name != "read" else
                     "read %.1f %s" % (roof[key] / 1e9, unit) for name, key, unit in LIMITS if roof.get(key))
