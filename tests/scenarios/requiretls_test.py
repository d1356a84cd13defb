"""Goal: mail that was handed over with REQUIRETLS leaves protected, with REQUIRETLS, or comes back;
"TLS-Required: No" leaves whatever recipient domains ask for (RFC 8689).
Method: senders under TLS, a signed zone, hosts that can do what is asked and hosts that cannot."""
import smtplib

import support
from authority import Certificate
from policyserver import policy
from support import eventually
from transportbed import TransportBed

CAN = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SIZE", "REQUIRETLS")


class Requiretls(TransportBed):
    def setUp(self):
        super().setUp()
        self.begin_signed()
        self.relay_.use_tls(self.certificates())
        self.port = self.relay_.listener("relay", "starttls", trusted_networks=["127.0.0.0/8"])
        # Whoever is told of a failure can be told under TLS.
        self.sender = self.domain("client.test")

    def domain(self, domain, certificate=None, tlsa=(), extensions=CAN):
        self.zone.mx(domain, f"mx.{domain}")
        certificate = certificate or self.trusted(f"mx.{domain}")
        return self.host(f"mx.{domain}", certificate, *tlsa, extensions=extensions)

    def submit(self, *recipients, options=("REQUIRETLS",), body=None, ret=()):
        with smtplib.SMTP(support.LOOPBACK, self.port, local_hostname="client.test",
                          timeout=20 * support.SLOW) as client:
            client.starttls(context=support.trusting())
            client.sendmail("a@client.test", list(recipients), body or support.message(),
                            [*options, *ret])

    def test_each_hop_that_meets_it_gets_it_with_the_parameter(self):
        by_dnssec = self.domain("dnssec.test")
        own = Certificate(["mx.dane.test"])
        by_dane = self.domain("dane.test", own, [own.tlsa(3)])
        smart = self.host("smart.test", self.trusted("smart.test"), extensions=CAN)
        self.relay_.route("routed.test", next_hop="smart.test:25")
        self.relay_.start()
        self.submit("b@dnssec.test", "b@dane.test", "b@routed.test")
        self.assertEqual(self.delivered("dnssec.test"), "verified (requiretls)")
        self.assertEqual(self.delivered("dane.test"), "verified (dane-ee)")
        self.assertEqual(self.delivered("routed.test"), "verified (requiretls)")
        for peer in (by_dnssec, by_dane, smart):
            taken = eventually(lambda: peer.received)[0]
            self.assertIn("REQUIRETLS", taken.parameters.split())
            self.assertTrue(taken.tls)

    def test_what_cannot_be_met_comes_back_as_a_header(self):
        unable = self.domain("unable.test", extensions=CAN[:-1])
        self.domain("strange.test", Certificate(["mx.strange.test"]))
        self.zone.mx("clear.test", "mx.clear.test")
        clear = self.host("mx.clear.test", None)
        self.relay_.start()
        for domain, status in (("unable.test", "5.7.30"), ("strange.test", "5.7.10"),
                               ("clear.test", "5.7.10")):
            with self.subTest(domain):
                self.sender.transactions.clear()
                self.submit(f"b@{domain}", ret=("RET=FULL",),
                            body=support.message(body="a secret\r\n"))
                bounce = eventually(lambda: self.sender.received)[0]
                dsn = support.Dsn(bounce.data)
                self.assertEqual(dsn.field("Status"), status, bounce.data)
                self.assertIn("REQUIRETLS", dsn.field("Diagnostic-Code"))
                # RFC 8689 §5: protected as the message was, and without its body.
                self.assertIn("REQUIRETLS", bounce.parameters.split())
                self.assertNotIn(b"a secret", bounce.data)
                self.assertIn(b"Subject: hello", bounce.data)
        self.assertEqual((unable.received, clear.received), ([], []))

    def test_without_dnssec_a_policy_must_vouch_for_the_host(self):
        self.domain("plain.test")
        self.relay_.settings["dns"].update(dnssec="off", trust_anchors=[])
        self.domain("sts.test")
        self.publish("sts.test", policy("testing", "mx.sts.test"))
        self.relay_.start()
        self.submit("b@sts.test", "b@plain.test")
        self.assertEqual(self.delivered("sts.test"), "verified (requiretls)")
        bounced = self._event("b@plain.test", "bounced")
        self.assertEqual(bounced["enhanced_code"], "5.7.30")
        self.assertIn("neither DNSSEC nor MTA-STS", bounced["reply"])

    def test_it_survives_a_restart_and_waits_for_a_host_that_is_down(self):
        peer = self.domain("dest.test")
        peer.on("MAIL", ["451 4.3.0 later"])
        self.relay_.settings["retry"]["time_scale"] = 1
        self.relay_.start()
        self.submit("b@dest.test")
        self.deferred("dest.test")
        self.relay_.restart()
        self.relay_.cli("queue", "retry", "--domain", "dest.test")
        taken = eventually(lambda: peer.received)[0]
        self.assertIn("REQUIRETLS", taken.parameters.split())

    def test_listeners_take_it_under_tls_only(self):
        self.relay_.start()
        wire = self.relay_.wire(self.port)
        self.assertNotIn("REQUIRETLS", wire.greet())
        self.assertReply(wire.command("MAIL FROM:<a@client.test> REQUIRETLS"), 530, "5.7.10")
        self.assertReply(wire.command("STARTTLS"), 220)
        wire.start_tls()
        self.assertIn("REQUIRETLS", wire.ehlo())
        self.assertReply(wire.command("MAIL FROM:<a@client.test> REQUIRETLS"), 250)

    def test_tls_required_no_passes_policies_and_records_that_fail(self):
        strange = self.domain("sts.test", Certificate(["mx.sts.test"]))
        self.publish("sts.test", policy("enforce", "mx.sts.test"))
        other = Certificate(["x.test"])
        self.zone.mx("dane.test", "mx.dane.test")
        clear = self.host("mx.dane.test", None, other.tlsa(3))
        self.relay_.start()
        self.submit("b@sts.test", "b@dane.test", options=(),
                    body=support.message(TLS_Required="No"))
        self.assertIn("tls-required: no", self.delivered("sts.test"))
        self.assertEqual(self.delivered("dane.test"), "none")
        self.assertTrue(strange.received and clear.received)
        # The same mail without the field waits; with REQUIRETLS beside it the field does not count.
        self.submit("c@sts.test", options=())
        self.assertIn("MTA-STS", self.deferred("c@sts.test"))
        self.submit("d@sts.test", body=support.message(TLS_Required="No"))
        self.assertEqual(self._event("d@sts.test", "bounced")["enhanced_code"], "5.7.10")


if __name__ == "__main__":
    support.main()
