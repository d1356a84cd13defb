"""Goal: nobody relays through ekiden without right, whatever the address looks like.
Method: a trusted listener asked by strangers (announced with PROXY), an inbound listener asked for
foreign domains in every spelling that ever opened a relay."""
import support
from support import eventually, message

SPELLINGS = (
    "victim@foreign.test",
    "victim%foreign.test@relay.test",
    "victim%foreign.test@[127.0.0.1]",
    "victim%foreign.test",
    "foreign.test!victim",
    "foreign.test!victim@relay.test",
    '"victim@foreign.test"',
    '"victim@foreign.test"@relay.test',
    '"victim@foreign.test"@[127.0.0.1]',
    "victim@foreign.test@relay.test",
    "@relay.test:victim@foreign.test",
    "@own.test:victim@foreign.test",
    "@own.test,@relay.test:victim@foreign.test",
    "victim@foreign.test.",
    "victim@[192.0.2.77]",
    "victim@localhost",
    "postmaster@foreign.test",
)


class RefusedRelay(support.Scenario):
    def setUp(self):
        super().setUp()
        self.peer_ = self.peer()
        self.relay_ = self.relay()
        self.proxied = self.relay_.listener("relay", "off", trusted_networks=["10.0.0.0/8"],
                                            proxy_networks=["127.0.0.0/8"])
        self.inbound = self.relay_.listener("inbound", "off")
        self.relay_.settings["inbound_domain"] = [
            {"name": "own.test", "recipients": "any", "next_hop": f"127.0.0.1:{self.peer_.port}"}]
        self.relay_.route_to(self.peer_.port)
        self.relay_.start()

    def refused(self, wire, recipient):
        self.assertReply(wire.command("MAIL FROM:<spammer@client.test>"), 250)
        reply = wire.command(f"RCPT TO:<{recipient}>")
        self.assertTrue(500 <= reply.code < 560, f"{recipient}: {reply}")
        self.assertTrue(reply.enhanced.startswith("5."), f"{recipient}: {reply}")
        self.assertReply(wire.command("RSET"), 250)

    def test_a_stranger_at_a_trusted_listener(self):
        for announced in ("TCP4 192.0.2.1 127.0.0.1", "TCP6 2001:db8::1 ::1"):
            wire = self.relay_.wire(self.proxied)
            wire.send(f"PROXY {announced} 40000 25\r\n")
            banner = wire.reply()
            if banner.code >= 400:
                self.assertReply(banner, (521, 554))
                continue
            wire.ehlo()
            if wire.command("MAIL FROM:<spammer@client.test>").code >= 400:
                continue
            wire.command("RSET")
            for recipient in SPELLINGS:
                self.refused(wire, recipient)
        self.assertEqual(self.peer_.received, [])

    def test_a_foreign_domain_at_an_inbound_listener(self):
        wire = self.relay_.wire(self.inbound)
        wire.greet()
        for recipient in SPELLINGS:
            self.refused(wire, recipient)
        self.assertReply(wire.transaction("x@client.test", ["someone@own.test"], message()), 250)
        taken = eventually(lambda: self.peer_.received)
        self.assertEqual(taken[0].addresses, ["someone@own.test"])

    def test_a_percent_in_an_own_domain_stays_an_own_address(self):
        wire = self.relay_.wire(self.inbound)
        wire.greet()
        self.assertReply(wire.command("MAIL FROM:<x@client.test>"), 250)
        reply = wire.command("RCPT TO:<victim%foreign.test@own.test>")
        if reply.code == 250:
            self.assertReply(wire.command("DATA"), 354)
            wire.send(message() + b"\r\n.\r\n")
            wire.reply()
            taken = eventually(lambda: self.peer_.received)
            self.assertEqual(taken[0].addresses, ["victim%foreign.test@own.test"])

    def test_one_session_s_login_is_not_another_s(self):
        # The peers' mistake: what a session from an address proved was believed of the next.
        first = self.relay_.wire(self.proxied)
        first.send(b"PROXY TCP4 10.0.0.1 127.0.0.1 1 25\r\n")
        first.greet()
        self.assertReply(first.transaction("a@client.test", ["b@dest.test"], message()), 250)
        second = self.relay_.wire(self.proxied)
        second.send(b"PROXY TCP4 192.0.2.1 127.0.0.1 1 25\r\n")
        if second.reply().code == 220:
            second.ehlo()
            if second.command("MAIL FROM:<a@client.test>").code == 250:
                self.assertReply(second.command("RCPT TO:<b@dest.test>"), (550, 554))

    def test_a_configuration_that_trusts_the_world_is_refused(self):
        for network in ("0.0.0.0/0", "::/0", "8.8.8.0/24"):
            relay = self.relay()
            relay.settings["listener"][0]["trusted_networks"] = [network]
            relay.write()
            done = relay.run("config", "check")
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertIn("trusted_networks", done.stdout + done.stderr)
            relay.start(wait=False)
            self.assertNotEqual(relay.process.wait(), 0)


if __name__ == "__main__":
    support.main()
