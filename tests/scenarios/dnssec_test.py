"""Goal: a signed answer is used only when its signature is right; a wrong one defers mail and says
why, and never sends it where a forger wants it.
Method: a name server that signs with a key that the relay trusts, and forges, lets signatures
expire, or leaves them out; a peer at the forger's address, on the same port."""
import support
from signedzone import SignedNameServer
from support import eventually

EVIL = "127.0.0.2"


class Dnssec(support.Scenario):
    def build(self, mode="require", origin=".", **settings):
        self.zone = SignedNameServer({}, origin)
        self.addCleanup(self.zone.stop)
        self.zone.mx("dest.test", "mx.dest.test")
        self.zone.set("evil.test", "A", [EVIL])
        self.anchors = self.folder / "anchors.key"
        self.anchors.write_text(self.zone.anchor())
        self.right = self.peer()
        self.evil = self.peer(address=EVIL, port=self.right.port)
        self.relay_ = self.relay(self.zone)
        self.relay_.settings["dns"].update(dnssec=mode, trust_anchors=[self.anchors], **settings)
        self.relay_.settings["delivery"]["port"] = self.right.port

    def is_deferred_for(self, *words):
        """The message waits, and `message trace` says why."""
        self.relay_.start().send(sender="")
        events = self.relay_.wait_for_event("b@dest.test", "deferred")
        trace = self.relay_.cli("message", "trace", events[0]["message"])
        self.assertIn("DNSSEC", trace)
        for word in words:
            self.assertIn(word, trace)
        self.assertEqual(self.relay_.metric("ekiden_recipients_bounced_total"), 0)
        self.assertEqual(self.relay_.metric("ekiden_recipients_queued"), 1)
        self.assertEqual(self.right.received + self.evil.received, [])
        self.assertEqual(self.evil.sessions, [])

    def arrives(self):
        self.relay_.start().send(sender="")
        eventually(lambda: self.right.received, 20)

    def test_a_signed_answer_is_used(self):
        for mode in ("auto", "require"):
            with self.subTest(mode):
                self.build(mode)
                self.arrives()
                # It was verified: the key was asked for.
                self.assertIn(("", "DNSKEY"), [(n.strip("."), k) for n, k in self.zone.queries])
                if mode == "auto":
                    self.assertIn("dns_validates", self.relay_.log())
                self.relay_.stop()

    def test_a_zone_of_one_s_own_below_an_unsigned_root(self):
        # auto: what has an anchor is validated, everything else goes as it does without DNSSEC.
        self.build("auto", origin="dest.test.")
        self.zone.mx("plain.example", "mx.plain.example")
        self.arrives()
        self.assertIn("dns_without_dnssec", self.relay_.log())
        self.relay_.send(recipients=["c@plain.example"])
        eventually(lambda: "c@plain.example" in self.right.recipients(), 20)

    def test_a_stub_zone_with_its_own_anchor_is_validated(self):
        self.build("auto", origin="dest.test.")
        self.relay_.settings["dns"]["stub"] = {"dest.test.": f"{support.LOOPBACK}:{self.zone.port}"}
        self.zone.forged[("dest.test", "MX")] = ["5 evil.test."]
        self.is_deferred_for("dest.test")

    def test_a_forged_mx_is_never_followed(self):
        for mode in ("auto", "require"):
            with self.subTest(mode):
                self.build(mode)
                self.zone.forged[("dest.test", "MX")] = ["5 evil.test."]
                self.is_deferred_for("dest.test", "signature")
                self.relay_.stop()

    def test_a_forged_address_is_never_connected_to(self):
        self.build()
        self.zone.forged[("mx.dest.test", "A")] = [EVIL]
        self.is_deferred_for("mx.dest.test")

    def test_an_expired_signature(self):
        self.build()
        self.zone.expired.add("dest.test")
        self.is_deferred_for("signature expired")

    def test_a_signature_that_is_missing(self):
        self.build()
        self.zone.unsigned.add("dest.test")
        self.is_deferred_for("dest.test")

    def test_a_denial_that_is_not_signed_bounces_nobody(self):
        self.build()
        del self.zone.records[("dest.test", "MX")]
        self.zone.unsigned.add("dest.test")
        self.is_deferred_for("dest.test")

    def test_another_key_than_the_trusted_one(self):
        self.build()
        other = SignedNameServer({})
        self.addCleanup(other.stop)
        self.anchors.write_text(other.anchor())
        self.is_deferred_for("dest.test")

    def test_require_where_nothing_is_signed_sends_nothing(self):
        self.build()
        self.zone.unsigned.update(("", ".", "dest.test", "mx.dest.test"))
        self.is_deferred_for()

    def test_off_believes_everything(self):
        # What the others are protected from.
        self.build("off")
        del self.relay_.settings["dns"]["trust_anchors"]
        self.zone.forged[("dest.test", "MX")] = ["5 evil.test."]
        self.relay_.start().send(sender="")
        eventually(lambda: self.evil.received, 20)
        self.assertNotIn("DNSKEY", [kind for _, kind in self.zone.queries])

    def test_an_anchor_file_that_is_none_is_refused_at_start(self):
        self.build()
        self.anchors.write_text("")
        self.relay_.start(wait=False)
        self.assertEqual(self.relay_.process.wait(), 3)
        self.assertIn("dns.trust_anchors", self.relay_.log())


if __name__ == "__main__":
    support.main()
