"""script/kill and script/soak: long runs of the real binary on free ports, without root.

kill  load, `kill -9` at random instants, a restart on the same folder; then every message that was
      answered 250 is looked for. Duplicates are counted: they are allowed, losses are not.
soak  load at one rate; memory, descriptors and what waits must not grow.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from bed import (BINARY, ROOT, TOOLS, Children, Failure, figures, free_port,  # noqa: E402
                 wait_until_it_greets)

# A message over 1 MiB has a file of its own on its way in.
LARGE_OCTETS, LARGE_PER_SECOND = 1_500_000, 2
DRAIN_S = 120


class Bed:
    """A relay, a receiver behind it, and what was started, by id."""

    def __init__(self, folder, arrivals):
        self.folder = pathlib.Path(folder)
        (self.folder / "data").mkdir(parents=True)
        self.port, self.sink_port = free_port(), free_port()
        self.children, self.relay = Children(), None
        self.config = self.folder / "ekiden.toml"
        self.config.write_text(f"""[node]
hostname = "relay.endurance.test"
data_dir = "{self.folder}/data"
[[listener]]
address = "127.0.0.1:{self.port}"
service = "relay"
tls = "off"
trusted_networks = ["127.0.0.0/8"]
[[route]]
domains = ["*"]
next_hop = "127.0.0.1:{self.sink_port}"
[retry]
first = "1s"
max_interval = "5s"
[log]
level = "warning"
""")
        self.log = open(self.folder / "relay.log", "ab")
        self.children.spawn(TOOLS / "receive", "--port", self.sink_port, "--out",
                            self.folder / "sink", "--arrivals", arrivals)

    def start(self):
        """Starts the relay; seconds until it greets."""
        self.relay = self.children.serve(self.config, self.log)
        return wait_until_it_greets(self.port, self.relay, self.folder / "relay.log")

    def kill(self):
        self.relay.kill()
        self.relay.wait()
        self.children.all.remove(self.relay)

    def load(self, name, messages, size, rate, first, sessions):
        return self.children.spawn(TOOLS / "load", "--port", self.port, "--messages", messages,
                                   "--size", size, "--sessions", sessions, "--rate", rate,
                                   "--first", first, "--acks", self.folder / name, "--errors-max",
                                   1 << 60, "--time-limit", messages / rate + DRAIN_S,
                                   stdout=subprocess.PIPE, text=True)

    def finish(self, load):
        result = figures(load)
        self.children.all.remove(load)
        return result

    def arrived(self):
        """Every message that came, copies counted."""
        with open(self.folder / "sink", "rb") as file:
            return struct.unpack("q", file.read(8))[0]

    def arrivals(self):
        octets = (self.folder / "sink").read_bytes()[24:]
        return struct.unpack(f"{len(octets) // 8}q", octets)

    def acked(self, name):
        octets = (self.folder / name).read_bytes()
        return [number for number, _ in struct.iter_unpack("qq", octets)]

    def close(self):
        self.children.close()
        self.log.close()


def kill(bed, options):
    seconds = options.minutes * 60
    small, large = int(options.rate * seconds), int(LARGE_PER_SECOND * seconds)
    chance = random.Random(options.seed)
    bed.start()
    loads = [bed.load("small", small, 10240, options.rate, 1, 20),
             bed.load("large", large, LARGE_OCTETS, LARGE_PER_SECOND, small + 1, 4)]
    end, kills, slowest = time.monotonic() + seconds, 0, 0.0
    while time.monotonic() < end:
        time.sleep(chance.uniform(0.1, options.between))
        if bed.relay.poll() is not None:
            raise Failure(f"the relay ended by itself with {bed.relay.returncode}")
        bed.kill()
        kills += 1
        slowest = max(slowest, bed.start())
    results = [bed.finish(load) for load in loads]
    acked = bed.acked("small") + bed.acked("large")
    deadline = time.monotonic() + DRAIN_S
    while True:
        arrivals = bed.arrivals()
        missing = [number for number in acked if arrivals[number] == 0]
        if not missing or time.monotonic() > deadline:
            break
        time.sleep(1)
    # What waits for a retry is not lost; what is still missing after the drain is.
    distinct = sum(1 for at in arrivals if at)
    answer = {"minutes": options.minutes, "seed": options.seed, "kills": kills,
              "answered_250": len(acked), "arrived": distinct, "lost": len(missing),
              "duplicates": bed.arrived() - distinct,
              "resent_by_clients": int(sum(r["unanswered"] for r in results)),
              "slowest_restart_s": round(slowest, 2), "first_lost": missing[:10]}
    if not acked or kills == 0:
        raise Failure(f"there was no load: {answer}")
    bed.relay.send_signal(signal.SIGTERM)
    bed.relay.wait(60)
    verified = subprocess.run([BINARY, "spool", "verify", "--config", bed.config],
                              capture_output=True, text=True)
    answer["spool_verify"] = verified.returncode
    print(json.dumps(answer))
    return 0 if not missing and verified.returncode == 0 else 1


def sample(bed):
    process = pathlib.Path(f"/proc/{bed.relay.pid}")
    status = (process / "status").read_text()
    rss = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    disk = sum(entry.stat().st_blocks * 512 for entry in (bed.folder / "data").rglob("*")
               if entry.is_file())
    return {"rss_kb": rss, "descriptors": len(os.listdir(process / "fd")), "disk": disk,
            "arrived": bed.arrived(), "at": time.monotonic()}


def soak(bed, options):
    seconds = options.minutes * 60
    messages = int(options.rate * seconds)
    bed.start()
    began = time.monotonic()
    load = bed.load("acks", messages, 10240, options.rate, 1, 20)
    samples, interval = [], max(1.0, min(10.0, seconds / 60))
    while load.poll() is None and time.monotonic() - began < seconds + DRAIN_S:
        time.sleep(interval)
        if bed.relay.poll() is not None:
            raise Failure(f"the relay ended by itself with {bed.relay.returncode}")
        one = sample(bed)
        # What the load has offered and the receiver has not got.
        one["waiting"] = max(0, int(min(messages, (one["at"] - began) * options.rate)) -
                             one["arrived"])
        samples.append(one)
        if sys.stderr.isatty():
            print(f"\r{one['at'] - began:6.0f} s  {one['rss_kb'] // 1024} MB  "
                  f"{one['descriptors']} descriptors  {one['waiting']} waiting ",
                  end="", file=sys.stderr)
    result = bed.finish(load)
    deadline = time.monotonic() + DRAIN_S
    while bed.arrived() < result["acked"] and time.monotonic() < deadline:
        time.sleep(0.2)
    # The second quarter is warm; the last must look like it.
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter:2 * quarter] or samples[:1], samples[-quarter:]

    def both(key):
        return (statistics.median(s[key] for s in early), statistics.median(s[key] for s in late))
    limits = {"rss_kb": lambda a: max(a * 1.10, a + 16 * 1024), "descriptors": lambda a: a + 10,
              "waiting": lambda a: a + options.rate}
    findings = []
    for key, limit in limits.items():
        a, b = both(key)
        if b > limit(a):
            findings.append(f"{key} grew from {a:.0f} to {b:.0f}")
    if bed.arrived() < result["acked"]:
        findings.append(f"{result['acked'] - bed.arrived():.0f} messages did not arrive")
    if result["acked"] < messages:
        findings.append(f"{messages - result['acked']:.0f} messages were not taken")
    print(json.dumps({"minutes": options.minutes, "rate": options.rate,
                      "accepted": int(result["acked"]), "arrived": bed.arrived(),
                      "rss_kb": both("rss_kb"), "descriptors": both("descriptors"),
                      "waiting": both("waiting"), "disk": both("disk"), "p99_ms": result["p99"],
                      "findings": findings}))
    return 1 if findings else 0


def main():
    parser = argparse.ArgumentParser(prog="script/" + (sys.argv[1] if len(sys.argv) > 1 else ""))
    parser.add_argument("what", choices=["kill", "soak"], help=argparse.SUPPRESS)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seconds", type=float, help="in place of --minutes")
    parser.add_argument("--rate", type=float, default=500, help="messages a second")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--between", type=float, default=3, help="seconds between kills, at most")
    parser.add_argument("--keep", action="store_true", help="leave the folder behind")
    options = parser.parse_args()
    if options.seconds:
        options.minutes = options.seconds / 60
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # On a disk: the system's folder for temporary files may lie in memory.
    (ROOT / "build").mkdir(exist_ok=True)
    folder = tempfile.mkdtemp(prefix=f"{options.what}-", dir=ROOT / "build")
    seconds, bed, code = options.minutes * 60, None, 3
    try:
        bed = Bed(pathlib.Path(folder) / "bed", int((options.rate + LARGE_PER_SECOND) * seconds) + 2)
        code = kill(bed, options) if options.what == "kill" else soak(bed, options)
    except Failure as failure:
        print(f"script/{options.what}: {failure}", file=sys.stderr)
    finally:
        if bed:
            bed.close()
        if options.keep or code not in (0, 143):
            print(f"Left for inspection: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
