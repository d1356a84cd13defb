"""Whether a provider's limit is kept and used at the highest rate that this machine moves.

    bench/limits.py                      the top rate first, then a limit of 80 % of it for 30 s
    bench/limits.py --rate 5000          this limit

Needs no root. A real relay, mail from a client that is as fast as it can be, and a sink on loopback
that stamps each MAIL as it comes. From those stamps: the most within any second (a window at each
stamp), and what was used of the limit, from when a backlog stands until the last message.

The relay counts a transaction when it hands it out, in windows that are 1/128 longer. What lies
between that and the stamp is the machine's: a thread that waits for a processor may bunch what had
left evenly, so the most within any second is worth something on a machine that does nothing else.
"""
import argparse
import array
import bisect
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from bed import ROOT, TOOLS, Children, free_port, need, wait_until_it_greets

SECOND_US = 1_000_000
# Until a backlog stands and every connection is open.
SETTLE_US = 3 * SECOND_US
FRONT = 3  # of the sink's file: count, first, last


def configuration(folder, port, sink_port, rate, connections):
    rules = folder / "rules"
    rules.mkdir()
    limit = f'rate = "{rate}/s"\n' if rate else ""
    (rules / "loopback.toml").write_text(
        f'mx = ["loopback.test"]\n[limits]\nconnections = {connections}\n'
        f"messages_per_connection = 1000000\n{limit}")
    (folder / "ekiden.toml").write_text(f"""[node]
hostname = "relay.bench.test"
data_dir = "{folder}/data"
[[listener]]
address = "127.0.0.1:{port}"
service = "relay"
tls = "off"
trusted_networks = ["127.0.0.0/8"]
[delivery]
connections_per_site = {connections}
messages_per_connection = 1000000
[[route]]
domains = ["*"]
next_hop = "127.0.0.1:{sink_port}"
provider = "loopback"
[shaping]
rules_dir = "{rules}"
[log]
level = "warning"
""")


def run(options, rate, messages):
    """The stamps of all messages, in order, in microseconds."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="limits-", dir=options.folder))
    children = Children()
    try:
        port, sink_port = free_port(), free_port()
        configuration(folder, port, sink_port, rate, options.connections)
        sink = children.spawn(TOOLS / "receive", "--port", sink_port, "--out", folder / "sink",
                              "--arrivals", messages, "--stamp-mail")
        wait_until_it_greets(sink_port, sink)
        with open(folder / "log", "wb") as log:
            relay = children.serve(folder / "ekiden.toml", log)
        wait_until_it_greets(port, relay)
        load = children.spawn(TOOLS / "load", "--port", port, "--messages", messages, "--size",
                              options.octets, "--sessions", options.sessions, "--pipeline",
                              stdout=subprocess.PIPE)
        # As long as it should take, and half as long again.
        until = time.monotonic() + 30 + (1.5 * messages / rate if rate else options.seconds * 3)
        load.communicate()
        while time.monotonic() < until:
            stamps = read_stamps(folder / "sink")
            if len(stamps) >= messages:
                return stamps
            time.sleep(0.2)
        sys.exit(f"{len(stamps)} of {messages} messages came")
    finally:
        children.close()
        shutil.rmtree(folder, ignore_errors=True)


def read_stamps(path):
    values = array.array("q")
    values.frombytes(path.read_bytes())
    return sorted(value for value in values[FRONT:] if value)


def most_in_a_second(stamps):
    most = first = 0
    for at, stamp in enumerate(stamps):
        while stamps[first] <= stamp - SECOND_US:
            first += 1
        most = max(most, at - first + 1)
    return most


def main():
    parser = argparse.ArgumentParser(prog="bench/limits.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, help="messages a second; without it --share of the top")
    parser.add_argument("--share", type=float, default=0.8, help="of the top rate")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--octets", type=int, default=10240, help="of each message")
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--connections", type=int, default=50, help="to the sink")
    parser.add_argument("--folder", default=str(ROOT / "build"), help="on the disk to measure")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    need(TOOLS / "load", TOOLS / "receive")
    top, rate = None, options.rate
    if rate is None:
        stamps = run(options, None, 60_000)
        top = len(stamps) * SECOND_US / (stamps[-1] - stamps[0])
        rate = int(top * options.share)
    stamps = run(options, rate, rate * options.seconds)
    first = bisect.bisect_left(stamps, stamps[0] + SETTLE_US)
    counted = stamps[first:]
    used = (len(counted) - 1) * SECOND_US / (counted[-1] - counted[0]) / rate
    most = most_in_a_second(stamps)
    if options.json:
        print(json.dumps({"top": top, "rate": rate, "messages": len(stamps), "most": most,
                          "used": used}))
    else:
        if top:
            print(f"without a limit: {top:,.0f} messages/s")
        print(f"limit {rate:,}/s, {len(stamps):,} messages: at most {most:,} in any second "
              f"({100 * most / rate:.2f} % of the limit), {100 * used:.2f} % of it used")
    return 0 if most <= rate and used >= 0.98 else 1


if __name__ == "__main__":
    sys.exit(main())
