"""engines.py - the other engines: built once into build-peers/, or found where the user says.

LLAMA_BIN   folder with llama.cpp's llama-bench, llama-batched-bench, llama-server, llama-cli and libllama.so
IK_LLAMA    checkout of ik_llama.cpp, or a folder with its llama-bench and llama-batched-bench"""
import glob, os, subprocess, sys, tarfile

from machine import ROOT, output

VERSION = "0.3.36"          # of llama-cpp-python, whose source package holds the whole of llama.cpp
WHERE = os.path.join(ROOT, "build-peers")
TARGETS = ["llama-bench", "llama-batched-bench", "llama-server", "llama-cli"]
IK_TARGETS = TARGETS[:2]
PYTHON_NEEDS = ["numpy", "diskcache", "typing_extensions", "jinja2"]    # what llama_cpp imports


def quietly(command):
    subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL)


def cmake(source, build, targets, options=()):
    """The folder of the programs; compiled unless they are there."""
    done = os.path.join(build, "bin")
    if not all(os.path.exists(os.path.join(done, t)) for t in targets):
        print("bench-peers: building %s, this takes minutes" % os.path.relpath(build, ROOT), file=sys.stderr)
        quietly(["cmake", "-S", source, "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON", "-DLLAMA_CURL=OFF"] +
                list(options))
        quietly(["cmake", "--build", build, "-j", os.cpu_count(), "--target"] + targets)
    return done


def python():
    """An interpreter that has what llama_cpp imports."""
    venv = os.path.join(WHERE, "venv")
    there = os.path.join(venv, "bin", "python")
    if not os.path.exists(os.path.join(venv, "ready")):
        quietly([sys.executable, "-m", "venv", venv])
        quietly([there, "-m", "pip", "install", "-q"] + PYTHON_NEEDS + ["scikit-build-core[pyproject]"])
        open(os.path.join(venv, "ready"), "w").close()
    return there


def source_package():
    """The unpacked source package: the llama_cpp package, and llama.cpp under vendor/."""
    folder = os.path.join(WHERE, "llama_cpp_python-" + VERSION)
    if not os.path.exists(os.path.join(folder, "vendor")):
        os.makedirs(WHERE, exist_ok=True)
        archives = os.path.join(WHERE, "llama_cpp_python-%s*.tar.gz" % VERSION)
        if not glob.glob(archives):
            quietly([python(), "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:",
                     "--no-build-isolation", "-d", WHERE, "llama-cpp-python==" + VERSION])
        with tarfile.open(glob.glob(archives)[0]) as t:
            t.extractall(WHERE, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return folder


def llama():
    """The folder of llama.cpp's programs."""
    given = os.environ.get("LLAMA_BIN")
    if not given:
        return cmake(os.path.join(source_package(), "vendor", "llama.cpp"), os.path.join(WHERE, "llama"), TARGETS)
    missing = [t for t in TARGETS if not os.path.exists(os.path.join(given, t))]
    if missing:
        raise SystemExit("bench-peers: LLAMA_BIN=%s lacks %s" % (given, ", ".join(missing)))
    return os.path.abspath(given)


def ik_llama():
    """The folder of ik_llama.cpp's programs, None unless IK_LLAMA is given."""
    given = os.environ.get("IK_LLAMA")
    if not given:
        return None
    given = os.path.abspath(given)
    if os.path.exists(os.path.join(given, "llama-bench")):
        return given
    if not os.path.exists(os.path.join(given, "CMakeLists.txt")):
        raise SystemExit("bench-peers: IK_LLAMA=%s is neither a checkout nor a folder with llama-bench" % given)
    return cmake(given, os.path.join(WHERE, "ik"), IK_TARGETS)


def llama_python(programs):
    """The folder that holds the llama_cpp package: above LLAMA_BIN, or the source package."""
    at = programs
    while os.path.dirname(at) != at:
        if os.path.exists(os.path.join(at, "llama_cpp", "llama.py")):
            return at
        at = os.path.dirname(at)
    return source_package()


def version(programs):
    said = subprocess.run([os.path.join(programs, "llama-cli"), "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True).stdout
    lines = [line.partition(":")[2].strip() for line in said.splitlines() if line.startswith("version")]
    return lines[0] if lines else "unknown"


def knows(program, flag):
    """Does the program's help name this flag?"""
    said = subprocess.run([program, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    return any(word.strip(",") == flag for word in said.replace("[", " ").split())


def check_tokens(rung, model, text, n):
    """The text has n tokens for this model, or the benchmark is not the one it claims to be."""
    import json
    ids = json.loads(output([rung, "tokenize", "-q", "-m", model, "--json", text]))["ids"]
    if len(ids) != n:
        raise SystemExit("bench-peers: %r has %d tokens, not %d" % (text, len(ids), n))
