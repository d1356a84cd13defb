"""Goal: a source's connections go through its SOCKS5 proxy or HAProxy, which gets the address of the
next hop; a proxy that fails rests its source and charges nobody, and what a proxy says of one
destination is that destination's failure.
Method: small proxies of the test's, a peer, and connect_map as without proxies."""
import proxies
import support
from support import eventually


class SourceProxies(support.Scenario):
    def setUp(self):
        super().setUp()
        self.dns_ = self.dns()
        self.dns_.mx("dest.test", "mx.dest.test")
        self.peer_ = self.peer()
        self.relay_ = self.relay(self.dns_)
        self.relay_.map_mx("mx.dest.test", self.peer_.port)

    def proxy(self, made):
        self.addCleanup(lambda: made._server.close())
        return made

    def via(self, *sources):
        self.relay_.settings["source"] = [
            {"hostname": f"{one['name']}.relay.test", **one} for one in sources]
        return self.relay_

    def test_socks5_with_a_login(self):
        proxy = self.proxy(proxies.Socks5(login=("mail1", "tea for two")))
        secret = self.folder / "secret"
        secret.write_text("tea for two\n")
        self.via({"name": "far", "ipv4": "203.0.113.7", "socks5": proxy.address,
                  "username": "mail1", "password_file": secret})
        self.relay_.start().send()
        taken = eventually(lambda: self.peer_.received, 20)[0]
        self.assertEqual(self.peer_.sessions[0].commands[0], "EHLO far.relay.test")
        self.assertEqual(proxy.asked, [("127.0.0.1", self.peer_.port)], "the address, mapped")
        self.assertEqual(proxy.logins, ["mail1"])
        self.assertEqual(taken.addresses, ["b@dest.test"])
        event = self.relay_.wait_for_event("b@dest.test", "delivered")[-1]
        self.assertEqual((event["source"], event["remote_address"]), ("far", "127.0.0.1"))

    def test_haproxy_leaves_from_the_sources_address(self):
        proxy = self.proxy(proxies.HaProxy())
        self.via({"name": "far", "ipv4": "127.0.0.9", "haproxy": proxy.address})
        self.relay_.start().send()
        taken = eventually(lambda: self.peer_.received, 20)[0]
        self.assertEqual(taken.client, "127.0.0.9")
        self.assertEqual(proxy.asked, [("127.0.0.1", self.peer_.port)])

    def test_a_proxy_that_fails_rests_its_source_and_the_other_delivers(self):
        dead = support.free_port()
        refuses = self.proxy(proxies.Socks5(login=("a", "b")))
        self.via({"name": "dead", "ipv4": "203.0.113.7", "socks5": f"127.0.0.1:{dead}"},
                 {"name": "locked", "ipv4": "203.0.113.8", "socks5": refuses.address},
                 {"name": "near", "ipv4": "127.0.0.3"})
        self.relay_.start()
        for i in range(9):
            self.relay_.send(recipients=[f"u{i}@dest.test"])
        eventually(lambda: len(self.peer_.received) == 9, 30)
        self.assertEqual({t.client for t in self.peer_.received}, {"127.0.0.3"})
        log = self.relay_.log()
        self.assertIn(f"its SOCKS5 proxy 127.0.0.1:{dead} fails: the proxy cannot be used", log)
        self.assertIn("the proxy refused the login", log)
        self.assertEqual(self.relay_.metric("ekiden_attempts_deferred_total"), 0)

    def test_what_a_proxy_says_of_a_destination_is_no_rest_of_the_source(self):
        for reply, said in ((5, "connection refused"), (4, "unreachable"),
                            (2, "the proxy did not connect")):
            with self.subTest(reply=reply):
                proxy = self.proxy(proxies.Socks5(reply=reply))
                self.via({"name": "far", "ipv4": "203.0.113.7", "socks5": proxy.address})
                recipient = f"r{reply}@dest.test"
                self.relay_.start().send(recipients=[recipient])
                event = self.relay_.wait_for_event(recipient, "deferred")[-1]
                self.assertIn(said, event["reply"])
                self.assertIn("by SOCKS5 proxy", event["reply"])
                self.assertNotIn("source_resting", self.relay_.log())
                proxy.reply = 0
                self.relay_.cli("queue", "retry", "--recipient", recipient)
                eventually(lambda: recipient in self.peer_.recipients(), 30)
                self.relay_.stop()

    def test_mistakes_are_found_in_the_configuration(self):
        secret = self.folder / "secret"
        secret.write_text("x" * 300)
        for keys, said in (
                ({"socks5": "127.0.0.1:1080", "haproxy": "127.0.0.1:1081"}, "SOCKS5 proxy already"),
                ({"haproxy": "127.0.0.1:1081"}, "source.haproxy needs source.ipv4"),
                ({"username": "u", "password_file": secret}, "no effect without source.socks5"),
                ({"socks5": "127.0.0.1:1080", "username": "u"}, "without source.password_file"),
                ({"socks5": "127.0.0.1:1080", "username": "u", "password_file": secret},
                 "over 255 octets"),
                ({"socks5": "proxy.example:1080"}, "source.socks5"),
                ({"socks5": "127.0.0.1:0"}, "nothing to connect to")):
            self.via({"name": "far", **keys})
            self.relay_.write()
            done = self.relay_.run("config", "check")
            self.assertEqual(done.returncode, 1, keys)
            self.assertIn(said, done.stdout + done.stderr)


if __name__ == "__main__":
    support.main()
