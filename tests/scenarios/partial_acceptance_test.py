"""Goal: each recipient of a transaction has its own end.
Method: of three recipients one taken, one deferred, one refused."""
import support
from support import Dsn, eventually


class PartialAcceptance(support.Scenario):
    def test_taken_deferred_and_refused_in_one_transaction(self):
        relay, peer = self.relay_to_peer()
        seen = []

        def rcpt(session, line):
            seen.append(line)
            if "refused@" in line:
                return "550 5.1.1 no such user"
            if "later@" in line and sum("later@" in one for one in seen) == 1:
                return "450 4.2.1 later"
            return None
        peer.on("RCPT", rcpt)
        relay.send(sender="sender@client.test",
                   recipients=[f"{name}@dest.test" for name in ("taken", "later", "refused")])
        eventually(lambda: len(peer.received) == 3, what="mail, its retry, and the DSN")
        everyone = peer.recipients()
        for name in ("taken@dest.test", "later@dest.test", "sender@client.test"):
            self.assertEqual(everyone.count(name), 1, everyone)
        dsn = Dsn(next(t for t in peer.received if t.sender == "").data)
        self.assertEqual(len(dsn.recipients), 1)
        self.assertIn("refused@dest.test", dsn.field("Final-Recipient"))
        eventually(lambda: relay.metric("ekiden_recipients_queued") == 0)
        self.assertEqual(relay.metric("ekiden_recipients_delivered_total"), 3)
        self.assertEqual(relay.metric("ekiden_recipients_bounced_total"), 1)

    def test_all_refused_sends_no_data(self):
        relay, peer = self.relay_to_peer(extensions=["PIPELINING"])
        peer.on("RCPT", lambda s, line: "550 5.1.1 no")
        relay.send(sender="", recipients=["a@dest.test", "b@dest.test"])
        eventually(lambda: relay.metric("ekiden_recipients_bounced_total") == 2)
        self.assertEqual(peer.received, [])

    def test_recipients_of_one_domain_share_a_transaction_and_domains_do_not(self):
        relay, peer = self.relay_to_peer()
        relay.send(recipients=["a@one.test", "b@one.test", "c@two.test"])
        eventually(lambda: len(peer.recipients()) == 3)
        self.assertEqual(sorted(sorted(t.addresses) for t in peer.received),
                         [["a@one.test", "b@one.test"], ["c@two.test"]])


if __name__ == "__main__":
    support.main()
