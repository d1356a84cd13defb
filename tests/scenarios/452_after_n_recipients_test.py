"""Goal: a peer that takes n recipients at a time gets the rest at once, without an attempt lost.
Method: 452 and 552 after three recipients; LIMITS RCPTMAX; no waiting for a retry."""
import support
from support import eventually


class AfterN(support.Scenario):
    def deliver_ten(self, answer, **options):
        relay, peer = self.relay_to_peer(relay_settings={"retry": {"time_scale": 1.0}}, **options)
        if answer:
            peer.on("RCPT", lambda s, line: answer if s.rcpt_count > 3 else None)
        relay.send(recipients=[f"r{i}@dest.test" for i in range(10)])
        eventually(lambda: len(peer.recipients()) == 10, what="all recipients, without a retry")
        self.assertEqual(sorted(peer.recipients()), sorted(f"r{i}@dest.test" for i in range(10)))
        eventually(lambda: relay.metric("ekiden_recipients_delivered_total") == 10)
        self.assertEqual(relay.metric("ekiden_attempts_deferred_total"), 0)
        return peer

    def test_452_after_three(self):
        self.assertGreaterEqual(len(self.deliver_ten("452 4.5.3 too many recipients").received), 4)

    def test_552_after_three_is_read_as_452(self):
        # RFC 5321 §4.5.3.1.10: old servers say 552.
        self.deliver_ten("552 5.5.3 too many recipients")

    def test_an_announced_limit_is_kept(self):
        peer = self.deliver_ten(None, extensions=["PIPELINING", "LIMITS RCPTMAX=4"])
        self.assertTrue(all(len(t.addresses) <= 4 for t in peer.received))

    def test_452_for_the_first_recipient_is_a_deferral(self):
        relay, peer = self.relay_to_peer()
        peer.on("RCPT", ["452 4.2.2 mailbox full"])
        relay.send()
        eventually(lambda: peer.received)
        self.assertEqual(relay.metric("ekiden_attempts_deferred_total"), 1)


if __name__ == "__main__":
    support.main()
