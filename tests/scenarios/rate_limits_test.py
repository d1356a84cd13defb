"""Goal: one address may connect and send as often as the limits say, and others do not notice.
Method: rates of a few an hour, so that no clock matters; addresses announced with PROXY, because
loopback is exempt."""
import support
from support import eventually, message


class RateLimits(support.Scenario):
    def start(self, **limits):
        self.peer_ = self.peer()
        self.relay_ = self.relay()
        self.port = self.relay_.listener("inbound", "off", proxy_networks=["127.0.0.0/8"])
        self.relay_.settings["inbound_domain"] = [
            {"name": "own.test", "recipients": "any", "next_hop": f"127.0.0.1:{self.peer_.port}"}]
        self.relay_.settings["limits"] = limits
        self.relay_.start()

    def connect(self, address):
        """A connection from `address`, and what greets it."""
        wire = self.relay_.wire(self.port)
        family = "TCP6" if ":" in address else "TCP4"
        here = "::1" if ":" in address else "127.0.0.1"
        wire.send(f"PROXY {family} {address} {here} 1 25\r\n")
        return wire, wire.reply()

    def session(self, address):
        wire, greeting = self.connect(address)
        self.assertReply(greeting, 220)
        wire.ehlo()
        return wire

    def mail(self, wire):
        reply = wire.command("MAIL FROM:<x@client.test>")
        wire.command("RSET")
        return reply

    def test_connections_up_to_the_rate_and_no_more(self):
        self.start(connection_rate="3/h")
        wires = [self.session("192.0.2.1") for _ in range(3)]
        wire, refusal = self.connect("192.0.2.1")
        self.assertReply(refusal, 421, "4.7.0")
        self.assertTrue(wire.is_closed())
        # Those that are there stay, and are no fewer for it.
        self.assertReply(wires[0].transaction("x@client.test", ["me@own.test"], message()), 250)
        self.assertEqual(eventually(lambda: self.peer_.recipients()), ["me@own.test"])

    def test_ended_connections_count_as_well(self):
        self.start(connection_rate="2/h")
        for _ in range(2):
            wire = self.session("192.0.2.1")
            self.assertReply(wire.command("QUIT"), 221)
            self.assertTrue(wire.is_closed())
        self.assertReply(self.connect("192.0.2.1")[1], 421, "4.7.0")

    def test_every_address_has_its_own_rate_and_a_64_is_one(self):
        self.start(connection_rate="1/h")
        self.session("192.0.2.1")
        self.assertReply(self.connect("192.0.2.1")[1], 421)
        self.session("192.0.2.2")
        self.session("2001:db8:0:1::1")
        self.assertReply(self.connect("2001:db8:0:1:ffff::2")[1], 421)
        self.session("2001:db8:0:2::1")

    def test_messages_up_to_the_rate_and_then_450(self):
        self.start(message_rate="2/h")
        wire = self.session("192.0.2.1")
        for _ in range(2):
            self.assertReply(wire.transaction("x@client.test", ["me@own.test"], message()), 250)
        self.assertReply(self.mail(wire), 450, "4.7.1")
        # The session goes on, and a new one changes nothing.
        self.assertReply(wire.command("NOOP"), 250)
        self.assertReply(self.mail(self.session("192.0.2.1")), 450, "4.7.1")
        self.assertReply(self.mail(self.session("192.0.2.2")), 250)
        eventually(lambda: len(self.peer_.received) == 2)

    def test_loopback_and_trusted_networks_are_exempt(self):
        self.start(connection_rate="1/h", message_rate="1/h")
        for _ in range(5):
            self.relay_.wire().greet()
        wire = self.relay_.wire()
        wire.greet()
        for _ in range(5):
            self.assertReply(self.mail(wire), 250)

    def test_off_is_the_default_and_a_reload_decides_anew(self):
        self.start()
        for _ in range(20):
            self.assertReply(self.mail(self.session("192.0.2.1")), 250)
        self.relay_.settings["limits"] = {"connection_rate": "1/h", "message_rate": "1/h"}
        self.relay_.reload()
        self.assertReply(self.mail(self.session("192.0.2.1")), 250)
        self.assertReply(self.connect("192.0.2.1")[1], 421, "4.7.0")
        self.relay_.settings["limits"] = {"connection_rate": "off", "message_rate": "off"}
        self.relay_.reload()
        self.assertReply(self.mail(self.session("192.0.2.1")), 250)

    def test_commands_that_lead_to_no_message_are_limited(self):
        self.start(commands_per_session=100)
        wire = self.session("192.0.2.1")
        for _ in range(40):
            self.assertReply(wire.transaction("x@client.test", ["me@own.test"], message()), 250)
        # 120 commands of messages, and EHLO: 99 are left.
        for _ in range(99):
            self.assertReply(wire.command("NOOP"), 250)
        self.assertReply(wire.command("NOOP"), 250)
        self.assertReply(wire.reply(), 421, "4.7.0")
        self.assertTrue(wire.is_closed())
        eventually(lambda: len(self.peer_.received) == 40)

    def test_a_rate_that_is_none_is_refused_by_the_check(self):
        self.start()
        self.relay_.settings["limits"] = {"connection_rate": "100"}
        self.relay_.write()
        done = self.relay_.run("config", "check")
        self.assertEqual(done.returncode, 1)
        self.assertIn("limits.connection_rate takes a rate", done.stdout + done.stderr)


if __name__ == "__main__":
    support.main()
