"""Goal: SMTPUTF8 (RFC 6531): internationalised addresses travel where they can and come back
where they cannot.
Method: a peer with and one without the extension; domains in U-labels and A-labels."""
import support
from support import Dsn, eventually, message


class Smtputf8(support.Scenario):
    def give(self, relay, sender, recipient, body=None):
        wire = relay.wire()
        self.assertIn("SMTPUTF8", wire.greet())
        self.assertReply(wire.command(f"MAIL FROM:<{sender}> SMTPUTF8 BODY=8BITMIME"), 250)
        self.assertReply(wire.command(f"RCPT TO:<{recipient}>"), 250)
        self.assertReply(wire.command("DATA"), 354)
        wire.send((body or message()) + b"\r\n.\r\n")
        self.assertReply(wire.reply(), 250)

    def test_a_utf8_local_part_arrives(self):
        relay, peer = self.relay_to_peer()
        self.give(relay, "送信者@client.test", "受信者@dest.test")
        taken = eventually(lambda: peer.received)[0]
        self.assertEqual((taken.sender, taken.addresses), ("送信者@client.test", ["受信者@dest.test"]))
        self.assertIn("SMTPUTF8", taken.parameters)

    def test_the_extension_is_not_asked_for_when_nothing_needs_it(self):
        relay, peer = self.relay_to_peer(extensions=["8BITMIME"])
        self.give(relay, "a@client.test", "b@dest.test")
        taken = eventually(lambda: peer.received)[0]
        self.assertNotIn("SMTPUTF8", taken.parameters)

    def test_a_domain_alone_goes_as_a_labels(self):
        relay, peer = self.relay_to_peer(extensions=["8BITMIME"])
        self.give(relay, "a@client.test", "b@例え.test")
        taken = eventually(lambda: peer.received)[0]
        self.assertEqual(taken.addresses, ["b@xn--r8jz45g.test"])

    def test_a_peer_without_it_means_a_bounce_that_says_why(self):
        relay, peer = self.relay_to_peer(extensions=["8BITMIME", "DSN"])
        self.give(relay, "sender@client.test", "受信者@dest.test")
        taken = eventually(lambda: peer.received, what="the bounce")[0]
        self.assertEqual(taken.sender, "")
        self.assertEqual(taken.addresses, ["sender@client.test"])
        dsn = Dsn(taken.data)
        self.assertEqual(dsn.field("Action"), "failed")
        self.assertEqual(dsn.field("Status"), "5.6.7")

    def test_utf8_without_saying_so_is_refused(self):
        relay, _ = self.relay_to_peer()
        wire = relay.wire()
        wire.greet()
        self.assertReply(wire.command("MAIL FROM:<送信者@client.test>"), (550, 553, 501))
        self.assertReply(wire.command("MAIL FROM:<a@client.test>"), 250)
        self.assertReply(wire.command("RCPT TO:<受信者@dest.test>"), (550, 553, 501))

    def test_octets_that_are_no_utf8_are_refused(self):
        relay, _ = self.relay_to_peer()
        wire = relay.wire()
        wire.greet()
        self.assertReply(wire.command(b"MAIL FROM:<\xff\xfe@client.test> SMTPUTF8"), (501, 553))
        self.assertReply(wire.command("NOOP"), 250)


if __name__ == "__main__":
    support.main()
