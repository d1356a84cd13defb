"""Goal: a recipient domain's MTA-STS policy is fetched, kept and obeyed, for this domain alone; what
is no policy changes nothing, and DANE goes before it (RFC 8461).
Method: an HTTPS server of policies, a domain for each combination, each with a peer of its own whose
certificate is right, wrong, expired, or missing."""
import json

import support
from authority import Certificate
from nameserver import NameServer
from policyserver import policy
from support import eventually
from transportbed import TransportBed


class MtaSts(TransportBed):
    def setUp(self):
        super().setUp()
        self.begin(NameServer({}))

    def domain(self, domain, certificate, text, web=None, record="v=STSv1; id=1;"):
        """A domain with one host, and a policy served under the certificate `web`."""
        self.zone.mx(domain, f"mx.{domain}")
        self.publish(domain, text, web, record)
        return self.host(f"mx.{domain}", certificate)

    def test_every_combination(self):
        pass_, wait = {}, {}

        def passes(domain, verification, *arguments, **more):
            pass_[domain] = (self.domain(domain, *arguments, **more), verification)

        def waits(domain, words, *arguments, **more):
            wait[domain] = (self.domain(domain, *arguments, **more), words)

        def enforce(domain):
            return policy("enforce", f"mx.{domain}")

        def strange(domain):
            return Certificate([f"mx.{domain}"])

        # The host's certificate under a good policy.
        name = "right.test"
        passes(name, "verified (mta-sts)", self.trusted(f"mx.{name}"), enforce(name))
        name = "wild.test"
        passes(name, "verified (mta-sts)", self.trusted("*.wild.test"),
               policy("enforce", "*.wild.test"))
        name = "expired.test"
        waits(name, "expired", self.trusted(f"mx.{name}", days=(-60, -30)), enforce(name))
        name = "mismatched.test"
        waits(name, "MTA-STS", self.trusted("mx.other.test"), enforce(name))
        name = "self-signed.test"
        waits(name, "MTA-STS", strange(name), enforce(name))
        name = "clear.test"
        waits(name, "MTA-STS", None, enforce(name))
        name = "unnamed.test"
        waits(name, "does not name this host", self.trusted(f"mx.{name}"),
              policy("enforce", "mx.other.test"))
        # Modes that watch, or not even that.
        name = "testing.test"
        passes(name, "(mta-sts testing)", strange(name), policy("testing", f"mx.{name}"))
        name = "testing-unnamed.test"
        passes(name, "(mta-sts testing: the policy does not name the host)", strange(name),
               policy("testing", "mx.other.test"))
        name = "none.test"
        passes(name, "unverified", strange(name), policy("none"))
        # What is no policy: the host's certificate would fail each of them.
        plain = {"Content-Type": "text/plain"}
        name = "absent.test"
        passes(name, "unverified", strange(name), (404, plain, enforce(name)))
        name = "redirected.test"
        passes(name, "unverified", strange(name),
               (302, {"Location": "https://mta-sts.right.test/", **plain}, enforce(name)))
        name = "html.test"
        passes(name, "unverified", strange(name),
               (200, {"Content-Type": "text/html"}, enforce(name)))
        name = "malformed.test"
        passes(name, "unverified", strange(name), "version: STSv1\r\nmode: enforce\r\n")
        name = "endless.test"
        passes(name, "unverified", strange(name), enforce(name) + 70_000 * "\n")
        name = "web-expired.test"
        passes(name, "unverified", strange(name), enforce(name),
               web=self.trusted(f"mta-sts.{name}", days=(-60, -30)))
        name = "web-mismatched.test"
        passes(name, "unverified", strange(name), enforce(name), web=self.trusted("mta-sts.x.test"))
        name = "web-self-signed.test"
        passes(name, "unverified", strange(name), enforce(name), web=strange(name))
        name = "bad-record.test"
        passes(name, "unverified", strange(name), enforce(name), record="v=STSv1; id=;")
        name = "no-record.test"
        passes(name, "unverified", strange(name), enforce(name), record="hello")

        self.relay_.start()
        self.relay_.send(sender="", recipients=[f"b@{d}" for d in (*pass_, *wait)])
        for domain, (peer, verification) in pass_.items():
            with self.subTest(domain):
                seen = self.delivered(domain)
                self.assertIn(verification, seen)
                # What is no policy leaves no trace.
                self.assertEqual("mta-sts" in seen, verification != "unverified", seen)
                self.assertEqual(len(peer.received), 1)
        for domain, (peer, words) in wait.items():
            with self.subTest(domain):
                trace = self.deferred(domain)
                self.assertIn(words, trace)
                self.assertIn("4.7.", trace)
                self.assertEqual(peer.received, [])
        self.assertEqual(self.relay_.metric("ekiden_recipients_queued"), len(wait))
        self.assertEqual(self.relay_.metric("ekiden_recipients_bounced_total"), 0)

    def test_the_next_host_that_the_policy_names_takes_it(self):
        self.zone.mx("dest.test", "mx1.dest.test", "mx2.dest.test")
        both = self.trusted("mx1.dest.test", "mx2.dest.test")
        first, second = self.host("mx1.dest.test", both), self.host("mx2.dest.test", both)
        self.publish("dest.test", policy("enforce", "mx2.dest.test"))
        self.relay_.start().send(sender="")
        self.assertEqual(self.delivered("dest.test"), "verified (mta-sts)")
        self.assertEqual((len(first.sessions), len(second.received)), (0, 1))

    def test_each_domain_by_its_own_policy_though_they_share_their_host(self):
        peer = self.host("mx.shared.test", Certificate(["mx.shared.test"]))
        for domain in ("strict.test", "plain.test", "watching.test"):
            self.zone.set(domain, "MX", ["10 mx.shared.test."])
        self.publish("strict.test", policy("enforce", "mx.shared.test"))
        self.publish("watching.test", policy("testing", "mx.shared.test"))
        self.relay_.start()
        self.relay_.send(sender="", recipients=["b@strict.test", "b@plain.test", "b@watching.test"])
        self.assertNotIn("mta-sts", self.delivered("plain.test"))
        self.assertIn("mta-sts testing", self.delivered("watching.test"))
        self.assertIn("MTA-STS", self.deferred("strict.test"))
        self.assertNotIn("b@strict.test", peer.recipients())

    def test_a_policy_binds_over_a_restart_whatever_the_web_says(self):
        certificate = self.trusted("mx.dest.test")
        peer = self.domain("dest.test", certificate, policy("enforce", "mx.dest.test"))
        self.relay_.start().send(sender="")
        eventually(lambda: peer.received, 20)
        self.relay_.stop()
        self.assertIn("dest.test", (self.relay_.data / "mta-sts.json").read_text())
        # An attacker takes away the record and the policy, and stands in for the host.
        self.zone.set("_mta-sts.dest.test", "TXT", ['"nothing"'])
        port = peer.port
        peer.stop()
        impostor = self.peer(tls=Certificate(["mx.dest.test"]).server_context(self.folder, "evil"),
                             port=port)
        self.relay_.start().send(sender="", recipients=["c@dest.test"])
        self.assertIn("MTA-STS", self.relay_.cli(
            "message", "trace",
            self.relay_.wait_for_event("c@dest.test", "deferred")[0]["message"]))
        self.assertEqual(impostor.received, [])

    def test_a_damaged_file_is_said_and_stops_nothing(self):
        peer = self.domain("dest.test", self.trusted("mx.dest.test"),
                           policy("enforce", "mx.dest.test"))
        (self.relay_.data / "mta-sts.json").write_text("{")
        self.relay_.start().send(sender="")
        eventually(lambda: peer.received, 20)
        self.assertIn("mta_sts_file_unreadable", self.relay_.log())

    def test_off_does_not_look(self):
        peer = self.domain("dest.test", Certificate(["mx.dest.test"]),
                           policy("enforce", "mx.dest.test"))
        self.relay_.settings["delivery"]["mta_sts"] = "off"
        self.relay_.start().send(sender="")
        eventually(lambda: peer.received, 20)
        self.assertFalse([name for name, _ in self.zone.queries if "_mta-sts" in name])

    def test_dane_decides_before_it(self):
        self.begin_signed()
        other = Certificate(["x.test"])
        # The policy would take what DANE does not, and the other way round.
        fails = self.domain("fails.test", self.trusted("mx.fails.test"),
                            policy("enforce", "mx.fails.test"))
        self.zone.set("_25._tcp.mx.fails.test", "TLSA", [other.tlsa(3)])
        own = Certificate(["mx.passes.test"])
        self.domain("passes.test", own, policy("enforce", "mx.other.test"))
        self.zone.set("_25._tcp.mx.passes.test", "TLSA", [own.tlsa(3)])
        # Without a usable record the policy has its say.
        self.domain("left.test", self.trusted("mx.left.test"), policy("enforce", "mx.left.test"))
        self.zone.set("_25._tcp.mx.left.test", "TLSA", [other.tlsa(1)])
        self.relay_.start()
        self.relay_.send(sender="", recipients=["b@fails.test", "b@passes.test", "b@left.test"])
        self.assertEqual(self.delivered("passes.test"), "verified (dane-ee)")
        self.assertEqual(self.delivered("left.test"), "verified (mta-sts)")
        self.assertIn("DANE", self.deferred("fails.test"))
        self.assertEqual(fails.received, [])

    def test_the_command_gives_the_same_verdicts(self):
        server = self.publish("dest.test", policy("enforce", "mx.dest.test", "*.dest.test"))

        def check(mx="mx.dest.test", domain="dest.test"):
            done = self.relay_.run("check", "mta-sts", "--domain", domain, "--mx", mx, "--dns",
                                   f"{support.LOOPBACK}:{self.zone.port}", "--ca", self.store,
                                   "--https-connect", f"{support.LOOPBACK}:{server.port}")
            self.assertEqual(done.returncode, 0, done.stderr)
            found = json.loads(done.stdout)
            return found["mode"], found["match"], found["error"]

        self.assertEqual(check(), ("enforce", True, None))
        self.assertEqual(check("a.dest.test"), ("enforce", True, None))
        self.assertEqual(check("a.b.dest.test"), ("enforce", False, None))
        server.policies["dest.test"] = policy("testing", "mx.dest.test")
        self.assertEqual(check(), ("testing", True, None))
        server.policies["dest.test"] = (302, {}, "")
        mode, match, error = check()
        self.assertEqual((mode, match), (None, None))
        self.assertIn("302", error)
        self.assertIn("TXT", check(domain="nothing.test")[2])


if __name__ == "__main__":
    support.main()
