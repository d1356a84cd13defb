"""Goal: bad input gets a clear reply or a closed connection, never `421 internal`, never a crash,
never a lost message of somebody else.
Method: each kind of garbage while another session holds a transaction open; then that one ends."""
import random

import support
from support import Closed, eventually, message


class BadInput(support.Scenario):
    def setUp(self):
        super().setUp()
        self.relay_, self.peer_ = self.relay_to_peer()
        self.witness = self.relay_.wire(timeout=60)
        self.witness.greet()
        self.assertReply(self.witness.command("MAIL FROM:<w@client.test>"), 250)
        self.assertReply(self.witness.command("RCPT TO:<witness@dest.test>"), 250)

    def tearDown(self):
        self.assertReply(self.witness.command("DATA"), 354)
        self.witness.send(message() + b"\r\n.\r\n")
        self.assertReply(self.witness.reply(), 250)
        eventually(lambda: "witness@dest.test" in self.peer_.recipients())
        self.assertHealthy(self.relay_)

    def replies(self, octets, most=50, greet=True):
        """What the relay says to `octets`, until it closes or says no more."""
        wire = self.relay_.wire()
        if greet:
            wire.greet()
        try:
            wire.send(octets)
        except ConnectionError:
            pass
        wire.sock.settimeout(1.0 * support.SLOW)
        replies = []
        try:
            while len(replies) < most:
                replies.append(wire.reply())
        except (Closed, TimeoutError, ConnectionError):
            pass
        wire.close()
        for reply in replies:
            self.assertNotIn("internal", reply.text.lower())
            self.assertNotIn("difficult", reply.text.lower())
            self.assertLess(len(reply.text), 2000)
        return replies

    def test_random_octets(self):
        chance = random.Random(1)
        for size in (1, 10, 1000, 100000):
            for _ in range(5):
                octets = bytes(chance.randrange(256) for _ in range(min(size, 20000))) * (
                    max(size // 20000, 1))
                for reply in self.replies(octets + b"\r\n"):
                    self.assertGreaterEqual(reply.code, 400, reply)

    def test_nul_octets(self):
        for octets in (b"\0\r\n", b"EHLO a\0b\r\n", b"MAIL FROM:<a\0b@client.test>\r\n"):
            replies = self.replies(octets)
            self.assertTrue(replies and replies[0].code in (500, 501, 553, 521), replies)

    def test_an_endless_line(self):
        wire = self.relay_.wire()
        wire.greet()
        try:
            for _ in range(200):
                wire.send(b"A" * 100000)
            wire.send(b"\r\n")
            self.assertReply(wire.reply(), (500, 421), None)
        except (Closed, ConnectionError):
            pass

    def test_a_64_kib_ehlo(self):
        replies = self.replies(b"EHLO " + b"a" * 65536 + b"\r\nNOOP\r\n")
        self.assertTrue(not replies or replies[0].code in (500, 501, 421), replies)

    def test_unknown_and_misplaced_commands(self):
        cases = ((b"FOO\r\n", 500), (b"DATA\r\n", 503), (b"RCPT TO:<a@b.test>\r\n", 503),
                 (b"VRFY x\r\n", 252), (b"EXPN x\r\n", 502), (b"HELP\r\n", 214),
                 (b"MAIL TO:<a@b.test>\r\n", 501), (b"MAIL FROM:a@b.test\r\n", 501),
                 (b"MAIL FROM:<a@b.test> FOO=1\r\n", 555), (b"MAIL\r\n", 501), (b"\r\n", 500),
                 (b"EHLO\r\n", 501), (b"TURN\r\n", 502), (b"RSET x\r\n", 501),
                 (b"NOOP " + b"x" * 400 + b"\r\n", 250))
        for line, code in cases:
            with self.subTest(line=line[:40]):
                wire = self.relay_.wire()
                wire.greet()
                wire.send(line)
                replies = [wire.reply(), wire.command("NOOP")]
                self.assertIn(replies[0].code, (code, 500, 502) if code >= 500 else (code,),
                              replies)
                self.assertEqual(replies[1].code, 250)
                if replies[0].code >= 500:
                    self.assertRegex(replies[0].enhanced, r"^5\.")

    def test_malformed_addresses_are_501_and_never_421(self):
        for address in ("<a@b@c>", "<a b@c.test>", "<a@b..test>", "<" + "a" * 400 + "@b.test>",
                        "<a@" + "b" * 300 + ".test>", "<a@[300.1.1.1]>", "<a@[IPv6:zzz]>", "<\"a@b>",
                        "<a@b.test", "a@b.test>", "<<a@b.test>>", "<a@b.test>junk", "<\x01@b.test>"):
            with self.subTest(address=address[:40]):
                replies = self.replies(f"MAIL FROM:{address}\r\n".encode())
                self.assertIn(replies[0].code, (500, 501, 553, 555), replies)

    def test_too_many_errors_end_the_session(self):
        replies = self.replies(b"FOO\r\n" * 1000, most=1000)
        self.assertLess(len(replies), 200)
        self.assertEqual(replies[-1].code, 421)

    def test_header_bombs(self):
        wire = self.relay_.wire(timeout=60)
        wire.greet()
        bombs = (b"".join(b"X-%d: y\r\n" % i for i in range(100000)) + b"\r\nbody",
                 b"X: " + b" \r\n\t" * 100000 + b"y\r\n\r\nbody",
                 b"X: " + b"y" * 2_000_000 + b"\r\n\r\nbody",
                 b"no header at all", b":\r\n:\r\n", b"", b"\r\n")
        for bomb in bombs:
            with self.subTest(bomb=bomb[:30]):
                try:
                    reply = wire.transaction("", ["bomb@dest.test"], bomb)
                    self.assertIn(reply.code, (250, 500, 552, 554), reply)
                except (Closed, ConnectionError):
                    pass
                wire = self.relay_.wire(timeout=60)
                wire.greet()

    def test_a_thousand_silent_connections_do_no_harm(self):
        wires = [self.relay_.wire() for _ in range(300)]
        self.relay_.send()
        eventually(lambda: "b@dest.test" in self.peer_.recipients())
        for wire in wires:
            wire.close()


if __name__ == "__main__":
    support.main()
