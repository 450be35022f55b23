"""worker.py - the Python side of the sandbox: a warm interpreter that forks a confined worker per
session, and the worker that runs blocks of a model's code (jail.h has the messages).

Nothing here is a boundary: once a block has run, this process is whatever the block made of it.
The supervisor keeps the limits, measures the times and believes only that the block printed what
came out.  What looks like a prison below (imports, open) is a courtesy that turns a kernel's
refusal into a sentence the model can act on."""
import ast
import builtins
import ctypes
import gc
import io
import os
import random
import signal
import socket
import struct
import sys
import types

SESSION_SO, ANY_IMPORT, ECHO = sys.argv[1], sys.argv[2] == "1", sys.argv[3] == "1"
CONTROL, CONFIG = 3, 5
OK, ERROR, TIMEOUT, OOM, BLOCKED, NO_CODE = range(6)
STEP, READY, OPENED = 1, 2, 3
MAX_TYPE, MAX_MESSAGE = 63, 8000

ALLOWED = frozenset("""__future__ math cmath decimal fractions itertools functools collections
statistics random re string datetime calendar heapq bisect operator typing dataclasses copy time
numpy scipy sympy mpmath networkx""".split())


# ---- a block ----

class Stop(BaseException):
    """Raised by the timers in whatever the block is doing."""


class Courtesies:
    """The builtins as a block sees them, and what was last refused."""

    def __init__(self, seed, work):
        self.seed, self.work, self.refused, self.numpy_seeded = seed, work, None, False
        self.names = dict(vars(builtins), __import__=self.import_)
        if not ANY_IMPORT:
            self.names.update(open=self.open_, input=self.input_, breakpoint=self.input_)

    def refuse(self, error):
        self.refused = error
        raise error

    def import_(self, name, globals=None, locals=None, fromlist=(), level=0):
        top = name.partition(".")[0]
        if level == 0 and top not in ALLOWED and not ANY_IMPORT:
            self.refuse(ImportError("module '%s' is not available here; available are %s"
                                    % (top, ", ".join(sorted(ALLOWED - {"__future__"})))))
        module = __import__(name, globals, locals, fromlist, level)
        if top == "numpy" and not self.numpy_seeded:
            self.numpy_seeded = True
            sys.modules["numpy"].random.seed(self.seed % 2**32)
        return module

    def open_(self, file, *args, **kwargs):
        if isinstance(file, (str, bytes, os.PathLike)):
            path = os.path.realpath(os.fsdecode(file))
            if path != self.work and not path.startswith(self.work + "/"):
                self.refuse(PermissionError("files outside the work directory cannot be opened here"))
        return open(file, *args, **kwargs)

    def input_(self, *args, **kwargs):
        self.refuse(EOFError("there is nobody to ask: input() is not available here"))


def no_sleep(seconds):
    """time.sleep where only computing makes sense."""
    raise RuntimeError("time.sleep is not available here")


def compiled(code, echo):
    """The code object of a block, None if it holds no statement."""
    tree = ast.parse(code, "<code>")
    if not tree.body:
        return None
    last = tree.body[-1]
    if echo and isinstance(last, ast.Expr):
        tree.body[-1] = ast.copy_location(ast.Expr(ast.Call(
            ast.Name("__echo__", ast.Load()), [last.value], [])), last)
        ast.fix_missing_locations(tree)
    return compile(tree, "<code>", "exec")


def described(error):
    """Type and message; the error's own methods may do anything, so this runs under the timers."""
    try:
        kind = type.__dict__["__name__"].__get__(type(error))
    except Exception:
        kind = "Exception"
    try:
        text = str(error)
    except Exception:
        text = "(its message cannot be shown)"
    return kind, text if type(text) is str else ""


def judge(error, courtesies):
    if isinstance(error, MemoryError):
        return OOM
    if error is courtesies.refused or isinstance(error, PermissionError):
        return BLOCKED
    return ERROR


class Timers:
    """CPU and wall time; what swallows the first Stop meets more, and then the supervisor."""

    def __init__(self):
        self.armed = False
        signal.signal(signal.SIGPROF, self.ring)
        signal.signal(signal.SIGALRM, self.ring)

    def ring(self, number, frame):
        if self.armed:
            raise Stop("CPU" if number == signal.SIGPROF else "wall")

    def start(self, cpu_ms, wall_ms):
        self.armed = True
        signal.setitimer(signal.ITIMER_PROF, cpu_ms / 1000, 0.05)
        signal.setitimer(signal.ITIMER_REAL, wall_ms / 1000, 0.05)

    def stop(self):
        self.armed = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def attempt(code, space, courtesies, timers, cpu_ms, wall_ms):
    """Status, exception type and message of one block."""
    courtesies.refused = None
    try:
        try:
            timers.start(cpu_ms, wall_ms)
            program = compiled(code.decode("utf-8"), ECHO)
            if program is None:
                return NO_CODE, "", ""
            exec(program, space)
            return OK, "", ""
        except Stop:
            raise
        except BaseException as error:
            return (judge(error, courtesies),) + described(error)
        finally:
            timers.stop()
    except Stop as stop:
        timers.stop()
        limit = cpu_ms if stop.args[:1] == ("CPU",) else wall_ms
        return TIMEOUT, "", "%g s of %s time are over" % (limit / 1000, stop.args[0] if stop.args else "")
    except BaseException as error:
        timers.stop()
        return ERROR, "Exception", ""


# ---- a worker ----

class Streams:
    """sys.stdout and sys.stderr, made anew for every block from descriptors of our own."""

    def __init__(self):
        self.spare = os.dup(1), os.dup(2)
        self.now = ()

    def renew(self):
        for number, spare in zip((1, 2), self.spare):
            os.dup2(spare, number)
        self.now = tuple(io.TextIOWrapper(io.FileIO(number, "w", closefd=False), "utf-8", "backslashreplace",
                                          newline="\n", write_through=False) for number in (1, 2))
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__ = self.now

    def flush(self):
        for stream in (sys.stdout, sys.stderr) + self.now:
            try:
                stream.flush()
            except BaseException:
                pass


def read_exactly(n):
    parts = []
    while n > 0:
        part = os.read(CONTROL, min(n, 1 << 16))
        if not part:
            os._exit(0)
        parts.append(part)
        n -= len(part)
    return b"".join(parts)


def write_all(data):
    while data:
        data = data[os.write(CONTROL, data):]


def serve(seed, work):
    """Runs blocks until the supervisor's end closes."""
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    courtesies, timers, streams = Courtesies(seed, work), Timers(), Streams()
    main.__dict__["__builtins__"] = courtesies.names
    courtesies.names["__echo__"] = lambda value: None if value is None else print(repr(value))
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)
    if not ANY_IMPORT:
        import time
        time.sleep = no_sleep
    sys.argv = [""]
    sys.setrecursionlimit(1200)
    head = struct.Struct("=16sIIQ")
    while True:
        nonce, cpu_ms, wall_ms, size = head.unpack(read_exactly(head.size))
        code = read_exactly(size)
        streams.renew()
        status, kind, text = attempt(code, main.__dict__, courtesies, timers, cpu_ms, wall_ms)
        streams.flush()
        kind = kind.encode("utf-8", "replace")[:MAX_TYPE]
        text = text.encode("utf-8", "replace")[:MAX_MESSAGE]
        write_all(struct.pack("=16sIII", nonce, status, len(kind), len(text)) + kind + text)


# ---- the warm interpreter ----

def fork_session(jail, seed, number, fds):
    """The errno, and a pidfd; the child does not come back."""
    pidfd = ctypes.c_int(-1)
    api = ctypes.pythonapi
    api.PyOS_BeforeFork()
    pid = jail.jail_spawn(ctypes.byref(pidfd), (ctypes.c_int * 4)(*fds), ctypes.c_uint64(number))
    if pid != 0:
        api.PyOS_AfterFork_Parent()
        return (-pid, -1) if pid < 0 else (0, pidfd.value)
    api.PyOS_AfterFork_Child()
    try:
        if jail.jail_enter() == 0:
            serve(seed, os.fsdecode(jail.jail_work()))
    finally:
        os._exit(1)


def warm():
    """What sessions want at hand; their pages are shared until written."""
    import sympy
    sympy.simplify("sin(x)**2 + cos(x)**2")
    sympy.solve("x**2 - 2", "x")
    import cmath, collections, copy, datetime, decimal, fractions, heapq, itertools, math, statistics, time
    gc.collect()
    gc.freeze()
    return sympy.__version__


def main():
    jail = ctypes.PyDLL(SESSION_SO)
    jail.jail_work.restype = ctypes.c_char_p
    control = socket.socket(fileno=CONTROL)
    sys.path[:] = [p for p in sys.path if p]
    error = jail.jail_load()
    if error:
        raise OSError(error, "the configuration cannot be read")
    sympy_version = warm()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control.send(struct.pack("=I32s32s", READY, sys.version.split()[0].encode(), sympy_version.encode()))
    while True:
        message, fds, flags, address = socket.recv_fds(control, 64, 4)
        if not message:
            return
        seed, number = struct.unpack("=QQ", message)
        error, pidfd = fork_session(jail, seed, number, fds)
        for fd in fds:
            os.close(fd)
        reply = struct.pack("=Ii", OPENED, error)
        if error:
            control.send(reply)
        else:
            socket.send_fds(control, [reply], [pidfd])
            os.close(pidfd)


main()
