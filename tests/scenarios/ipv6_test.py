"""Goal: IPv6 in and out, and a host whose IPv6 is dead is reached by IPv4 at once.
Method: a listener on ::1; a peer on ::1; an MX with a dead AAAA and a living A."""
import socket
import unittest

import support
from support import eventually, message


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


@unittest.skipUnless(has_ipv6(), "needs ::1")
class Ipv6(support.Scenario):
    def test_mail_comes_in_and_goes_out_over_ipv6(self):
        peer = self.peer(address="::1")
        relay = self.relay()
        port = support.free_port(socket.AF_INET6)
        relay.settings["listener"].append({"address": f"[::1]:{port}", "service": "relay",
                                           "tls": "off", "trusted_networks": ["::1/128"]})
        relay.route("*", next_hop=f"[::1]:{peer.port}")
        relay.start()
        wire = relay.wire(port, host="::1")
        wire.greet()
        self.assertReply(wire.transaction("a@client.test", ["b@dest.test"], message()), 250)
        taken = eventually(lambda: peer.received)[0]
        self.assertIn("[IPv6:::1]", taken.header("Received"))

    def test_a_network_that_is_not_trusted_stays_so_over_ipv6(self):
        relay = self.relay()
        port = support.free_port(socket.AF_INET6)
        relay.settings["listener"].append({"address": f"[::1]:{port}", "service": "relay",
                                           "tls": "off", "trusted_networks": ["127.0.0.0/8"]})
        relay.start()
        wire = relay.wire(port, host="::1")
        if wire.reply().code == 220:
            wire.ehlo()
            if wire.command("MAIL FROM:<a@client.test>").code == 250:
                self.assertReply(wire.command("RCPT TO:<b@dest.test>"), (550, 554))

    def test_a_dead_aaaa_costs_no_attempt(self):
        peer = self.peer()
        dns = self.dns({("dest.test", "MX"): ["10 mx1.dest.test."],
                        ("mx1.dest.test", "A"): ["127.0.0.1"],
                        ("mx1.dest.test", "AAAA"): ["::1"]})
        relay = self.relay(dns)
        relay.settings["delivery"] = {"private_next_hops": "allow", "port": peer.port}
        relay.settings["retry"]["time_scale"] = 1.0
        relay.start().send()
        eventually(lambda: peer.received, what="delivery within the first attempt")


if __name__ == "__main__":
    support.main()
