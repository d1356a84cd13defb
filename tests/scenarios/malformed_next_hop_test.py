"""Goal: a next hop that talks nonsense costs a deferral, never a loss, a crash or a false delivery.
Method: a peer with malformed replies at each phase, once; delivery must follow by itself."""
import support
from peer import DROP, HANG, Raw
from support import eventually

ENDLESS = Raw(b"250-x\r\n" * 1_000_000 + b"250 y\r\n")
NONSENSE = {
    "no code": Raw(b"hello\r\n", then_drop=True),
    "control characters": Raw(b"250 \x00\x07\x1b[2J\r\n"),
    "a code of two digits": Raw(b"25 ok\r\n"),
    "a code of four digits": Raw(b"2500 ok\r\n"),
    "code 199": Raw(b"199 what\r\n"),
    "code 600": Raw(b"600 what\r\n"),
    "different codes in one reply": Raw(b"250-a\r\n550 b\r\n"),
    "an endless line": Raw(b"250 " + b"x" * 2_000_000 + b"\r\n"),
    "a million lines": ENDLESS,
    "no end of line": Raw(b"250 ok", then_drop=True),
    "nothing at all": Raw(b"", then_drop=True),
    "two replies at once": Raw(b"250 a\r\n250 b\r\n"),
}
WRONG = {"CONNECT": "354 what", "EHLO": "354 what", "MAIL": "354 what", "RCPT": "354 what",
         "DATA": "250 what", "EOD": "354 what"}


class MalformedNextHop(support.Scenario):
    def test_nonsense_at_each_phase_defers(self):
        for verb in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "EOD"):
            relay, peer = self.relay_to_peer()
            count = 0
            for name, raw in NONSENSE.items():
                with self.subTest(f"{name} at {verb}"):
                    peer.on(verb, [raw])
                    relay.send(recipients=[f"r{count}@dest.test"])
                    eventually(lambda: f"r{count}@dest.test" in peer.recipients(), 30,
                               f"delivery after {name} at {verb}")
                    count += 1
            self.assertHealthy(relay)
            eventually(lambda: relay.metric("ekiden_recipients_queued") == 0)
            self.assertEqual(relay.metric("ekiden_recipients_bounced_total"), 0)
            relay.stop()

    def test_a_wrong_but_wellformed_code_at_each_phase_is_no_delivery(self):
        for verb, answer in WRONG.items():
            with self.subTest(verb):
                relay, peer = self.relay_to_peer()
                peer.on(verb, [answer])
                relay.send()
                eventually(lambda: peer.received, 20)
                eventually(lambda: relay.metric("ekiden_recipients_queued") == 0)
                self.assertGreaterEqual(relay.metric("ekiden_attempts_deferred_total"), 1)
                relay.stop()

    def test_control_characters_in_a_reply_do_not_reach_log_or_terminal(self):
        relay, peer = self.relay_to_peer(relay_settings={"retry": {"time_scale": 1.0}})
        peer.on("RCPT", ["450 4.2.1 \x1b[31mred\x07 text"])
        relay.send()
        waiting = eventually(lambda: [r for r in relay.queue() if r.get("reply")])
        self.assertNotIn("\x1b", waiting[0]["reply"])
        self.assertNotIn("\x1b", relay.cli("queue", "list"))
        self.assertNotIn("\x1b", relay.log())

    def test_a_next_hop_that_stays_silent_holds_only_its_own_mail(self):
        silent, peer = self.peer().on("CONNECT", lambda s, line: HANG), self.peer()
        relay = self.relay()
        relay.route_to(silent.port, "silent.test")
        relay.route_to(peer.port)
        relay.start()
        relay.send(recipients=["x@silent.test"])
        for i in range(20):
            relay.send(recipients=[f"r{i}@dest.test"])
        eventually(lambda: len(peer.recipients()) == 20)
        self.assertEqual([r["recipient"] for r in relay.queue()], ["x@silent.test"])

    def test_a_next_hop_that_always_drops_gets_no_storm(self):
        relay, peer = self.relay_to_peer(relay_settings={"retry": {"time_scale": 1.0}})
        peer.on("CONNECT", lambda s, line: DROP)
        for i in range(20):
            relay.send(recipients=[f"r{i}@dest.test"])
        # The site rests after its first failure; what comes meanwhile is parked, not tried.
        eventually(lambda: relay.metric("ekiden_attempts_deferred_total") >= 1)
        support.time.sleep(0.5)
        eventually(lambda: relay.metric("ekiden_recipients_queued") == 20)
        self.assertLess(len(peer.sessions), 45)


if __name__ == "__main__":
    support.main()
