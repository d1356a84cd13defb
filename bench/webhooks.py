#!/usr/bin/env python3
"""Events per second that a relay posts to one endpoint, in batches of 1000, signed.

Usage: bench/webhooks.py PATH/TO/events_bench [EVENTS]

events_bench fills an event store with traffic of 50 tenants; a relay on it replays one tenant's to an
endpoint on loopback, over one connection, in the clear. EKIDEN_BINARY names the relay's binary.
"""
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/scenarios"))
import support  # noqa: E402
from receiver import Receiver  # noqa: E402

BENCH = sys.argv[1] if len(sys.argv) > 1 else None
EVENTS = int(sys.argv[2]) if len(sys.argv) > 2 else 5_000_000
TENANT = "tenant7"


class Webhooks(support.Scenario):
    def test_replay(self):
        relay = self.relay()
        folder = relay.data / "events"
        subprocess.run([BENCH, folder, str(EVENTS), "4000"], check=True, stdout=subprocess.DEVNULL)
        receiver = Receiver()
        self.addCleanup(receiver.stop)
        relay.settings["webhooks"] = {"allow_networks": ["127.0.0.0/8"]}
        relay.settings["events"] = {"retention": "36500d"}
        relay.start()
        relay.cli("tenant", "add", TENANT)
        relay.cli("webhook", "add", receiver.url, "--tenant", TENANT, "--batch", 1000)
        pid = relay.process.child.pid
        before = cpu_s(pid)
        relay.cli("webhook", "replay", 1, "--from", "2000-01-01", "--until", "2100-01-01")
        support.eventually(lambda: not relay.json("webhook", "show", 1)["orders"], 600, "the end")
        seconds, used = receiver.posts[-1].time - receiver.posts[0].time, cpu_s(pid) - before
        posts = receiver.posts
        count = sum(len(post.events) for post in posts)
        octets = sum(len(post.body) for post in posts)
        print(f"{count} events in {len(posts)} posts, {octets / count:.0f} octets each: "
              f"{count / seconds:.0f} events/s, {used / count * 1e6:.1f} us of the relay's CPU each")


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


if __name__ == "__main__":
    if BENCH is None:
        sys.exit(__doc__)
    unittest.main(argv=sys.argv[:1])
