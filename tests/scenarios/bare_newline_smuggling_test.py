"""Goal: only CRLF.CRLF ends a message (RFC 5321 §4.1.1.4, §2.3.8): nothing smuggled gets out.
Method: seventeen endings that some server takes for the end, each followed by a second message;
then the `fix` mode, whose output must hold no bare newline either."""
import support
from support import eventually

ENDINGS = (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r.\n",
           b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\r\n.\n", b"\r\n.\r\r", b"\n\n.\n\n",
           b"\r\n .\r\n", b"\r\n. \r\n", b"\x0b.\x0b", b"\xc2\x85.\xc2\x85")
SMUGGLED = (b"MAIL FROM:<ceo@bank.test>\r\nRCPT TO:<smuggled@dest.test>\r\nDATA\r\n"
            b"Subject: smuggled\r\n\r\nowned")


class Smuggling(support.Scenario):
    def attempt(self, relay, ending):
        """Sends the attack as data; gives the reply to it, None when the relay closed."""
        wire = relay.wire()
        wire.greet()
        wire.command("MAIL FROM:<a@client.test>")
        wire.command("RCPT TO:<b@dest.test>")
        self.assertReply(wire.command("DATA"), 354)
        wire.send(b"Subject: outer\r\n\r\nouter" + ending + SMUGGLED + b"\r\n.\r\n")
        try:
            return wire.reply(), wire
        except support.Closed:
            return None, wire

    def test_no_ending_smuggles_a_second_message(self):
        relay, peer = self.relay_to_peer()
        for ending in ENDINGS:
            with self.subTest(ending=ending):
                before = len(peer.received)
                reply, wire = self.attempt(relay, ending)
                if ending.replace(b"\r\n", b"").strip(b". \0\x0b\xc2\x85") == b"":
                    # No bare CR or LF in it: an ordinary message whose text looks odd.
                    self.assertReply(reply, (250, 550, 554))
                else:
                    self.assertReply(reply, (500, 501, 521, 550, 554))
                    self.assertRegex(reply.enhanced, r"^5\.")
                if reply.code == 250:
                    taken = eventually(lambda: peer.received[before:])
                    self.assertIn(b"smuggled@dest.test", taken[0].data, "as text, not as envelope")
                # Whatever the relay made of it: nothing behind the first reply was obeyed.
                wire.sock.settimeout(0.3 * support.SLOW)
                try:
                    more = wire.sock.recv(1000)
                except (TimeoutError, ConnectionError):
                    more = b""
                self.assertNotIn(b"354", more)
        self.assertNotIn("smuggled@dest.test", peer.recipients())
        for taken in peer.received:
            self.assertNotIn(b"\n", taken.data.replace(b"\r\n", b""))
            self.assertNotIn(b"\r", taken.data.replace(b"\r\n", b""))

    def test_a_doubled_cr_before_the_end_is_no_end_and_no_attack(self):
        # \r\r\n.\r\n: the peers' mistake was to take it for an attack or an end at random.
        relay, peer = self.relay_to_peer()
        reply, _ = self.attempt(relay, b"\r\r\n.\r\n")
        self.assertIsNotNone(reply)
        self.assertNotIn("smuggled@dest.test", peer.recipients())

    def test_fixed_newlines_go_out_as_crlf_and_still_end_nothing(self):
        peer = self.peer()
        relay = self.relay()
        relay.settings["listener"][0]["bare_newlines"] = "fix"
        relay.route_to(peer.port)
        relay.start()
        for ending in ENDINGS:
            with self.subTest(ending=ending):
                reply, _ = self.attempt(relay, ending)
                if reply is not None:
                    self.assertIn(reply.code, (250, 500, 501, 521, 550, 554))
        eventually(lambda: peer.received)
        self.assertNotIn("smuggled@dest.test", peer.recipients())
        for taken in peer.received:
            self.assertNotIn(b"\n", taken.data.replace(b"\r\n", b""))

    def test_bare_newlines_in_commands_are_refused(self):
        relay, _ = self.relay_to_peer()
        wire = relay.wire()
        wire.greet()
        wire.send(b"MAIL FROM:<a@client.test>\nRCPT TO:<b@dest.test>\r\n")
        self.assertReply(wire.reply(), (500, 501, 521))


if __name__ == "__main__":
    support.main()
