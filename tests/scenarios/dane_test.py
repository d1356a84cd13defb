"""Goal: where DNSSEC vouches for a domain's hosts and for TLSA records, they decide about TLS; what
does not match, or cannot be validated, waits and says why (RFC 7672).
Method: a name server that signs, and a domain for each combination, each with a peer of its own
whose certificate is right, wrong, expired, or missing."""
import json

import support
from authority import Certificate
from support import eventually
from transportbed import TransportBed


class Dane(TransportBed):
    def domain(self, domain, certificate, *tlsa):
        self.zone.mx(domain, f"mx.{domain}")
        return self.host(f"mx.{domain}", certificate, *tlsa)

    def own(self, domain, **more):
        return Certificate([f"mx.{domain}"], **more)

    def test_every_combination(self):
        self.begin_signed()
        pass_, wait = {}, {}
        ca, zone = self.authority, self.zone

        def passes(domain, verification, certificate, *tlsa):
            pass_[domain] = (self.domain(domain, certificate, *tlsa), verification)

        def waits(domain, words, certificate, *tlsa):
            wait[domain] = (self.domain(domain, certificate, *tlsa), words)

        other = Certificate(["mx.other.test"])
        one = self.own("ee.test")
        passes("ee.test", "verified (dane-ee)", one, one.tlsa(3))
        one = self.own("rollover.test")
        passes("rollover.test", "verified (dane-ee)", one, other.tlsa(3), one.tlsa(3, 0, 2))
        # The server's own key needs neither dates nor names (RFC 7672 §3.1.1).
        one = Certificate(["somewhere.else"], days=(-60, -30))
        passes("ee-expired.test", "verified (dane-ee)", one, one.tlsa(3))
        waits("ee-mismatch.test", "DANE", self.own("ee-mismatch.test"), other.tlsa(3))
        passes("ta.test", "verified (dane-ta)", self.trusted("mx.ta.test"), ca.tlsa(2, 0))
        passes("ta-next-hop.test", "verified (dane-ta)", self.trusted("ta-next-hop.test"),
               ca.tlsa(2))
        waits("ta-expired.test", "expired", self.trusted("mx.ta-expired.test", days=(-60, -30)),
              ca.tlsa(2))
        waits("ta-name.test", "DANE", self.trusted("mx.other.test"), ca.tlsa(2))
        waits("ta-mismatch.test", "DANE", self.own("ta-mismatch.test"), ca.tlsa(2))
        waits("clear.test", "DANE", None, other.tlsa(3))
        passes("absent.test", "unverified", self.own("absent.test"))
        passes("absent-clear.test", "none", None)
        passes("unusable.test", "(dane: no usable record)", self.own("unusable.test"),
               other.tlsa(1), "3 1 1 abcd")
        waits("unusable-clear.test", "DANE", None, other.tlsa(0))
        one = self.own("bogus.test")
        waits("bogus.test", "_25._tcp.mx.bogus.test", one, other.tlsa(3))
        zone.forged[("_25._tcp.mx.bogus.test", "TLSA")] = [one.tlsa(3)]
        one = self.own("unsigned.test")
        waits("unsigned.test", "DNSSEC", one, one.tlsa(3))
        zone.unsigned.add("_25._tcp.mx.unsigned.test")
        one = self.own("old.test")
        waits("old.test", "signature expired", one, one.tlsa(3))
        zone.expired.add("_25._tcp.mx.old.test")
        # A denial that nobody signed proves no absence.
        waits("denied.test", "DNSSEC", self.own("denied.test"))
        zone.unsigned.add("_25._tcp.mx.denied.test")

        self.relay_.start()
        self.relay_.send(sender="", recipients=[f"b@{d}" for d in (*pass_, *wait)])
        for domain, (peer, verification) in pass_.items():
            with self.subTest(domain):
                self.assertIn(verification, self.delivered(domain))
                self.assertEqual(len(peer.received), 1)
        for domain, (peer, words) in wait.items():
            with self.subTest(domain):
                trace = self.deferred(domain)
                self.assertIn(words, trace)
                self.assertIn("4.7.", trace)
                self.assertEqual(peer.received, [])
        self.assertEqual(self.relay_.metric("ekiden_recipients_queued"), len(wait))
        self.assertEqual(self.relay_.metric("ekiden_recipients_bounced_total"), 0)

    def test_the_next_host_takes_what_the_first_may_not(self):
        self.begin_signed()
        self.zone.mx("dest.test", "mx1.dest.test", "mx2.dest.test")
        right, other = self.own("dest.test"), Certificate(["x.test"])
        first = self.host("mx1.dest.test", right, other.tlsa(3))
        second = self.host("mx2.dest.test", right, right.tlsa(3))
        self.relay_.start().send(sender="")
        self.assertEqual(self.delivered("dest.test"), "verified (dane-ee)")
        self.assertEqual((len(first.received), len(second.received)), (0, 1))

    def test_it_is_delivered_when_the_zone_is_mended(self):
        self.begin_signed()
        right, other = self.own("dest.test"), Certificate(["x.test"])
        peer = self.domain("dest.test", right, other.tlsa(3))
        self.relay_.start().send(sender="")
        self.deferred("dest.test")
        self.zone.set("_25._tcp.mx.dest.test", "TLSA", [right.tlsa(3)])
        # The wrong record stays in caches until its time is over; a restart forgets it.
        self.relay_.restart()
        eventually(lambda: peer.received, 30)

    def test_records_outside_of_dnssec_say_nothing(self):
        self.begin_signed("auto", origin="signed.test.")
        other = Certificate(["x.test"])
        self.domain("plain.test", self.own("plain.test"), other.tlsa(3))
        signed = self.domain("signed.test", self.own("signed.test"), other.tlsa(3))
        self.relay_.start()
        self.relay_.send(sender="", recipients=["b@plain.test", "b@signed.test"])
        self.assertIn("unverified", self.delivered("plain.test"))
        self.assertIn("DANE", self.deferred("signed.test"))
        self.assertEqual(signed.received, [])

    def test_a_route_may_insist_on_it(self):
        self.begin_signed()
        settings = self.relay_.settings
        settings["route"] = [{"domains": ["right.test", "absent.test", "mended.test"],
                              "next_hop": "mx", "tls": "dane"}]
        right, mended = self.own("right.test"), self.own("mended.test")
        self.domain("right.test", right, right.tlsa(3))
        absent = self.domain("absent.test", self.trusted("mx.absent.test"))
        peer = self.domain("mended.test", mended, mended.tlsa(1))
        self.relay_.start()
        self.relay_.send(sender="", recipients=["b@right.test", "b@absent.test", "b@mended.test"])
        self.assertEqual(self.delivered("right.test"), "verified (dane-ee)")
        self.assertIn("the route requires it, and the host has no TLSA record",
                      self.deferred("absent.test"))
        self.assertIn("none of the host's TLSA records is usable", self.deferred("mended.test"))
        self.assertEqual((absent.received, peer.received), ([], []))
        self.zone.set("_25._tcp.mx.mended.test", "TLSA", [mended.tlsa(3)])
        self.relay_.restart()
        eventually(lambda: peer.received, 30)
        for key, value in (("delivery", {"dane": "off"}), ("dns", {"dnssec": "off"})):
            before = dict(settings[key])
            settings[key].update(value)
            settings["dns"].pop("trust_anchors", None)
            self.relay_.write()
            self.assertIn("cannot be met", str(self.relay_.run("config", "check")))
            settings[key] = before

    def test_off_does_not_look(self):
        self.begin_signed()
        self.domain("dest.test", self.own("dest.test"), Certificate(["x.test"]).tlsa(3))
        self.relay_.settings["delivery"]["dane"] = "off"
        self.relay_.start().send(sender="")
        self.assertIn("unverified", self.delivered("dest.test"))
        self.assertNotIn("TLSA", [kind for _, kind in self.zone.queries])

    def test_the_command_gives_the_same_verdicts(self):
        self.begin_signed()
        self.relay_.write()
        server, other = self.trusted("mx.dest.test"), Certificate(["mx.dest.test"])
        chain, _ = server.write(self.folder, "chain")

        def check(*tlsa, name="mx.dest.test", more=()):
            flags = [flag for one in tlsa for flag in ("--tlsa", one)]
            return json.loads(self.relay_.cli("check", "dane", "--name", name, "--chain", chain,
                                              *flags, *more))

        found = check(server.tlsa(3))
        self.assertEqual((found["result"], found["depth"]), ("match", 0))
        found = check(self.authority.tlsa(2, 0, 2))
        self.assertEqual((found["result"], found["depth"]), ("match", 1))
        found = check(other.tlsa(3))
        self.assertEqual((found["result"], found["depth"]), ("nomatch", None))
        self.assertEqual(check(self.authority.tlsa(2), name="x.test")["result"], "nomatch")
        self.assertEqual(check(self.authority.tlsa(2), name="x.test",
                               more=("--also-name", "mx.dest.test"))["result"], "match")
        later = ("--now", "4000000000")
        self.assertEqual(check(self.authority.tlsa(2), more=later)["result"], "nomatch")
        self.assertEqual(check(server.tlsa(3), more=later)["result"], "match")
        self.assertEqual(check(other.tlsa(1))["result"], "unusable")
        self.relay_.cli("check", "dane", "--name", "x", "--chain", chain, "--tlsa", "3 1", status=2)
        self.relay_.cli("check", "dane", "--name", "x", "--chain", "/nowhere", "--tlsa",
                        other.tlsa(3), status=3)


if __name__ == "__main__":
    support.main()
