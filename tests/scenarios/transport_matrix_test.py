"""Goal: whatever a domain publishes as MTA-STS policy and as TLSA records, right or wrong, its mail
takes the way that docs/TRANSPORT.md says: DANE decides where it is usable, MTA-STS elsewhere.
Method: a domain, a peer, a policy server for every pair of valid, expired, mismatched, absent and
bogus; one message to all of them."""
import support
from authority import Certificate
from policyserver import policy
from transportbed import TransportBed

WAITS = object()

# What is expected without usable TLSA records: how the delivery is verified, or WAITS and words.
BY_POLICY = {
    "valid": "verified (mta-sts)",
    "expired": "verified",     # the policy server's certificate: there is no policy
    "mismatched": (WAITS, "does not name this host"),
    "absent": "verified",
    "bogus": "verified",       # a file that cannot be read is no policy
}
# And with them, whatever the policy says.
BY_DANE = {
    "valid": "verified (dane-ee)",
    "expired": (WAITS, "DANE: _25._tcp."),   # the record's signature
    "mismatched": (WAITS, "DANE: TLS handshake failed"),
    "absent": None,
    "bogus": (WAITS, "DANE: _25._tcp."),     # not what was signed
}


class TransportMatrix(TransportBed):
    def add(self, sts, dane):
        domain = f"sts-{sts}.dane-{dane}.test"
        host = f"mx.{domain}"
        right, other = self.trusted(host), Certificate([host])
        self.zone.mx(domain, host)
        tlsa = {"absent": [], "mismatched": [other.tlsa(3)]}.get(dane, [right.tlsa(3)])
        peer = self.host(host, right, *tlsa)
        if dane == "expired":
            self.zone.expired.add(f"_25._tcp.{host}")
        if dane == "bogus":
            self.zone.forged[(f"_25._tcp.{host}", "TLSA")] = [other.tlsa(3)]
        if sts != "absent":
            text = policy("enforce", "mx.other.test" if sts == "mismatched" else host)
            web = self.trusted(f"mta-sts.{domain}", days=(-60, -30)) if sts == "expired" else None
            self.publish(domain, "mode: enforce\r\n" if sts == "bogus" else text, web)
        return domain, peer, BY_DANE[dane] or BY_POLICY[sts]

    def test_every_pair(self):
        self.begin_signed()
        rows = [self.add(sts, dane) for sts in BY_POLICY for dane in BY_DANE]
        self.assertEqual(len(rows), 25)
        self.relay_.start()
        self.relay_.send(sender="", recipients=[f"b@{domain}" for domain, _, _ in rows])
        waiting = 0
        for domain, peer, expected in rows:
            with self.subTest(domain):
                if isinstance(expected, tuple):
                    waiting += 1
                    trace = self.deferred(domain)
                    self.assertIn(expected[1], trace)
                    self.assertIn("4.7.", trace)
                    self.assertEqual(peer.received, [])
                else:
                    self.assertEqual(self.delivered(domain), expected)
                    self.assertEqual(len(peer.received), 1)
        self.assertEqual(self.relay_.metric("ekiden_recipients_queued"), waiting)
        self.assertEqual(self.relay_.metric("ekiden_recipients_bounced_total"), 0)


if __name__ == "__main__":
    support.main()
