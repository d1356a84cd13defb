"""Goal: a domain that says it takes no mail (RFC 7505) is believed at once: 5.1.10, no retry.
Method: an MX record of "."; with another MX beside it the null one does not count."""
import support
from support import Dsn, eventually


class NullMx(support.Scenario):
    def test_it_bounces_at_once_and_says_why(self):
        dns = self.dns({("dest.test", "MX"): ["0 ."], ("dest.test", "A"): ["127.0.0.1"]})
        peer, trap = self.peer(), self.peer()
        relay = self.relay(dns)
        relay.route_to(peer.port, "client.test")
        relay.map_mx("dest.test", trap.port)
        relay.start().send(sender="sender@client.test")
        dsn = Dsn(eventually(lambda: peer.received, what="the DSN")[0].data)
        self.assertEqual(dsn.field("Action"), "failed")
        self.assertEqual(dsn.field("Status"), "5.1.10")
        self.assertEqual(trap.sessions, [], "the A record is not tried")

    def test_a_null_mx_among_others_is_ignored(self):
        dns = self.dns()
        dns.mx("dest.test", "mx1.dest.test")
        dns.records[("dest.test", "MX")].append("0 .")
        peer = self.peer()
        relay = self.relay(dns)
        relay.map_mx("mx1.dest.test", peer.port)
        relay.start().send()
        eventually(lambda: peer.received)


if __name__ == "__main__":
    support.main()
