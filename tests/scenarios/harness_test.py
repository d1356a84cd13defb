"""Goal: the tools of the scenarios do what they say, so that a red scenario means the relay.
Method: Python's own clients against the scripted peer and the name server; no relay."""
import smtplib
import ssl

import dns.message
import dns.query
import dns.rcode

import support
from peer import DROP, Raw
from support import LOOPBACK, Wire, eventually, message


class Harness(support.Scenario):
    def test_the_peer_takes_and_records_mail(self):
        peer = self.peer()
        with smtplib.SMTP(LOOPBACK, peer.port) as client:
            client.sendmail("a@x.test", ["b@y.test", "c@y.test"], b"Subject: s\r\n\r\n.dot\r\n")
        taken = peer.received[0]
        self.assertEqual(taken.sender, "a@x.test")
        self.assertEqual(taken.addresses, ["b@y.test", "c@y.test"])
        self.assertEqual(taken.data, b"Subject: s\r\n\r\n.dot\r\n")

    def test_the_peer_misbehaves_as_told(self):
        peer = self.peer().on("RCPT", ["450 4.2.1 later"]).on("EOD", lambda s, line: DROP)
        wire = Wire(peer.port)
        self.addCleanup(wire.close)
        wire.greet()
        wire.command("MAIL FROM:<>")
        self.assertReply(wire.command("RCPT TO:<b@y.test>"), 450, "4.2.1")
        self.assertReply(wire.command("RCPT TO:<b@y.test>"), 250)
        self.assertReply(wire.command("DATA"), 354)
        wire.send(b"x\r\n.\r\n")
        self.assertTrue(wire.is_closed())
        peer.on("CONNECT", lambda s, line: Raw(b"\0\r\n", then_drop=True))
        with self.assertRaises(AssertionError):
            Wire(peer.port).reply()

    def test_the_peer_speaks_tls_and_bdat_and_auth(self):
        certificates = self.certificates()
        peer = self.peer(tls=certificates.server_context("mx.dest.test", LOOPBACK),
                         extensions=["CHUNKING"], logins={"u": "p"})
        context = ssl.create_default_context(cafile=str(certificates.ca))
        with smtplib.SMTP(LOOPBACK, peer.port) as client:
            client.starttls(context=context)
            client.login("u", "p")
        wire = Wire(peer.port)
        self.addCleanup(wire.close)
        wire.greet()
        wire.command("MAIL FROM:<a@x.test>")
        wire.command("RCPT TO:<b@y.test>")
        wire.send(b"BDAT 4\r\nab\r\nBDAT 2 LAST\r\ncd")
        self.assertReply(wire.reply(), 250)
        self.assertReply(wire.reply(), 250)
        self.assertEqual(peer.received[0].data, b"ab\r\ncd")
        self.assertEqual(peer.sessions[0].login, "u")

    def test_the_name_server_answers(self):
        server = self.dns({("dest.test", "TXT"): ['"x"']})
        server.mx("dest.test", "mx1.dest.test", "mx2.dest.test")
        for ask in (dns.query.udp, dns.query.tcp):
            answer = ask(dns.message.make_query("DEST.test", "MX"), LOOPBACK, 5, port=server.port)
            self.assertEqual(len(answer.answer[0]), 2)
        ask = lambda name: dns.query.udp(dns.message.make_query(name, "A"), LOOPBACK, 5,
                                         port=server.port)
        self.assertEqual(ask("nobody.test").rcode(), dns.rcode.NXDOMAIN)
        self.assertEqual(ask("dest.test").rcode(), dns.rcode.NOERROR)
        server.broken.add("mx1.dest.test")
        self.assertEqual(ask("mx1.dest.test").rcode(), dns.rcode.SERVFAIL)

    def test_waiting_ends(self):
        with self.assertRaises(AssertionError):
            eventually(lambda: False, 0.1)

    def test_a_message_has_what_a_message_has(self):
        self.assertIn(b"\r\n\r\nbody", message(body="body"))


if __name__ == "__main__":
    support.main()
