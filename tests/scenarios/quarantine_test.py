"""Goal: what could not be read waits for an operator, who lists, shows, saves, releases or deletes
it, on a running relay and on a stopped one; nothing is lost, doubled or unaccounted.
Method: held messages; one octet flipped in the body of one of them, in the envelope of another."""
import json
import mmap

import support
from support import eventually, message


class Quarantine(support.Scenario):
    def setUp(self):
        super().setUp()
        self.peer_ = self.peer()
        self.relay_ = self.relay()
        self.relay_.settings["route"] = [{"domains": ["*"], "next_hop": "hold"}]
        self.relay_.start()

    def flip(self, mark, offset=0, count=1000):
        """Flips a bit behind `mark` where the journal or a sidecar has it, the first so many."""
        damaged = 0
        for folder in ("journal", "sidecar"):
            for file in sorted((self.relay_.data / "spool" / folder).iterdir()):
                # Segments are 64 MiB each, nearly all of it zeros: mapped, not copied.
                with open(file, "r+b") as opened, mmap.mmap(opened.fileno(), 0) as octets:
                    at = octets.find(mark)
                    while at >= 0 and damaged < count:
                        octets[at + len(mark) + offset] ^= 1
                        damaged += 1
                        at = octets.find(mark, at + 1)
        self.assertGreater(damaged, 0, f"{mark} lies somewhere")

    def set_aside(self, recipients=("one@dest.test",), body="marker-" + "x" * 300 + "\r\n"):
        """A message whose body is damaged, found so when the relay tries to deliver it; its id."""
        self.relay_.send(sender="s@client.test", recipients=recipients, body=message(body=body))
        self.relay_.send(sender="s@client.test", recipients=["other@dest.test"])
        queued = eventually(lambda: self.relay_.queue())
        id = next(r["message"] for r in queued if r["recipient"] in recipients)
        self.relay_.stop()
        self.flip(b"marker-")
        self.relay_.settings["route"] = []
        self.relay_.route_to(self.peer_.port)
        self.relay_.start()
        self.relay_.cli("queue", "release", "--domain", "dest.test")
        eventually(lambda: self.listed())
        eventually(lambda: "other@dest.test" in self.peer_.recipients())
        return id

    def listed(self, *flags):
        out = self.relay_.cli("spool", "quarantine", "list", "--json", *flags)
        return [json.loads(line) for line in out.splitlines()]

    def assertBalanced(self):
        eventually(lambda: self.relay_.metrics()["ekiden_recipients_unaccounted"] == 0,
                   what="the balance")

    def quarantine(self, *arguments, status=0):
        return self.relay_.cli("spool", "quarantine", *arguments, status=status)

    def test_a_released_message_is_delivered_and_accounted_for(self):
        relay = self.relay_
        id = self.set_aside(("one@dest.test", "two@dest.test"))
        item = self.listed()[0]
        self.assertEqual((item["kind"], item["message"], item["lost"], item["may_release"]),
                         ("message", id, 2, True))
        self.assertEqual(item["recipients"], ["one@dest.test", "two@dest.test"])
        self.assertEqual(relay.metric("ekiden_spool_quarantined"), 1)
        self.assertEqual(relay.metric("ekiden_recipients_quarantined_total"), 2)
        self.assertIn("quarantine", relay.get("/healthz")[1])
        self.assertIn("quarantine", str(relay.json("top", "--once")["alerts"]))
        self.assertBalanced()
        shown = self.quarantine("show", item["name"])
        self.assertIn("two@dest.test", shown)
        self.assertIn("checksum", shown)
        eventually(lambda: "held" in relay.cli("message", "trace", id))

        done = relay.json("spool", "quarantine", "release", item["name"])
        self.assertEqual((done["message"], done["recipients"]), (id, 2))
        eventually(lambda: {"one@dest.test", "two@dest.test"} <= set(self.peer_.recipients()))
        taken = [m for m in self.peer_.received if b"marker-" in m.data]
        self.assertEqual(len(taken), 1, "as it was read, one bit apart")
        self.assertIn(b"xxxxxxxx", taken[0].data)
        self.assertEqual(self.listed(), [])
        self.assertEqual(relay.metric("ekiden_spool_quarantined"), 0)
        self.assertBalanced()
        eventually(lambda: relay.queue() == [])
        relay.wait_for_event("one@dest.test", "delivered")
        trace = eventually(lambda: "released from quarantine" in relay.cli("message", "trace", id)
                           and relay.cli("message", "trace", id))
        self.assertIn(done["as"], trace)
        self.assertIn("expanded", relay.cli("message", "show", id))
        self.assertIn("delivered", relay.cli("message", "trace", done["as"]))
        relay.stop()
        report = relay.json("spool", "verify")
        self.assertEqual((report["ok"], report["quarantined"], report["recipients"]), (True, 0, 0))

    def test_a_deleted_one_counts_as_cancelled(self):
        relay = self.relay_
        id = self.set_aside()
        name = self.listed()[0]["name"]
        done = relay.json("spool", "quarantine", "delete", name, "--reason", "spam anyway")
        self.assertEqual((done["message"], done["recipients"]), (id, 1))
        self.assertEqual(self.listed(), [])
        self.assertEqual(relay.metric("ekiden_recipients_cancelled_total"), 1)
        self.assertEqual(relay.metric("ekiden_spool_quarantined"), 0)
        self.assertBalanced()
        events = relay.wait_for_event("one@dest.test", "cancelled")
        self.assertIn("spam anyway", events[-1]["detail"])
        relay.restart()
        self.assertEqual(self.listed(), [])
        self.assertNotIn("one@dest.test", self.peer_.recipients())

    def test_a_stopped_relay_is_operated_under_its_lock(self):
        relay = self.relay_
        id = self.set_aside()
        relay.stop()
        item = self.listed()[0]
        self.assertEqual(item["message"], id)
        self.assertIn("one@dest.test", self.quarantine("show", item["name"]))
        self.quarantine("release", "nothing-of-that-name", status=1)
        done = relay.json("spool", "quarantine", "release", item["name"])
        self.assertEqual(self.listed(), [])
        self.assertEqual(relay.json("spool", "verify")["recipients"], 1)
        relay.start()
        eventually(lambda: "one@dest.test" in self.peer_.recipients())
        eventually(lambda: "delivered" in relay.cli("message", "trace", done["as"]))
        self.assertBalanced()

    def test_deleted_while_stopped_it_is_told_by_the_next_start(self):
        relay = self.relay_
        self.set_aside()
        relay.stop()
        self.quarantine("delete", self.listed()[0]["name"])
        self.assertEqual(relay.json("spool", "verify")["quarantined"], 0)
        relay.start()
        relay.wait_for_event("one@dest.test", "cancelled")
        self.assertBalanced()

    def test_who_had_their_copy_gets_no_second_one(self):
        relay = self.relay_
        self.peer_.on("RCPT", lambda s, line: "450 4.2.1 later" if "late@" in line else None)
        self.set_aside(("late@dest.test", "gone@dest.test"))
        name = self.listed()[0]["name"]
        relay.cli("spool", "quarantine", "release", name)
        eventually(lambda: "gone@dest.test" in self.peer_.recipients())
        # Its attempt is durable; then the body is damaged again, on the disk.
        eventually(lambda: [r["recipient"] for r in relay.queue()] == ["late@dest.test"])
        relay.cli("queue", "hold", "--recipient", "late@dest.test")
        relay.stop()
        self.flip(b"marker-", 9)
        relay.start()
        relay.cli("queue", "release", "--recipient", "late@dest.test")
        item = eventually(lambda: self.listed())[0]
        self.assertEqual(item["recipients"], ["late@dest.test"])
        self.peer_.on("RCPT", lambda s, line: None)
        relay.cli("spool", "quarantine", "release", item["name"])
        eventually(lambda: "late@dest.test" in self.peer_.recipients())
        self.assertEqual(self.peer_.recipients().count("gone@dest.test"), 1)
        self.assertBalanced()

    def test_a_damaged_envelope_can_only_be_saved_or_deleted(self):
        relay = self.relay_
        relay.send(sender="s@client.test", recipients=["whom@dest.test"],
                   body=message(subject="marked", body="precious\r\n"))
        relay.send(recipients=["other@dest.test"])
        relay.kill()
        self.flip(b"whom@dest.tes", count=1)  # the envelope; events name the address too
        relay.start()
        item = eventually(lambda: self.listed())[0]
        self.assertFalse(item["may_release"])
        self.assertNotIn("recipients", item)
        self.assertIn("cannot be read", self.quarantine("show", item["name"]))
        done = relay.run("spool", "quarantine", "release", item["name"])
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("--raw", done.stderr)
        saved = self.folder / "saved"
        with open(saved, "wb") as to:
            raw = support.subprocess.run(
                [support.BINARY, "spool", "quarantine", "show", item["name"], "--raw",
                 "--config", str(relay.config)], stdout=to, timeout=30 * support.SLOW)
        self.assertEqual(raw.returncode, 0)
        self.assertIn(b"\r\n\r\nprecious\r\n", saved.read_bytes())
        self.quarantine("delete", item["name"])
        self.assertEqual(self.listed(), [])
        self.assertEqual(len(relay.queue()), 1)
        self.assertBalanced()
        self.assertHealthy(relay)

    def test_garbage_is_listed_in_pages_and_wrong_usage_is_told(self):
        relay = self.relay_
        folder = relay.data / "spool" / "quarantine"
        for i in range(7):
            (folder / f"segment-{i}").write_bytes(b"\0" * 5000 + b"%d" % i)
        self.assertEqual(len(self.listed()), 7)
        page = self.listed("--limit", 3)
        self.assertEqual([p["name"] for p in page], [f"segment-{i}" for i in range(3)])
        self.assertEqual([p["name"] for p in self.listed("--limit", 3, "--after", "segment-4")],
                         ["segment-5", "segment-6"])
        self.assertIn("--after segment-2", self.quarantine("list", "--limit", 3))
        self.quarantine("release", "segment-1", status=1)
        self.quarantine("show", "../lock", status=1)
        self.quarantine("delete", "../lock", status=1)
        self.quarantine("show", status=2)
        self.quarantine("show", "segment-1", "--raw", "--json", status=2)
        self.assertTrue(self.quarantine("show", "segment-6", "--raw").endswith("6"))
        # One that cannot be does not keep the others from it.
        self.quarantine("delete", "segment-1", "nobody", "segment-2", status=1)
        self.assertEqual(len(self.listed()), 5)
        self.assertHealthy(relay)


if __name__ == "__main__":
    support.main()
