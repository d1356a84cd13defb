"""Goal: a temporary refusal, at any phase, is tried again and ends in exactly one delivery.
Method: a peer that refuses once at each phase; a count of attempts and of disposals."""
import support
from peer import DROP, Raw
from support import eventually

ONCE = {
    "refused at connect": ("CONNECT", "421 4.3.2 busy"),
    "5xx at connect": ("CONNECT", "554 5.7.1 go away"),
    "dropped at connect": ("CONNECT", DROP),
    "EHLO refused": ("EHLO", "451 4.3.0 later"),
    "EHLO 5xx and HELO too": ("EHLO", "550 5.7.1 no"),
    "MAIL deferred": ("MAIL", "450 4.7.1 greylisted"),
    "RCPT deferred": ("RCPT", "450 4.2.1 mailbox busy"),
    "DATA deferred": ("DATA", "451 4.3.0 later"),
    "end deferred": ("EOD", "451 4.3.0 later"),
    "dropped at MAIL": ("MAIL", DROP),
    "dropped at DATA": ("DATA", DROP),
    "421 at RCPT": ("RCPT", "421 4.3.2 shutting down"),
    "garbage at MAIL": ("MAIL", Raw(b"\0\1\2\r\n")),
}


class Tempfail(support.Scenario):
    def test_one_failure_of_each_kind_ends_in_one_delivery(self):
        for name, (verb, answer) in ONCE.items():
            with self.subTest(name):
                relay, peer = self.relay_to_peer()
                peer.on(verb, [answer])
                if name == "EHLO 5xx and HELO too":
                    peer.on("HELO", ["550 5.7.1 no"])
                relay.send()
                eventually(lambda: peer.received, what=f"delivery after {name}")
                eventually(lambda: relay.metric("ekiden_recipients_delivered_total") == 1)
                eventually(lambda: relay.metric("ekiden_recipients_queued") == 0)
                self.assertEqual(relay.metric("ekiden_recipients_bounced_total"), 0)
                self.assertEqual(len(peer.received), 1)
                relay.stop()

    def test_attempts_due_time_and_reply_survive_a_restart(self):
        relay, peer = self.relay_to_peer(relay_settings={"retry": {"time_scale": 1.0}})
        peer.on("RCPT", ["450 4.2.1 try again, please"])
        relay.send()
        before = eventually(lambda: [r for r in relay.queue() if r.get("attempts") == 1])[0]
        relay.restart()
        after = eventually(relay.queue)[0]
        for key in ("message", "recipient", "attempts", "due", "reply_code"):
            self.assertEqual(before.get(key), after.get(key), key)
        self.assertEqual(after["reply_code"], 450)
        self.assertIn("try again, please", after["reply"])

    def test_retries_are_spaced_further_apart(self):
        relay, peer = self.relay_to_peer(
            relay_settings={"retry": {"first": "200s", "max_interval": "1h"}})
        times = []

        def refuse(session, line):
            times.append(support.time.monotonic())
            return "450 4.2.1 later"
        peer.on("RCPT", refuse)
        relay.send()
        eventually(lambda: len(times) >= 4, 20)
        gaps = [b - a for a, b in zip(times, times[1:])]
        self.assertGreater(gaps[2], gaps[0])
        self.assertGreater(gaps[0], 0.1)


if __name__ == "__main__":
    support.main()
