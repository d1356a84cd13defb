"""Goal: people find, follow, export and erase what happened. Method: a relay with a few ends of
mail, each command on its event store, running and stopped."""
import csv
import io
import json
import signal
import subprocess

import support
from support import eventually


class EventsCommands(support.Scenario):
    def setUp(self):
        super().setUp()
        self.relay_, peer = self.relay_to_peer()
        peer.on("RCPT", lambda s, line: "550 5.1.1 no such user" if "bad" in line else None)

    def ends(self):
        relay = self.relay_
        relay.send("news@client.test", ["good@dest.test"],
                   support.message(subject="=HYPERLINK(1), \"quoted\"",
                                   **{"X-Ekiden-Tag": "spring"}))
        relay.send("", ["other@dest.test"])
        relay.send("news@client.test", ["bad@dest.test"], support.message(subject="Sommer 2026"))
        relay.wait_for_event("good@dest.test", "delivered")
        relay.wait_for_event("other@dest.test", "delivered")
        relay.wait_for_event("bad@dest.test", "bounced")

    def found(self, *flags):
        return [(e["kind"], e["recipient"]) for e in
                self.relay_.json("events", "search", "--oldest-first", *flags)["events"]]

    def test_search_by_everything(self):
        self.ends()
        bounced = [("bounced", "bad@dest.test")]
        self.assertEqual(self.found("--code", "550"), bounced)
        self.assertEqual(self.found("--code", "5"), bounced)
        self.assertEqual(self.found("--code", "5.1.1"), bounced)
        self.assertEqual(self.found("--kind", "bounced"), bounced)
        both = [("accepted", "bad@dest.test"), ("bounced", "bad@dest.test")]
        self.assertEqual(self.found("--subject", "sommer", "--sender", "news@CLIENT.test"), both)
        self.assertEqual(self.found("--recipient", "bad@dest.test"), both)
        other = [("accepted", "other@dest.test"), ("delivered", "other@dest.test")]
        self.assertEqual(self.found("--sender", "<>", "--domain", "dest.test"), other)
        good = [("accepted", "good@dest.test"), ("delivered", "good@dest.test")]
        self.assertEqual(self.found("--tag", "spring"), good)
        self.assertEqual(self.found("--tag", "spring", "--until", "1h"), [])
        self.assertEqual(self.found("--tag", "spring", "--from", "1h", "--tenant", "default",
                                    "--stream", "transactional"), good)
        self.assertEqual(self.found("--stream", "bulk"), [])
        self.assertEqual(self.found("--source", "nowhere"), [])
        for flags in (["--from", "yesterday"], ["--kind", "x"], ["--message", "x"],
                      ["--code", "5xx"], ["--after", "x"]):
            self.relay_.cli("events", "list", *flags, status=2)

    def test_pages_hang_together(self):
        self.ends()
        whole = self.relay_.json("events", "list")["events"]
        pages, after = [], []
        while True:
            page = self.relay_.json("events", "list", "--limit", 2, *after)
            pages += page["events"]
            if page["next"] is None:
                break
            after = ["--after", page["next"]]
        self.assertEqual(pages, whole)
        self.assertGreaterEqual(len(whole), 6)

    def test_export_as_lines_and_as_csv(self):
        self.ends()
        self.relay_.stop()
        lines = [json.loads(line) for line in
                 self.relay_.cli("events", "export", "--domain", "dest.test").splitlines()]
        self.assertEqual(len(lines), 6)
        file = self.folder / "events.csv"
        self.relay_.cli("events", "export", "--domain", "dest.test", "--format", "csv",
                        "--output", file)
        rows = list(csv.DictReader(io.StringIO(file.read_bytes().decode(), newline="")))
        self.assertEqual([r["id"] for r in rows], [e["id"] for e in lines])
        subjects = {r["subject"] for r in rows if r["recipient"] == "good@dest.test"}
        self.assertEqual(subjects, {"'=HYPERLINK(1), \"quoted\""}, "no formula for a spreadsheet")
        self.assertEqual([r["reply_code"] for r in rows if r["kind"] == "bounced"], ["550"])
        # Never over what is there.
        self.relay_.cli("events", "export", "--output", file, status=3)

    def test_tail_follows_until_interrupted(self):
        tail = subprocess.Popen([support.BINARY, "events", "tail", "--json", "--recipient",
                                 "good@dest.test", "--config", str(self.relay_.config)],
                                stdout=subprocess.PIPE, text=True)
        self.addCleanup(tail.stdout.close)
        self.addCleanup(tail.wait)
        self.addCleanup(tail.kill)
        self.relay_.send(recipients=["other@dest.test", "good@dest.test"])
        kinds = [json.loads(tail.stdout.readline())["kind"] for _ in range(2)]
        self.assertEqual(kinds, ["accepted", "delivered"])
        tail.send_signal(signal.SIGINT)
        tail.wait(10 * support.SLOW)

    def test_erasing_a_person_leaves_the_counts(self):
        self.ends()
        relay = self.relay_
        before = relay.json("events", "list")["events"]
        self.assertEqual(relay.json("events", "erase", "--recipient", "bad@dest.test"),
                         {"erased": 2, "archived": 0, "job_lines": 0})
        after = relay.json("events", "list")["events"]
        self.assertEqual([e["id"] for e in after], [e["id"] for e in before])
        self.assertEqual(self.found("--recipient", "bad@dest.test"), [])
        erased = [e for e in after if e.get("detail") == "erased"]
        self.assertEqual({e["kind"] for e in erased}, {"accepted", "bounced"})
        for event in erased:
            self.assertFalse({"recipient", "subject", "sender", "reply"} & event.keys(), event)
        self.assertEqual(len(self.found("--recipient", "good@dest.test")), 2)
        relay.stop()
        relay.cli("events", "erase", "--recipient", "bad@dest.test")
        for file in (relay.data / "events").iterdir():
            self.assertNotIn(b"bad@dest.test", file.read_bytes(), file.name)
        relay.start()
        relay.send(recipients=["later@dest.test"])
        relay.wait_for_event("later@dest.test", "delivered")
        relay.cli("events", "erase", "--recipient", "nobody", status=2)


if __name__ == "__main__":
    support.main()
