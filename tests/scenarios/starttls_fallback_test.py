"""Goal: opportunistic TLS falls back by degrees and remembers; `required` and `verified` never do.
Method: peers with good, foreign, broken and no TLS, under each policy."""
import support
from peer import DROP
from support import eventually


class StarttlsFallback(support.Scenario):
    def setUp(self):
        super().setUp()
        self.authority = self.certificates()

    def pair(self, policy, peer):
        relay = self.relay()
        relay.settings["delivery"]["trust_store"] = self.authority.ca
        relay.route("*", next_hop=f"localhost:{peer.port}", tls=policy)
        relay.start().send(sender="")
        return relay

    def good(self, *names):
        return self.peer(tls=self.authority.server_context(*(names or ("localhost",))))

    def deferred(self, relay):
        eventually(lambda: relay.metric("ekiden_attempts_deferred_total") >= 1, 20)

    def test_tls_is_used_where_it_is_offered(self):
        for policy in ("opportunistic", "required", "verified"):
            with self.subTest(policy):
                peer = self.good()
                self.pair(policy, peer)
                self.assertIn(eventually(lambda: peer.received)[0].tls, ("TLSv1.2", "TLSv1.3"))

    def test_off_means_off(self):
        peer = self.good()
        self.pair("off", peer)
        self.assertIsNone(eventually(lambda: peer.received)[0].tls)

    def test_a_stranger_s_certificate_is_good_enough_unless_verified(self):
        for policy in ("opportunistic", "required"):
            peer = self.good("other.test")
            self.pair(policy, peer)
            self.assertTrue(eventually(lambda: peer.received)[0].tls)
        peer = self.good("other.test")
        self.deferred(self.pair("verified", peer))
        self.assertEqual(peer.received, [])

    def test_no_tls_at_all(self):
        peer = self.peer()
        self.pair("opportunistic", peer)
        eventually(lambda: peer.received)
        for policy in ("required", "verified"):
            peer = self.peer()
            self.deferred(self.pair(policy, peer))
            self.assertEqual(peer.received, [])

    def test_a_broken_handshake_falls_back_to_the_clear_and_is_remembered(self):
        # A server from another age: nothing in common with ours.
        context = self.authority.server_context("localhost")
        with support.warnings.catch_warnings():
            support.warnings.simplefilter("ignore")
            context.minimum_version = support.ssl.TLSVersion.TLSv1
            context.maximum_version = support.ssl.TLSVersion.TLSv1_1
        peer = self.peer(tls=context)
        relay = self.pair("opportunistic", peer)
        eventually(lambda: peer.received, 20)
        self.assertIsNone(peer.received[0].tls)
        attempts = sum(c == "STARTTLS" for c in peer.commands())
        relay.send()
        eventually(lambda: len(peer.received) == 2)
        self.assertEqual(sum(c == "STARTTLS" for c in peer.commands()), attempts)

    def test_a_refused_starttls_falls_back_under_opportunistic_only(self):
        for answer in ("454 4.7.0 not now", "500 5.5.1 what?"):
            with self.subTest(answer):
                peer = self.good()
                peer.on("STARTTLS", lambda s, line: answer)
                self.pair("opportunistic", peer)
                eventually(lambda: peer.received, 20)
                strict = self.good()
                strict.on("STARTTLS", lambda s, line: answer)
                self.deferred(self.pair("required", strict))
                self.assertEqual(strict.received, [])

    def test_a_peer_that_always_drops_at_starttls_gets_its_mail_in_the_clear_at_last(self):
        peer = self.good()
        peer.on("STARTTLS", lambda s, line: DROP)
        self.pair("opportunistic", peer)
        eventually(lambda: peer.received, 20)

    def test_the_event_says_how_it_was_sent(self):
        peer = self.good()
        relay = self.pair("required", peer)
        eventually(lambda: peer.received)
        delivered = relay.wait_for_event("b@dest.test", "delivered")[-1]
        self.assertRegex(delivered["tls_version"], r"TLSv1\.[23]")


if __name__ == "__main__":
    support.main()
