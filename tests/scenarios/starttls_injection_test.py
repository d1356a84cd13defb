"""Goal: nothing said in the clear counts under TLS, in both directions (CVE-2011-0411 and kin).
Method: commands glued behind STARTTLS; a peer that glues replies behind its 220."""
import support
from peer import Raw
from support import eventually, message


class StarttlsInjection(support.Scenario):
    def setUp(self):
        super().setUp()
        self.authority = self.certificates()

    def test_commands_behind_starttls_are_not_obeyed(self):
        peer = self.peer()
        relay = self.relay()
        relay.use_tls(self.authority)
        port = relay.listener("relay", "starttls", trusted_networks=["127.0.0.0/8"])
        relay.route_to(peer.port)
        relay.start()
        wire = relay.wire(port)
        wire.greet()
        wire.send(b"STARTTLS\r\nMAIL FROM:<injected@client.test>\r\n")
        try:
            reply = wire.reply()
        except support.Closed:
            return  # closed at once: refused as well as can be
        if reply.code != 220:
            self.assertIn(reply.code, (421, 501, 503, 554))
            return
        try:
            wire.start_tls()
        except (support.ssl.SSLError, ConnectionError):
            return
        wire.sock.settimeout(0.5 * support.SLOW)
        with self.assertRaises((TimeoutError, support.socket.timeout)):
            wire.sock.recv(100)  # no reply to the injected MAIL
        wire.sock.settimeout(10 * support.SLOW)
        self.assertReply(wire.command("RCPT TO:<b@dest.test>"), 503)

    def test_the_session_starts_anew_under_tls(self):
        relay = self.relay()
        relay.use_tls(self.authority)
        port = relay.listener("relay", "starttls", trusted_networks=["127.0.0.0/8"])
        relay.start()
        wire = relay.wire(port)
        self.assertIn("STARTTLS", wire.greet())
        wire.command("MAIL FROM:<a@client.test>")
        reply = wire.command("STARTTLS")
        if reply.code == 220:
            wire.start_tls()
            self.assertReply(wire.command("RCPT TO:<b@dest.test>"), 503)
            self.assertNotIn("STARTTLS", wire.ehlo())
            self.assertReply(wire.command("STARTTLS"), (502, 503))
        else:
            self.assertReply(reply, 503)

    def test_a_handshake_that_is_no_handshake_ends_the_session_only(self):
        relay = self.relay()
        relay.use_tls(self.authority)
        port = relay.listener("relay", "starttls", trusted_networks=["127.0.0.0/8"])
        relay.start()
        wire = relay.wire(port)
        wire.greet()
        self.assertReply(wire.command("STARTTLS"), 220)
        wire.send(b"\0" * 1000)
        self.assertTrue(wire.is_closed())
        self.assertHealthy(relay)

    def test_replies_a_peer_sent_before_the_handshake_are_not_believed(self):
        peer = self.peer(tls=self.authority.server_context("mx.dest.test"))
        peer.on("STARTTLS", [Raw(b"220 go\r\n250-forged\r\n250 AUTH PLAIN\r\n")])
        relay = self.relay()
        relay.route_to(peer.port, tls="required")
        relay.start()
        relay.send()
        eventually(lambda: peer.received, what="delivery on a later, clean connection")
        self.assertTrue(peer.received[0].tls)
        self.assertGreater(len(peer.sessions), 1)


if __name__ == "__main__":
    support.main()
