"""Goal: a TLS session with a next hop goes on in the next connection, and only under the policy,
host and port that it was made for.
Method: peers that say whether a session was resumed, and that share one key for their tickets, so
that each of them could resume the other's."""
import support
from support import eventually


class TlsResumption(support.Scenario):
    def setUp(self):
        super().setUp()
        self.authority = self.certificates()
        self.context = self.authority.server_context("localhost")
        self.peer_ = self.peer(tls=self.context)
        self.relay_ = self.relay()
        # Each message on a connection of its own, and one worker, which remembers.
        self.relay_.settings["delivery"].update(messages_per_connection=1,
                                                trust_store=self.authority.ca)

    def route(self, domain, policy, port=None):
        self.relay_.route(domain, next_hop=f"localhost:{port or self.peer_.port}", tls=policy)

    def send(self, domain, peer=None):
        """Whether the connection that this message took resumed a session."""
        peer = peer or self.peer_
        count = len(peer.received)
        self.relay_.send(sender="", recipients=[f"b@{domain}"])
        taken = eventually(lambda: peer.received[count:], 20)[0]
        self.assertTrue(taken.tls)
        # The outcome first, so that the next one finds no connection under way.
        eventually(lambda: self.relay_.metric("ekiden_recipients_queued") == 0)
        return taken.session.is_resumed

    def test_the_second_connection_goes_on_with_the_session_of_the_first(self):
        for policy in ("opportunistic", "required", "verified"):
            with self.subTest(policy):
                self.relay_.settings["route"] = []
                self.route("*", policy)
                self.relay_.start()
                self.assertFalse(self.send("dest.test"), "nothing to resume yet")
                self.assertTrue(self.send("dest.test"))
                self.assertTrue(self.send("other.test"), "it is the host's, whoever the mail is for")
                self.relay_.stop()

    def test_implicit_tls_too(self):
        peer = self.peer(tls=self.context, implicit_tls=True)
        self.relay_.settings["delivery"]["connect_map"] = {
            "localhost:465": f"{support.LOOPBACK}:{peer.port}"}
        self.route("*", "required", 465)
        self.relay_.start()
        self.assertFalse(self.send("dest.test", peer))
        self.assertTrue(self.send("dest.test", peer))

    def test_tls_1_2_too(self):
        self.context.maximum_version = support.ssl.TLSVersion.TLSv1_2
        self.route("*", "verified")
        self.relay_.start()
        self.assertFalse(self.send("dest.test"))
        self.assertTrue(self.send("dest.test"))

    def test_never_across_policies(self):
        # A session that was made without looking at the certificate would skip the look.
        policies = ("opportunistic", "required", "verified")
        for policy in policies:
            self.route(f"{policy}.test", policy)
        self.relay_.start()
        for policy in policies:
            self.assertFalse(self.send(f"{policy}.test"), policy)
        for policy in policies:
            self.assertTrue(self.send(f"{policy}.test"), policy)

    def test_never_at_another_port_or_host(self):
        second = self.peer(tls=self.context)
        self.route("first.test", "required")
        self.route("second.test", "required", second.port)
        self.relay_.route("third.test", next_hop=f"127.0.0.1:{self.peer_.port}", tls="required")
        self.relay_.start()
        self.assertFalse(self.send("first.test"))
        self.assertTrue(self.send("first.test"))
        self.assertFalse(self.send("second.test", second))
        self.assertFalse(self.send("third.test"))

    def test_a_peer_that_changed_its_certificate_is_looked_at_again(self):
        self.route("*", "verified")
        self.relay_.start()
        self.assertFalse(self.send("dest.test"))
        self.assertTrue(self.send("dest.test"))
        # A new process at the other end: new keys for tickets, a new certificate.
        port = self.peer_.port
        self.peer_.stop()
        renewed = self.peer(tls=self.authority.server_context("localhost"), port=port)
        self.assertFalse(self.send("dest.test", renewed), "the old ticket is worth nothing")
        self.assertTrue(self.send("dest.test", renewed))

    def test_an_impostor_at_the_same_address_gets_nothing_out_of_an_old_session(self):
        self.route("*", "verified")
        self.relay_.start()
        self.assertFalse(self.send("dest.test"))
        port = self.peer_.port
        self.peer_.stop()
        stranger = support.Certificates(self.folder / "stranger")
        impostor = self.peer(tls=stranger.server_context("localhost"), port=port)
        self.relay_.send(sender="", recipients=["b@dest.test"])
        eventually(lambda: self.relay_.metric("ekiden_attempts_deferred_total") >= 1, 20)
        self.assertEqual(impostor.received, [])


if __name__ == "__main__":
    support.main()
