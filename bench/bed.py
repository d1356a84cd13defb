"""What benchmarks that start a relay of their own have in common (not one of them itself)."""
import os
import pathlib
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("EKIDEN_BINARY", str(ROOT / "build/release/ekiden"))
# `load` and `receive` of bench/relay, built by script/bench.
TOOLS = ROOT / "build/bench/tools"
START_S = 120


class Failure(SystemExit):
    """The measurement cannot go on; the text is for whoever started it."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def need(*tools):
    for tool in tools:
        if not tool.exists():
            sys.exit(f"{tool} is missing: see bench/README.md")


def cpu_s(stat):
    """Seconds of CPU, by a file "stat" below /proc."""
    fields = pathlib.Path(stat).read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until_it_greets(port, process, log=None, greeting=b"220"):
    """Seconds that it took. Who says nothing by itself has an empty greeting."""
    began = time.monotonic()
    while process.poll() is None and time.monotonic() - began < START_S:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as probe:
                if not greeting or probe.recv(len(greeting)) == greeting:
                    return time.monotonic() - began
        except OSError:
            pass
        time.sleep(0.01)
    said = log.read_bytes()[-3000:].decode("utf-8", "replace") if log else ""
    raise Failure(f"{process.args[0]} does not start\n{said}")


class Children:
    """The processes that were started, ended by their ids."""

    def __init__(self):
        self.all = []

    def spawn(self, *arguments, **more):
        self.all.append(subprocess.Popen([str(a) for a in arguments], stdin=subprocess.DEVNULL,
                                         **more))
        return self.all[-1]

    def serve(self, config, log):
        """`ekiden serve`, its words into an open file."""
        return self.spawn(BINARY, "serve", "--config", config, stdout=log, stderr=log)

    def close(self):
        for child in reversed(self.all):
            if child.poll() is None:
                child.kill()
            child.wait()


def figures(load):
    """What the load generator printed at its end: pairs of a name and a number."""
    out = load.communicate()[0].split()
    if "acked" not in out:
        raise Failure("the load gave no result")
    return {k: float(v) for k, v in zip(out[::2], out[1::2])}
