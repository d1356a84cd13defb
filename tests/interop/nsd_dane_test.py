"""Goal: what ldns-signzone signs and nsd serves is validated, and what is wrong with it is seen.
Method: a domain for each kind of TLSA record, as in scenario transport_matrix, whose zone is ours."""
import interop
from authority import Certificate
from nsdzone import NsdZone
from transportbed import TransportBed

WAITS = {"mismatched": "DANE: TLS handshake failed", "expired": "DANE: _25._tcp.",
         "bogus": "DANE: _25._tcp."}


class NsdDane(TransportBed):
    def test_each_kind_of_record(self):
        zone = NsdZone(self)
        anchors = self.folder / "anchors.key"
        anchors.write_text(zone.anchor())
        self.begin(zone, dnssec="require", trust_anchors=[anchors])
        peers = {}
        for kind in ("valid", "absent", *WAITS):
            domain, host = f"{kind}.test", f"mx.{kind}.test"
            right, other = self.trusted(host), Certificate([host])
            zone.mx(domain, host)
            tlsa = {"absent": [], "mismatched": [other.tlsa(3)]}.get(kind, [right.tlsa(3)])
            peers[domain] = self.host(host, right, *tlsa)
            if kind == "expired":
                zone.expired.add(f"_25._tcp.{host}")
            if kind == "bogus":
                zone.forged[(f"_25._tcp.{host}", "TLSA")] = [other.tlsa(3)]
        zone.serve()
        self.relay_.start()
        self.relay_.send(sender="", recipients=[f"b@{domain}" for domain in peers])
        self.assertEqual(self.delivered("valid.test"), "verified (dane-ee)")
        self.assertEqual(self.delivered("absent.test"), "verified")
        for kind, words in WAITS.items():
            with self.subTest(kind):
                self.assertIn(words, self.deferred(f"{kind}.test"))
                self.assertEqual(peers[f"{kind}.test"].received, [])


if __name__ == "__main__":
    interop.main()
