"""Goal: a smart host gets our login over TLS, never in the clear, never by mistake to another.
Method: a peer that wants AUTH; wrong passwords; no TLS."""
import support
from support import eventually


class SmarthostAuth(support.Scenario):
    def setUp(self):
        super().setUp()
        self.authority = self.certificates()
        self.secret = self.folder / "smarthost.secret"
        self.secret.write_text("s3cret pass\n")
        self.secret.chmod(0o600)

    def pair(self, peer, tls="required"):
        relay = self.relay()
        relay.route("*", next_hop=f"127.0.0.1:{peer.port}", username="u",
                    password_file=self.secret, tls=tls)
        relay.start().send(sender="")
        return relay

    def server(self, **options):
        return self.peer(tls=self.authority.server_context("localhost"),
                         logins={"u": "s3cret pass"}, **options)

    def test_the_login_precedes_the_mail(self):
        peer = self.server()
        peer.on("MAIL", lambda s, line: None if s.login else "530 5.7.0 log in")
        self.pair(peer)
        taken = eventually(lambda: peer.received)[0]
        self.assertEqual((taken.login, bool(taken.tls)), ("u", True))

    def test_login_alone_is_enough(self):
        peer = self.server()
        usual = "250-mx.dest.test\r\n250-STARTTLS\r\n250 AUTH LOGIN"
        peer.on("EHLO", lambda s, line: usual)
        self.pair(peer)
        self.assertEqual(eventually(lambda: peer.received)[0].login, "u")

    def test_a_refused_login_defers_and_sends_nothing(self):
        peer = self.server()
        peer.logins = {"u": "other"}
        relay = self.pair(peer)
        eventually(lambda: relay.metric("ekiden_attempts_deferred_total") >= 1)
        self.assertEqual(peer.received, [])
        self.assertEqual(relay.metric("ekiden_recipients_bounced_total"), 0)
        peer.logins = {"u": "s3cret pass"}
        eventually(lambda: peer.received, 20, "delivery once the password is right")

    def test_the_password_never_goes_in_the_clear(self):
        peer = self.peer(logins={"u": "s3cret pass"})
        relay = self.pair(peer, tls="opportunistic")
        eventually(lambda: relay.metric("ekiden_attempts_deferred_total") +
                   relay.metric("ekiden_recipients_delivered_total") >= 1)
        self.assertFalse([c for c in peer.commands() if c.startswith("AUTH")])


if __name__ == "__main__":
    support.main()
