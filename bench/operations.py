"""What operators' commands cost over a deep queue, and what a queue costs that nothing can leave.

    bench/operations.py                                   1,000,000 queued, every command in turn
    bench/operations.py --messages 200000 --parked 60     CPU of a queue of which nothing can leave

Needs no root. The queue is written by `spool_bench fill` (build with -DEKIDEN_BENCH=ON) below
--folder, for 10,000 domains of 1,000 tenants behind a next hop that is not there. Each command runs
as an operation over all of it, while mail for a next hop that is there goes on at --rate.

CPU is that of the relay's process (/proc/PID/stat): of a machine that does other work it says
more than seconds do.
"""
import argparse
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from bed import (ROOT, TOOLS, Children, cpu_s, figures, free_port, need, wait_until_it_greets)

FILL = ROOT / "build/release/bench/spool_bench"
# In this order each finds the queue as the one before it left it.
STEPS = [
    ("hold", "hold", {"domain": "*.bulk.test"}, "for now"),
    ("hold again: nothing to do", "hold", {}, ""),
    ("release", "release", {"domain": "*.bulk.test"}, ""),
    ("retry", "retry", {"stream": "bulk"}, ""),
    ("hold by sender, pattern", "hold", {"sender": "bounces+*9@*"}, ""),
    ("delete by reply, a part of it", "delete", {"reply": "no such reply"}, ""),
    ("reroute, a tenth", "reroute", {"domain": "d*0.bulk.test"}, "127.0.0.1:9"),
    ("bounce, a tenth", "bounce", {"domain": "d*1.bulk.test"}, ""),
    ("delete", "delete", {"domain": "*.bulk.test"}, "unwanted"),
]


class Node:
    """A relay on a filled spool, a sink, and what was started."""

    def __init__(self, folder, options):
        self.folder, self.children = folder, Children()
        self.data = folder / "data"
        spool = self.data / "spool"
        spool.mkdir(parents=True)
        self.port, self.sink_port = free_port(), free_port()
        subprocess.run([FILL, spool, "fill", str(options.messages), str(options.octets)],
                       check=True, stdout=subprocess.DEVNULL)
        (folder / "ekiden.toml").write_text(f"""[node]
hostname = "relay.bench.test"
data_dir = "{self.data}"
[[listener]]
address = "127.0.0.1:{self.port}"
service = "relay"
tls = "off"
trusted_networks = ["127.0.0.0/8"]
[[route]]
domains = ["*.bulk.test"]
next_hop = "127.0.0.1:{free_port()}"
[[route]]
domains = ["*.example"]
next_hop = "discard"
[[route]]
domains = ["*"]
next_hop = "127.0.0.1:{self.sink_port}"
[log]
level = "{options.log}"
""")
        self.children.spawn(TOOLS / "receive", "--port", self.sink_port, "--out", folder / "sink",
                            "--arrivals", 10_000_000)

    def start(self):
        """Until it greets, and its control socket answers."""
        self.log = open(self.folder / "log", "wb")
        self.relay = self.children.serve(self.folder / "ekiden.toml", self.log)
        self.start_s = wait_until_it_greets(self.port, self.relay, self.folder / "log")
        self.control = socket.socket(socket.AF_UNIX)
        while self.control.connect_ex(str(self.data / "control.sock")) != 0:
            time.sleep(0.01)
        self.lines = self.control.makefile("r")

    def ask(self, command, **arguments):
        request = {"ekiden": 1, "command": command, "arguments": arguments}
        self.control.sendall(json.dumps(request).encode() + b"\n")
        for line in self.lines:
            answer = json.loads(line)
            if answer.get("done"):
                if "error" in answer:
                    sys.exit(f"{command}: {answer['error']}")
                return answer["result"]
        sys.exit("the relay closed the connection")

    def cpu(self):
        """Seconds of the relay's process so far."""
        return cpu_s(f"/proc/{self.relay.pid}/stat")

    def memory(self, field="VmRSS"):
        for line in pathlib.Path(f"/proc/{self.relay.pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) // 1024
        return 0

    def threads(self):
        """Seconds of each of the relay's threads so far, by name."""
        used = {}
        for task in pathlib.Path(f"/proc/{self.relay.pid}/task").iterdir():
            name = (task / "comm").read_text().rstrip("\n")
            used[name] = used.get(name, 0) + cpu_s(task / "stat")
        return used

    def wait_for_events(self):
        while self.ask("status")["events_waiting"]:
            time.sleep(0.2)

    def load(self, messages, rate, first):
        return self.children.spawn(TOOLS / "load", "--port", self.port, "--messages", messages,
                                   "--size", 4096, "--sessions", 20, "--rate", rate, "--first",
                                   first, "--to", "someone@others.test", stdout=subprocess.PIPE,
                                   text=True)


def commands(node, options):
    results, first = [], 1
    node.wait_for_events()
    time.sleep(2)
    alone = node.load(int(options.rate * 5), options.rate, first)
    p99 = figures(alone)["p99"]
    first += int(options.rate * 5)
    print(f"{options.messages:,} queued, {node.memory()} MB, started in {node.start_s:.1f} s; "
          f"others' 250 at {options.rate:.0f}/s: p99 {p99:.1f} ms")
    print(f"{'command':32} {'matched':>9} {'done':>9} {'s':>6} {'CPU s':>6} {'MB':>5} "
          f"{'p99 ms':>7}")
    for name, action, filter_, argument in STEPS:
        if options.only and not any(name.startswith(one) for one in options.only):
            continue
        # Long enough for the slowest; what is left over of it is not waited for.
        load = node.load(int(options.rate * options.during), options.rate, first)
        first += int(options.rate * options.during)
        cpu, began, threads = node.cpu(), time.monotonic(), node.threads()
        arguments = {"action": action, "filter": filter_, "wait": 1}
        if argument:
            arguments["argument"] = argument
        view = node.ask("queue.act", **arguments)
        took, used = time.monotonic() - began, node.cpu() - cpu
        memory = node.memory()
        spent = {k: round(v - threads.get(k, 0), 2) for k, v in node.threads().items()
                 if v - threads.get(k, 0) >= 0.05}
        others = figures(load)
        node.wait_for_events()
        row = {"command": name, "matched": view["matched"], "done": view["done"],
               "skipped": view["skipped"], "seconds": round(took, 2), "cpu_s": round(used, 2),
               "rss_mb": memory, "others_p99_ms": others["p99"], "others_errors": others["errors"],
               "threads": spent, "state": view["state"]}
        results.append(row)
        print(f"{name:32} {row['matched']:9} {row['done']:9} {row['seconds']:6.1f} "
              f"{row['cpu_s']:6.1f} {memory:5} {row['others_p99_ms']:7.1f}", flush=True)
        if options.threads:
            print("   ", spent, flush=True)
    print(f"peak {node.memory('VmHWM')} MB")
    return results


def parked(node, options):
    """Nothing can leave: half of it belongs to a suspended tenant's stream, a part is held, the
    rest waits for a next hop that is not there."""
    node.ask("queue.suspend", kind="domain", name="d0.bulk.test")
    for tenant in range(0, 500):
        node.ask("queue.suspend", kind="tenant", name=f"tenant{tenant}")
    node.ask("queue.act", action="hold", filter={"tenant": "tenant9*"}, wait=1)
    node.ask("queue.act", action="hold", filter={"domain": "d*7.bulk.test"}, wait=1)
    node.wait_for_events()
    time.sleep(options.settle)
    cpu, began = node.cpu(), time.monotonic()
    time.sleep(options.parked)
    used, took = node.cpu() - cpu, time.monotonic() - began
    status = node.ask("status")
    share = used / took * 100
    print(f"{status['queue']['queued']:,} queued, {status['queue']['held']:,} of them held, "
          f"{status['queue']['waiting']:,} wait for their time: {used:.2f} s of CPU in "
          f"{took:.0f} s, {share:.2f} % of a core; {node.memory()} MB")
    return [{"queued": status["queue"]["queued"], "seconds": took, "cpu_s": used,
             "percent": share, "rss_mb": node.memory()}]


def main():
    parser = argparse.ArgumentParser(prog="bench/operations.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--octets", type=int, default=1024, help="of each message")
    parser.add_argument("--rate", type=float, default=500, help="others' messages a second")
    parser.add_argument("--during", type=float, default=10, help="seconds of others' mail")
    parser.add_argument("--only", type=lambda text: text.split(","), help="commands: hold,delete")
    parser.add_argument("--parked", type=float, metavar="SECONDS",
                        help="measure a queue of which nothing can leave, for so long")
    parser.add_argument("--settle", type=float, default=30,
                        help="with --parked: seconds for the first attempts")
    parser.add_argument("--log", default="info", help="log.level")
    parser.add_argument("--threads", action="store_true", help="CPU of each thread as well")
    parser.add_argument("--folder", default=str(ROOT / "build"), help="on the disk to measure")
    parser.add_argument("--json", action="store_true", help="one JSON object at the end")
    options = parser.parse_args()
    need(FILL, TOOLS / "load", TOOLS / "receive")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="operations-", dir=options.folder))
    node, code = None, 0
    try:
        node = Node(folder, options)
        node.start()
        results = parked(node, options) if options.parked else commands(node, options)
        if options.json:
            print(json.dumps(results))
        if options.parked:
            code = 0 if results[0]["percent"] < 1 else 1
    finally:
        if node:
            node.children.close()
        shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
