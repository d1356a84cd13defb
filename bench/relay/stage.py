"""Where a measurement takes place: a control group for each actor, processes that are ended by
their ids, and the machine's own figures."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BENCH = ROOT / "build/bench"
# What script/bootstrap --peers unpacked.
PEERS = BENCH / "peers"
TOOLS = BENCH / "tools"
RELAY_PORT, SINK_PORT = 2525, 2526
ACTORS = ("relay", "source", "sink", "monitor")
SYNC_CALLS = ("fsync", "fdatasync", "sync_file_range", "syncfs")
# More foreign CPU than this (in cores) during a run, and the run counts as disturbed.
FOREIGN_CORES_MAX = 0.25


class Failure(Exception):
    """The measurement cannot go on; the text is for whoever started it."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def now():
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def busy_s():
    """CPU seconds of the whole machine, and those that the hypervisor gave to others."""
    fields = [int(x) for x in open("/proc/stat").readline().split()[1:9]]
    tick = os.sysconf("SC_CLK_TCK")
    return (fields[0] + fields[1] + fields[2] + fields[5] + fields[6]) / tick, fields[7] / tick


def wait_until_idle(limit_s):
    """Until a second passes with little CPU used, or `limit_s` are over."""
    for _ in range(int(limit_s)):
        before = busy_s()[0]
        time.sleep(1)
        if busy_s()[0] - before < 0.3:
            return


class Groups:
    """One control group for each actor, of version 1 (cpuacct) or 2 (cpu.stat), so that a relay's
    CPU holds that of children long gone and nothing of the tools'."""

    def __init__(self, version="auto"):
        mounts = [line.split() for line in open("/proc/mounts")]
        v1 = [m[1] for m in mounts if m[2] == "cgroup" and "cpuacct" in m[3].split(",")]
        v2 = [m[1] for m in mounts if m[2] == "cgroup2"]
        if v1 and version in ("auto", "1"):
            self.version, top = 1, v1[0]
        elif v2 and version in ("auto", "2"):
            self.version, top = 2, v2[0]
        else:
            raise Failure("no control groups (cpuacct of version 1, or version 2) are mounted")
        self.folder = pathlib.Path(top) / f"ekiden-bench-{os.getpid()}"
        try:
            for actor in ACTORS:
                (self.folder / actor).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Failure(f"control groups cannot be made: {error}. In a container they must be "
                          "writable (docker run --privileged)") from error
        self.join("monitor")

    def join(self, actor):
        (self.folder / actor / "cgroup.procs").write_text(str(os.getpid()))

    def procs(self, actor):
        return [int(x) for x in (self.folder / actor / "cgroup.procs").read_text().split()]

    def cpu_s(self, actor):
        """(user, system) CPU seconds."""
        folder = self.folder / actor
        if self.version == 1:
            return tuple(int((folder / f"cpuacct.usage_{kind}").read_text()) / 1e9
                         for kind in ("user", "sys"))
        stat = dict(line.split() for line in (folder / "cpu.stat").read_text().splitlines())
        return int(stat["user_usec"]) / 1e6, int(stat["system_usec"]) / 1e6

    def end(self, actor, patience_s=5.0):
        """Ends what is left of an actor, each process by its id."""
        deadline = now() + patience_s
        while self.procs(actor):
            if now() > deadline:
                for pid in self.procs(actor):
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
            if now() > deadline + 10:
                raise Failure(f"processes of {actor} do not end: {self.procs(actor)}")
            time.sleep(0.05)

    def remove(self):
        # This process leaves its group for the one above.
        (self.folder.parent / "cgroup.procs").write_text(str(os.getpid()))
        for actor in ACTORS:
            self.end(actor, 0)
            (self.folder / actor).rmdir()
        self.folder.rmdir()


class Stage:
    """The groups, a scratch folder in memory, and a data folder on the disk that is measured."""

    def __init__(self, data=None, version="auto"):
        # Postfix's daemons are not root: each folder above their queue must let them through.
        is_open = all(folder.stat().st_mode & 0o001 for folder in BENCH.parents)
        self.data = pathlib.Path(data or (BENCH / "data" if is_open else
                                          f"/var/tmp/ekiden-bench-{os.getpid()}")).absolute()
        self.data.mkdir(parents=True, exist_ok=True)
        kind = subprocess.run(["stat", "-f", "-c", "%T", self.data], capture_output=True,
                              text=True, check=True).stdout.strip()
        if kind in ("tmpfs", "ramfs"):
            raise Failure(f"{self.data} lies in memory, where a sync costs nothing: name a folder "
                          "on a disk with --data")
        self.disk_kind = kind
        self.scratch = BENCH / "scratch"
        self.scratch.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", self.scratch], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        self.groups = Groups(version)
        self.children = []

    def certificate(self):
        """(certificate, key), made once."""
        files = self.scratch / "cert.pem", self.scratch / "key.pem"
        if not files[0].exists():
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                            "/CN=relay.bench.test", "-keyout", files[1], "-out", files[0]],
                           check=True, capture_output=True)
            files[1].chmod(0o644)  # Daemons that are not root read it, and nobody else is in here.
        return files

    def start(self, actor, arguments, out=subprocess.DEVNULL, err=subprocess.DEVNULL, **more):
        def join():
            self.groups.join(actor)
        child = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=err, preexec_fn=join, **more)
        self.children.append(child)
        return child

    def stop(self, child, number=signal.SIGTERM, patience_s=30):
        if child.poll() is None:
            child.send_signal(number)
            try:
                child.wait(patience_s)
            except subprocess.TimeoutExpired:
                child.kill()
        child.wait()
        if child in self.children:
            self.children.remove(child)

    def close(self):
        for child in list(self.children):
            self.stop(child, patience_s=5)
        self.groups.remove()
        subprocess.run(["umount", "-l", self.scratch], check=False)
        shutil.rmtree(self.data, ignore_errors=True)


def wait_for_port(port, what, limit_s=30.0, alive=lambda: True, greeting=False):
    """Until something listens; with `greeting`, until it says 220. The time it took."""
    began = now()
    while now() - began < limit_s:
        if not alive():
            break
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as probe:
                if not greeting or probe.recv(3) == b"220":
                    return now() - began
        except OSError:
            pass
        time.sleep(0.005)
    raise Failure(f"{what} does not listen on port {port}")


class Sink:
    """Takes what the relay delivers. `kind`: smtp-sink (Postfix's), receive (ours: exact times,
    and the arrival of each message), or ekiden (its sink, counted once a second)."""

    def __init__(self, stage, kind="auto", arrivals=0, latency_ms=0):
        if kind == "auto":
            kind = "smtp-sink" if shutil.which("smtp-sink") else "receive"
        self.stage, self.kind, self.arrivals = stage, kind, arrivals
        self.latency_ms = latency_ms
        self.child, self.file, self.first = None, stage.scratch / "sink", None

    def start(self):
        self.file.unlink(missing_ok=True)
        self.first = None
        if self.kind == "smtp-sink":
            with open(self.file, "wb") as out:
                self.child = self.stage.start("sink", [
                    "smtp-sink", "-u", "nobody", "-c", "-m", "2000", f"127.0.0.1:{SINK_PORT}",
                    "1000"], out=out)
        elif self.kind == "receive":
            self.child = self.stage.start("sink", [
                TOOLS / "receive", "--port", SINK_PORT, "--out", self.file, "--arrivals",
                self.arrivals, "--latency", self.latency_ms])
        else:
            self.child = self.stage.start("sink", [
                ROOT / "build/release/ekiden", "sink", "--listen", f"127.0.0.1:{SINK_PORT}",
                "--count-file", self.file])
        wait_for_port(SINK_PORT, "the sink", alive=lambda: self.child.poll() is None)
        return self

    def count(self):
        try:
            with open(self.file, "rb") as file:
                if self.kind == "receive":
                    return struct.unpack("q", file.read(8))[0]
                if self.kind == "ekiden":
                    return json.load(file).get("messages", 0)
                file.seek(max(0, os.fstat(file.fileno()).st_size - 256))
                counts = re.findall(rb"mesg=(\d+)[^\d]", file.read())
                return int(counts[-1]) if counts else 0
        except (OSError, ValueError, struct.error):
            return 0

    def wait(self, messages, stall_s=20.0):
        """Until `messages` are here, or none came for `stall_s`. (count, time of the last, time of
        the first); the times are as exact as the kind of sink allows."""
        last, last_at, first_at = -1, now(), None
        while True:
            count, at = self.count(), now()
            if count != last:
                last, last_at = count, at
            if count > 0 and first_at is None:
                first_at = at
            if count >= messages or at - last_at > stall_s:
                break
            time.sleep(0.01)
        if self.kind == "receive":
            with open(self.file, "rb") as file:
                _, first_us, last_us = struct.unpack("qqq", file.read(24))
            if last_us:
                first_at, last_at = first_us / 1e6, last_us / 1e6
        return last, last_at, first_at or last_at

    def arrival_times(self):
        """Microseconds of CLOCK_MONOTONIC by message number; 0: it has not come."""
        octets = self.file.read_bytes()[24:]
        return struct.unpack(f"{len(octets) // 8}q", octets)

    def stop(self):
        if self.child:
            self.stage.stop(self.child)
            self.child = None


class Memory:
    """Samples what the relay's processes hold, in a process of its own."""

    def __init__(self, stage, interval_ms=1000):
        self.stage = stage
        self.child = stage.start("monitor", [
            TOOLS / "monitor", stage.groups.folder / "relay/cgroup.procs", interval_ms],
            out=subprocess.PIPE, text=True)

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        words = self.child.communicate()[0].split()
        self.stage.children.remove(self.child)
        return {k: int(v) for k, v in zip(words[::2], words[1::2])}


class Syncs:
    """Counts sync calls of the whole machine with perf, where that is permitted."""

    events = [f"syscalls:sys_enter_{call}" for call in SYNC_CALLS]
    _is_permitted = None

    @classmethod
    def is_permitted(cls):
        if cls._is_permitted is None:
            try:
                done = subprocess.run(["perf", "stat", "-a", "-x,", "-e", ",".join(cls.events),
                                       "true"], capture_output=True, text=True)
                cls._is_permitted = done.returncode == 0 and "<not" not in done.stderr
            except FileNotFoundError:
                cls._is_permitted = False
        return cls._is_permitted

    def __init__(self, stage):
        self.stage, self.child, self.file = stage, None, stage.scratch / "perf"
        if self.is_permitted():
            self.child = stage.start("monitor", [
                "perf", "stat", "-a", "-x,", "-o", self.file, "-e", ",".join(self.events)])
            time.sleep(0.3)

    def stop(self):
        """The count, or None."""
        if self.child is None:
            return None
        self.stage.stop(self.child, signal.SIGINT)
        total = 0
        for line in self.file.read_text().splitlines():
            fields = line.split(",")
            if len(fields) > 2 and "sys_enter" in fields[2] and fields[0].isdigit():
                total += int(fields[0])
        return total


class Traced:
    """Counts sync calls with strace: slow, so only for a run of its own that is not timed."""

    def __init__(self, stage):
        self.stage, self.file = stage, stage.scratch / "strace"
        pids = [x for pid in stage.groups.procs("relay") for x in ("-p", str(pid))]
        self.child = None
        if shutil.which("strace") and pids:
            self.child = stage.start("monitor", ["strace", "-f", "-q", "-e",
                                                 "trace=" + ",".join(SYNC_CALLS), "-o", self.file,
                                                 *pids])
            time.sleep(0.5)

    def stop(self):
        if self.child is None:
            return None
        self.stage.stop(self.child, signal.SIGINT)
        return sum(1 for line in open(self.file, errors="replace")
                   if re.match(r"\d+ +(%s)\(" % "|".join(SYNC_CALLS), line))


class Load:
    """The client. `result()` waits for its end."""

    def __init__(self, stage, port, messages, size=10240, sessions=20, is_new=False, rate=0.0,
                 acks=None, limit_s=600.0, is_tls=False, to=None, first=1):
        """`size` 0: sizes as in real mail."""
        arguments = [TOOLS / "load", "--port", port, "--messages", messages, "--sessions", sessions,
                     "--time-limit", limit_s, "--first", first]
        arguments += ["--size", size] if size else ["--mix"]
        if is_tls:
            arguments.append("--tls")
        if to:
            arguments += ["--to", to]
        if is_new:
            arguments.append("--new")
        if rate:
            arguments += ["--rate", rate]
        if acks:
            arguments += ["--acks", acks]
        self.stage = stage
        self.child = stage.start("source", arguments, out=subprocess.PIPE, err=None, text=True)

    def result(self):
        out = self.child.communicate()[0].split()
        self.stage.children.remove(self.child)
        values = {k: float(v) for k, v in zip(out[::2], out[1::2])}
        if "acked" not in values:
            raise Failure("the load gave no result")
        values["code"] = self.child.returncode
        return values
