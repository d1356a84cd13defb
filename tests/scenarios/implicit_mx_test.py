"""Goal: a domain without MX is its own (RFC 5321 §5.1), also behind a CNAME; one with neither bounces.
Method: A records only; a CNAME; nothing."""
import support
from support import eventually


class ImplicitMx(support.Scenario):
    def test_the_address_of_the_domain_is_used(self):
        dns = self.dns({("dest.test", "A"): ["127.0.0.1"]})
        peer = self.peer()
        relay = self.relay(dns)
        relay.map_mx("dest.test", peer.port)
        relay.start().send()
        eventually(lambda: peer.received)

    def test_a_cname_leads_to_the_target_s_mx(self):
        dns = self.dns({("alias.test", "CNAME"): ["dest.test."]})
        dns.mx("dest.test", "mx1.dest.test")
        peer = self.peer()
        relay = self.relay(dns)
        relay.map_mx("mx1.dest.test", peer.port)
        relay.start().send(recipients=["b@alias.test"])
        taken = eventually(lambda: peer.received)[0]
        self.assertEqual(taken.addresses, ["b@alias.test"])

    def test_an_mx_without_an_address_is_not_replaced_by_the_domain(self):
        dns = self.dns({("dest.test", "MX"): ["10 gone.dest.test."],
                        ("dest.test", "A"): ["127.0.0.1"]})
        peer = self.peer()
        relay = self.relay(dns)
        relay.map_mx("dest.test", peer.port)
        relay.settings["retry"].update(expire_after="30m")
        relay.start().send(sender="")
        eventually(lambda: relay.metric("ekiden_recipients_bounced_total") +
                   relay.metric("ekiden_attempts_deferred_total") >= 1)
        self.assertEqual(peer.sessions, [])

    def test_a_domain_with_nothing_bounces(self):
        dns = self.dns({("dest.test", "TXT"): ['"x"']})
        relay = self.relay(dns)
        relay.start().send(sender="")
        eventually(lambda: relay.metric("ekiden_recipients_bounced_total") == 1)


if __name__ == "__main__":
    support.main()
