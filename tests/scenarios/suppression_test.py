"""Goal: who has no mailbox or wants no mail gets none, with an event that says so; nobody is
suppressed for what is not their own doing.
Method: entries by hand, by file and by bounces; what a peer sees, and what the events say."""
import support
from support import eventually, message

BAD = "gone@dest.test"


class Suppression(support.Scenario):
    def kinds(self, relay, address):
        return [e["kind"] for e in relay.events(address)]

    def test_a_suppressed_recipient_is_accepted_and_never_mailed(self):
        relay, peer = self.relay_to_peer()
        relay.cli("suppression", "add", "Gone@DEST.test", "--note", "asked by phone")
        relay.send(recipients=[BAD, "b@dest.test"])
        events = relay.wait_for_event(BAD, "suppressed")
        self.assertEqual([e["kind"] for e in events], ["accepted", "suppressed"])
        self.assertEqual(events[-1]["reason"], "manual")
        relay.wait_for_event("b@dest.test", "delivered")
        self.assertEqual(peer.received[0].addresses, ["b@dest.test"])
        metrics = relay.metrics()
        self.assertEqual(metrics["ekiden_recipients_suppressed_total"], 1)
        self.assertEqual(metrics["ekiden_recipients_unaccounted"], 0)
        eventually(lambda: relay.metric("ekiden_spool_messages") == 0, what="an empty spool")
        shown = relay.json("suppression", "show", BAD)
        self.assertTrue(shown["suppressed"])
        self.assertEqual(shown["entries"][0]["note"], "asked by phone")

    def test_a_message_to_nobody_is_accepted_and_over(self):
        relay, peer = self.relay_to_peer()
        relay.cli("suppression", "add", BAD, "too@dest.test")
        wire = relay.wire()
        wire.greet()
        for body in (message(), message(body="0123456789\r\n" * 200_000)):
            reply = wire.transaction("a@client.test", [BAD, "too@dest.test"], body)
            self.assertReply(reply, 250)
        for address in (BAD, "too@dest.test"):
            eventually(lambda: self.kinds(relay, address).count("suppressed") == 2)
        self.assertEqual(relay.queue(), [])
        self.assertEqual(relay.metric("ekiden_recipients_unaccounted"), 0)
        relay.send()
        eventually(lambda: peer.received)
        self.assertEqual(peer.recipients(), ["b@dest.test"])
        large = relay.data / "spool" / "large"
        self.assertEqual([p for p in large.rglob("*") if p.is_file()] if large.exists() else [], [])

    def test_it_is_as_before_after_a_restart(self):
        relay, peer = self.relay_to_peer()
        relay.cli("suppression", "add", BAD)
        peer.on("RCPT", lambda s, line: "450 4.2.1 later")
        relay.send(recipients=[BAD, "b@dest.test"])
        relay.wait_for_event("b@dest.test", "deferred")
        relay.kill()
        peer.on("RCPT", lambda s, line: None)
        relay.start()
        relay.cli("queue", "retry", "--recipient", "b@dest.test")
        eventually(lambda: peer.received)
        self.assertEqual(peer.recipients(), ["b@dest.test"])
        self.assertEqual(self.kinds(relay, BAD).count("suppressed"), 1)
        relay.send(recipients=[BAD])
        eventually(lambda: self.kinds(relay, BAD).count("suppressed") == 2)

    def test_an_unknown_user_suppresses_a_bad_reputation_does_not(self):
        relay, peer = self.relay_to_peer()
        replies = {"gone": "550 5.1.1 <gone@dest.test>: User unknown",
                   "blocked": "550 5.7.1 Service unavailable; client host blocked using a list"}
        peer.on("RCPT", lambda s, line: next((r for name, r in replies.items()
                                              if f"{name}@" in line.lower()), None))
        for name in ("gone", "blocked"):
            relay.send(recipients=[f"{name}@dest.test"])
            relay.wait_for_event(f"{name}@dest.test", "bounced")
        eventually(lambda: relay.json("suppression", "show", BAD)["suppressed"],
                   what="the suppression of an unknown user")
        entry = relay.json("suppression", "show", BAD)["entries"][0]
        self.assertEqual((entry["reason"], entry["stream"]), ("bounce", "all"))
        self.assertIn("User unknown", entry["note"])
        self.assertTrue(entry["source"])
        self.assertFalse(relay.json("suppression", "show", "blocked@dest.test")["suppressed"])
        relay.send(recipients=[BAD])
        eventually(lambda: "suppressed" in self.kinds(relay, BAD))
        # Released it is mailed again.
        replies.clear()
        relay.cli("suppression", "remove", BAD)
        relay.send(recipients=[BAD])
        eventually(lambda: "delivered" in self.kinds(relay, BAD))

    def test_an_entry_of_a_stream_leaves_the_others_alone(self):
        relay, peer = self.relay_to_peer()
        relay.cli("suppression", "add", "tired@dest.test", "--stream", "news")
        relay.cli("suppression", "add", "angry@dest.test", "--stream", "bulk-streams",
                  "--reason", "complaint")
        both = ["tired@dest.test", "angry@dest.test"]
        for stream in ("news", "offers", "transactional"):
            relay.send(recipients=both, body=message(X_Ekiden_Stream=stream))
        eventually(lambda: len(peer.recipients()) == 3)
        self.assertEqual(sorted(peer.recipients()),
                         ["angry@dest.test", "tired@dest.test", "tired@dest.test"])

    def test_it_ends_by_itself(self):
        relay, peer = self.relay_to_peer()
        relay.cli("suppression", "add", BAD, "--expires", "1ms")

        def arrives():
            relay.send(recipients=[BAD])
            return peer.received
        eventually(arrives)
        self.assertTrue(relay.json("suppression", "show", BAD)["entries"][0]["expired"])

    def test_lists_are_imported_with_a_report_and_exported(self):
        relay, _ = self.relay_to_peer()
        path = relay.folder / "list.csv"
        text = ('メールアドレス,理由,備考\r\n"a@x.jp",manual,"電話で, 本人"\r\nb@x.jp,,\r\n'
                'not an address,,\r\nc@x.jp,nonsense,\r\n"d@x.jp,,\r\ne@x.jp,,\r\nB@X.jp,,\r\n')
        for number, octets in enumerate((text.encode("cp932"), b"\xef\xbb\xbf" + text.encode())):
            path.write_bytes(octets)
            done = relay.run("suppression", "import", path, "--json", "--errors",
                             relay.folder / "errors.csv")
            self.assertEqual(done.returncode, 1, done.stderr)
            report = support.json.loads(done.stdout)
            self.assertEqual((report["rows"], report["refused"]), (7, 3))
            self.assertEqual(report["added"], 3 if number == 0 else 0)
            self.assertEqual([e["line"] for e in report["errors"]], [4, 5, 6])
            self.assertEqual(len((relay.folder / "errors.csv").read_text().splitlines()), 4)
        self.assertEqual(relay.json("suppression", "show", "a@x.jp")["entries"][0]["note"],
                         "電話で, 本人")
        exported = relay.cli("suppression", "export")
        self.assertIn('a@x.jp,manual,all,', exported)
        self.assertEqual(len(exported.splitlines()), 4)
        self.assertEqual(len(relay.records("suppression", "list", "--domain", "x.jp")), 3)
        # What was exported can be read again.
        path.write_text(exported)
        report = support.json.loads(relay.cli("suppression", "import", path, "--json"))
        self.assertEqual((report["refused"], report["added"]), (0, 0))
        self.assertEqual(relay.json("suppression", "remove", "--domain", "x.jp")["removed"], 3)

    def test_wrong_commands_change_nothing(self):
        relay, _ = self.relay_to_peer()
        relay.cli("suppression", "add", "not an address", status=2)
        relay.cli("suppression", "add", BAD, "--expires", "soon", status=2)
        relay.cli("suppression", "add", BAD, "--tenant", "nobody", status=1)
        relay.cli("suppression", "remove", status=2)
        relay.cli("suppression", "remove", BAD, status=1)
        relay.cli("suppression", "import", relay.folder / "missing.csv", status=3)
        (relay.folder / "bad.csv").write_bytes(b"\xff\xfe\x00\x80\xfd")
        relay.cli("suppression", "import", relay.folder / "bad.csv", status=1)
        self.assertEqual(relay.cli("suppression", "list").strip(), "nobody")


if __name__ == "__main__":
    support.main()
