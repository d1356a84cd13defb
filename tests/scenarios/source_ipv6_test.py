"""Goal: a source's IPv6 address is used only while its PTR record names the source and that name
has the address; without it IPv4 is used, and a source that has none rests without charging anybody.
Method: a name server of the test's, a source on ::1 behind NAT, peers on both families."""
import ipaddress
import unittest

import support
from support import eventually
from ipv6_test import has_ipv6

# As others see it: the resolver itself answers for ::1.
SEEN = "2400:1::1"
REVERSE = ipaddress.ip_address(SEEN).reverse_pointer


@unittest.skipUnless(has_ipv6(), "needs ::1")
class SourceIpv6(support.Scenario):
    def setUp(self):
        super().setUp()
        self.dns_ = self.dns({("dest.test", "MX"): ["10 mx.dest.test."],
                              ("mx.dest.test", "A"): ["127.0.0.1"],
                              ("mx.dest.test", "AAAA"): ["::1"]})
        self.six = self.peer(address="::1")
        self.four = self.peer(port=self.six.port)
        self.relay_ = self.relay(self.dns_)
        self.relay_.settings["delivery"] = {"private_next_hops": "allow", "port": self.six.port,
                                            "connect_timeout": "5s"}
        self.source = {"name": "mail1", "ipv4": "127.0.0.2", "ipv6": "::1", "public_ipv6": SEEN,
                       "hostname": "mail1.relay.test"}
        self.relay_.settings["source"] = [self.source]

    def publish(self):
        self.dns_.set(REVERSE, "PTR", ["mail1.relay.test."])
        self.dns_.set("mail1.relay.test", "AAAA", [SEEN])

    def test_a_confirmed_address_is_used(self):
        self.publish()
        self.relay_.start()
        eventually(lambda: "source_ipv6_usable" in self.relay_.log(), what="the PTR record")
        self.relay_.send()
        taken = eventually(lambda: self.six.received, what="delivery over IPv6")[0]
        self.assertEqual(taken.client, "::1")
        self.assertEqual(self.six.sessions[0].commands[0], "EHLO mail1.relay.test")

    def test_without_a_ptr_record_ipv4_is_used_and_an_alert_says_why(self):
        self.relay_.start()
        self.relay_.send()
        taken = eventually(lambda: self.four.received, what="delivery over IPv4")[0]
        self.assertEqual(taken.client, "127.0.0.2")
        self.assertEqual(self.six.sessions, [])
        eventually(lambda: f"{SEEN} has no PTR record" in self.relay_.log())
        rows = self.relay_.json("top", "--once", "--by", "source")["rows"]
        self.assertIn(f"IPv4 only: {SEEN} has no PTR record", str(rows))

    def test_without_ipv4_mail_waits_and_nobody_pays_an_attempt(self):
        del self.source["ipv4"]
        self.dns_.broken.add(REVERSE)
        self.relay_.start()
        self.relay_.send()

        def held():
            items = self.relay_.records("queue", "explain", "dest.test")
            return any("is not known" in r["text"] for i in items for r in i["reasons"])
        eventually(held, 20, "what holds the mail")
        self.assertEqual(self.relay_.metric("ekiden_attempts_deferred_total"), 0)
        # The setting for test beds: whatever the DNS says.
        self.source["ipv6_ptr"] = "ignore"
        self.relay_.reload()
        eventually(lambda: self.six.received, 20, "delivery over IPv6")


if __name__ == "__main__":
    support.main()
