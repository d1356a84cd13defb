"""Goal: PIPELINING (RFC 2920): replies in order, whatever arrives in one segment; and ekiden
pipelines to peers that offer it, and only to those.
Method: whole dialogues in one write, one octet at a time, and a look at the peer's commands."""
import support
from support import eventually, message

DIALOGUE = (b"EHLO client.test\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<b@dest.test>\r\n"
            b"RCPT TO:<c@dest.test>\r\nDATA\r\n")


class Pipelining(support.Scenario):
    def test_commands_in_one_segment_are_answered_in_order(self):
        relay, peer = self.relay_to_peer()
        wire = relay.wire()
        self.assertReply(wire.reply(), 220)
        wire.send(DIALOGUE)
        self.assertEqual([wire.reply().code for _ in range(5)], [250, 250, 250, 250, 354])
        wire.send(message() + b"\r\n.\r\nMAIL FROM:<d@client.test>\r\nRSET\r\nQUIT\r\n")
        self.assertEqual([wire.reply().code for _ in range(4)], [250, 250, 250, 221])
        self.assertTrue(wire.is_closed())
        eventually(lambda: peer.recipients() == ["b@dest.test", "c@dest.test"])

    def test_one_octet_at_a_time_is_the_same_dialogue(self):
        relay, peer = self.relay_to_peer()
        wire = relay.wire()
        self.assertReply(wire.reply(), 220)
        for octet in DIALOGUE:
            wire.send(bytes([octet]))
        self.assertEqual([wire.reply().code for _ in range(5)], [250, 250, 250, 250, 354])
        for octet in message(body="x\r\n..y\r\n") + b".\r\n":
            wire.send(bytes([octet]))
        self.assertReply(wire.reply(), 250)
        self.assertTrue(eventually(lambda: peer.received)[0].data.endswith(b"x\r\n.y\r\n"))

    def test_a_refused_mail_refuses_what_was_sent_behind_it(self):
        relay, peer = self.relay_to_peer()
        wire = relay.wire()
        wire.greet()
        wire.send(b"MAIL FROM:<bad\r\nRCPT TO:<b@dest.test>\r\nDATA\r\n")
        self.assertEqual([wire.reply().code for _ in range(3)], [501, 503, 503])
        self.assertReply(wire.command("NOOP"), 250)
        self.assertEqual(peer.received, [])

    def test_message_octets_before_the_354_are_refused(self):
        relay, peer = self.relay_to_peer()
        wire = relay.wire()
        wire.greet()
        wire.send(b"MAIL FROM:<a@client.test>\r\nRCPT TO:<b@dest.test>\r\nDATA\r\n"
                  b"Subject: too early\r\n\r\nx\r\n.\r\n")
        codes = []
        try:
            while len(codes) < 4:
                codes.append(wire.reply().code)
        except support.Closed:
            pass
        self.assertNotEqual(codes[2:], [354, 250], codes)
        relay.send()
        eventually(lambda: peer.received)
        self.assertNotIn(b"too early", peer.received[0].data)

    def test_a_peer_that_offers_it_gets_groups_and_another_gets_single_commands(self):
        for extensions, grouped in ((["PIPELINING"], True), ([], False)):
            answered = []

            def slow_mail(session, line, answered=answered):
                answered.append(line)
                return None
            relay, peer = self.relay_to_peer(extensions=extensions)
            peer.on("RCPT", slow_mail)
            relay.send(recipients=[f"r{i}@dest.test" for i in range(4)])
            eventually(lambda: len(peer.recipients()) == 4)
            self.assertEqual(len(answered), 4, grouped)


if __name__ == "__main__":
    support.main()
