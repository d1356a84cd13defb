"""Goal: recipient domains that ask for it are told what mail to them met of TLS, by mail and by
HTTPS; the others cost nothing; what cannot be handed over is tried again (RFC 8460).
Method: domains with right and wrong certificates and a `_smtp._tls` record, a host that takes mail
for reports, an HTTPS server; a day is ended by `ekiden tls-report send`."""
import datetime
import email
import gzip
import http.server
import json

import support
from authority import Certificate
from nameserver import NameServer
from policyserver import HttpsServer, policy
from support import LOOPBACK, eventually
from transportbed import TransportBed


class ReportServer(HttpsServer):
    """Takes posts of reports over HTTPS, and answers with `status`."""

    def __init__(self, context):
        self.status, self.posts = 201, []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                octets = self.rfile.read(int(self.headers["Content-Length"]))
                server.posts.append((self.path, self.headers["Content-Type"], octets))
                self.send_response(server.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        super().__init__(context, Handler)


class TlsReports(TransportBed):
    def setUp(self):
        super().setUp()
        self.begin(NameServer({}))
        self.relay_.settings["tls_reports"] = {"from": "tls@relay.test", "organization": "Relay",
                                               "contact": "postmaster@relay.test"}
        # One attempt each, so that counts are known.
        self.relay_.settings["retry"]["time_scale"] = 1
        self.posts = ReportServer(self.trusted("reports.rua.test").server_context(
            self.folder, "reports"))
        self.addCleanup(self.posts.stop)
        self.relay_.map_mx("reports.rua.test", self.posts.port, 443)

    def domain(self, domain, certificate, rua=None):
        self.zone.mx(domain, f"mx.{domain}")
        if rua:
            self.zone.set(f"_smtp._tls.{domain}", "TXT", [f'"v=TLSRPTv1; rua={rua}"'])
        return self.host(f"mx.{domain}", certificate)

    def states(self, domain):
        """Of each report on it: what comes after one that was sent early is counted anew."""
        return [item["state"] for item in self.relay_.records("tls-report", "list")
                if item["domain"] == domain]

    def wait_for(self, domain, state):
        eventually(lambda: state in self.states(domain), 20, f"{domain} to be {state}")

    def collect(self, *domains):
        """One message to each, counted and known to want a report."""
        self.relay_.send(sender="", recipients=[f"b@{domain}" for domain in domains])
        for domain in domains:
            eventually(lambda: self.states(domain), 20, f"counting of {domain}")

    def send(self):
        # The scenario may meet midnight.
        today = datetime.datetime.now(datetime.timezone.utc).date()
        for day in (today, today - datetime.timedelta(days=1)):
            self.relay_.cli("tls-report", "send", "--date", day.isoformat())

    def test_a_day_is_told_by_mail_and_by_https(self):
        rua = "mailto:r@rua.test,https://reports.rua.test/v1"
        self.domain("testing.test", Certificate(["mx.testing.test"]), rua)
        self.publish("testing.test", policy("testing", "mx.testing.test"))
        # The reports' own way has every fault; they go all the same.
        reader = self.domain("rua.test", Certificate(["mx.other.test"]))
        self.publish("rua.test", policy("enforce", "mx.elsewhere.test"))
        self.relay_.start()
        key = self.relay_.json("dkim", "keygen", "relay.test")
        text = key["record"]
        self.zone.set(key["record_name"], "TXT",
                      [" ".join(f'"{text[at:at + 255]}"' for at in range(0, len(text), 255))])
        eventually(lambda: self.relay_.json("dkim", "list", "relay.test")["keys"][0]["state"] ==
                   "active", 40, "the key to sign")
        self.collect("testing.test")
        self.assertEqual(self.states("testing.test"), ["collecting"])
        self.assertEqual(self.relay_.metric("ekiden_recipients_generated_total"), 0)

        self.send()
        taken = eventually(lambda: reader.received, 20)[0]
        self.wait_for("testing.test", "sent")
        mail = email.message_from_bytes(taken.data)
        self.assertEqual((taken.sender, taken.addresses), ("tls@relay.test", ["r@rua.test"]))
        self.assertEqual((mail.get_content_type(), mail.get_param("report-type")),
                         ("multipart/report", "tlsrpt"))
        self.assertEqual((mail["TLS-Report-Domain"], mail["TLS-Report-Submitter"],
                          mail["TLS-Required"]), ("testing.test", "relay.test", "No"))
        self.assertIn("d=relay.test", mail["DKIM-Signature"])
        part = mail.get_payload()[1]
        self.assertEqual(part.get_content_type(), "application/tlsrpt+gzip")
        report = json.loads(gzip.decompress(part.get_payload(decode=True)))
        self.assertEqual((report["organization-name"], report["contact-info"]),
                         ("Relay", "postmaster@relay.test"))
        one, = report["policies"]
        self.assertEqual(one["policy"], {
            "policy-type": "sts", "policy-domain": "testing.test", "mx-host": ["mx.testing.test"],
            "policy-string": ["version: STSv1", "mode: testing", "mx: mx.testing.test",
                              "max_age: 604800"]})
        self.assertEqual(one["summary"], {"total-successful-session-count": 0,
                                          "total-failure-session-count": 1})
        failure, = one["failure-details"]
        self.assertEqual((failure["result-type"], failure["receiving-mx-hostname"],
                          failure["receiving-ip"]),
                         ("certificate-not-trusted", "mx.testing.test", LOOPBACK))
        self.assertIn(report["report-id"], mail["Subject"])

        path, kind, octets = eventually(lambda: self.posts.posts)[0]
        self.assertEqual((path, kind), ("/v1", "application/tlsrpt+gzip"))
        self.assertEqual(json.loads(gzip.decompress(octets)), report)
        # Counted like everything that we make, and known to our own reader of reports.
        self.assertEqual(self.relay_.metric("ekiden_recipients_generated_total"), 1)
        file = self.folder / "report.eml"
        file.write_bytes(taken.data)
        self.assertIn("testing.test", self.relay_.cli("parse", "report", file))
        shown = self.relay_.cli("tls-report", "show", "testing.test")
        self.assertIn("certificate-not-trusted", shown)
        self.assertIn("r@rua.test: sent", shown)

    def test_each_kind_of_failure_has_its_name(self):
        rua = "https://reports.rua.test/"
        self.domain("clear.test", None, rua)
        self.domain("expired.test", self.trusted("mx.expired.test", days=(-60, -30)), rua)
        self.publish("expired.test", policy("enforce", "mx.expired.test"))
        self.domain("mismatch.test", self.trusted("mx.other.test"), rua)
        self.publish("mismatch.test", policy("enforce", "mx.mismatch.test"))
        self.domain("web.test", self.trusted("mx.web.test"), rua)
        self.publish("web.test", policy("enforce", "mx.web.test"), web=Certificate(["x.test"]))
        self.domain("good.test", self.trusted("mx.good.test"), rua)
        self.publish("good.test", policy("enforce", "mx.good.test"))
        self.relay_.start()
        domains = ("clear.test", "expired.test", "mismatch.test", "web.test", "good.test")
        self.collect(*domains)
        eventually(lambda: self.relay_.metric("ekiden_recipients_delivered_total") >= 3)
        self.relay_.wait_for_event("b@expired.test", "deferred")
        self.relay_.wait_for_event("b@mismatch.test", "deferred")
        self.send()
        for domain in domains:
            self.wait_for(domain, "sent")
        failures = {}
        for _, _, octets in self.posts.posts:
            report = json.loads(gzip.decompress(octets))
            for one in report["policies"]:
                for failure in one.get("failure-details", []):
                    failures.setdefault(one["policy"]["policy-domain"], set()).add(
                        (one["policy"]["policy-type"], failure["result-type"]))
        self.assertEqual(failures, {
            "clear.test": {("no-policy-found", "starttls-not-supported")},
            "expired.test": {("sts", "certificate-expired")},
            "mismatch.test": {("sts", "certificate-host-mismatch")},
            "web.test": {("sts", "sts-webpki-invalid")}})

    def test_each_fault_of_dane_has_its_name(self):
        settings = {key: self.relay_.settings[key] for key in ("tls_reports", "retry")}
        self.begin_signed()
        self.relay_.settings.update(settings)
        self.relay_.settings["route"] = [{"domains": ["required.test"], "next_hop": "mx",
                                          "tls": "dane"}]
        posts = ReportServer(self.trusted("reports.rua.test").server_context(self.folder, "again"))
        self.addCleanup(posts.stop)
        self.relay_.map_mx("reports.rua.test", posts.port, 443)
        self.zone.set("reports.rua.test", "A", [LOOPBACK])
        own, other = Certificate(["x.test"]), Certificate(["mx.other.test"])
        authority = self.authority.tlsa(2)
        records = {
            "right.test": (own, own.tlsa(3), None),
            "mismatch.test": (own, other.tlsa(3), "tlsa-invalid"),
            "unusable.test": (own, own.tlsa(1), "tlsa-invalid"),
            "clear.test": (None, own.tlsa(3), "starttls-not-supported"),
            "expired.test": (self.trusted("mx.expired.test", days=(-60, -30)), authority,
                             "certificate-expired"),
            "name.test": (self.trusted("mx.other.test"), authority, "certificate-host-mismatch"),
            "bogus.test": (own, own.tlsa(3), "dnssec-invalid"),
            "required.test": (own, None, "dane-required")}
        for name, (certificate, tlsa, _) in records.items():
            self.domain(name, certificate, "https://reports.rua.test/")
            if tlsa:
                self.zone.set(f"_25._tcp.mx.{name}", "TLSA", [tlsa])
        self.zone.unsigned.add("_25._tcp.mx.bogus.test")
        self.relay_.start()
        self.collect(*records)
        for name in records:
            passes = name in ("right.test", "unusable.test")
            self.relay_.wait_for_event(f"b@{name}", "delivered" if passes else "deferred")
        self.send()
        seen = {}
        for name in records:
            self.wait_for(name, "sent")
        for _, _, octets in posts.posts:
            for one in json.loads(gzip.decompress(octets))["policies"]:
                of = one["policy"]["policy-domain"]
                self.assertEqual(one["policy"]["policy-type"], "tlsa", of)
                self.assertEqual(one["policy"]["mx-host"], [f"mx.{of}"])
                results = {f["result-type"] for f in one.get("failure-details", [])}
                seen.setdefault(of, set()).update(results or {None})
        self.assertEqual(seen, {name: {result} for name, (_, _, result) in records.items()})

    def test_counts_and_reports_that_wait_survive_a_restart(self):
        self.domain("dest.test", self.trusted("mx.dest.test"), "https://reports.rua.test/")
        self.domain("quiet.test", self.trusted("mx.quiet.test"))
        self.posts.status = 503
        self.relay_.start()
        self.collect("dest.test", "quiet.test")
        self.wait_for("quiet.test", "unwanted")
        self.relay_.restart()
        self.assertEqual(self.states("dest.test"), ["collecting"])
        self.send()
        eventually(lambda: self.posts.posts, 20)
        eventually(lambda: "503" in self.relay_.cli("tls-report", "show", "dest.test"))
        self.assertEqual(self.states("dest.test"), ["waiting"])
        self.relay_.restart()
        self.posts.status = 201
        self.send()
        self.wait_for("dest.test", "sent")
        self.assertEqual(self.states("quiet.test"), ["unwanted"])

    def test_a_url_is_no_way_into_our_networks(self):
        self.relay_.settings["delivery"]["private_next_hops"] = "refuse"
        self.zone.set("inside.test", "A", [LOOPBACK])
        self.domain("dest.test", self.trusted("mx.dest.test"),
                    f"https://inside.test:{self.posts.port}/")
        self.relay_.start()
        self.collect("dest.test")
        self.send()
        eventually(lambda: "private or reserved" in self.relay_.cli("tls-report", "show",
                                                                    "dest.test"), 20)
        self.assertEqual(self.posts.posts, [])

    def test_without_a_sender_there_are_none(self):
        del self.relay_.settings["tls_reports"]
        self.domain("dest.test", self.trusted("mx.dest.test"), "https://reports.rua.test/")
        self.relay_.start().send(sender="")
        self.delivered("dest.test")
        self.assertIn("tls_reports.from is not set",
                      self.relay_.run("tls-report", "list").stderr)
        self.assertFalse([name for name, _ in self.zone.queries if "_smtp._tls" in name])
        self.relay_.cli("tls-report", "show", "dest.test", status=1)

    def test_bad_questions_are_refused(self):
        self.relay_.start()
        self.relay_.cli("tls-report", "send", "--date", "yesterday", status=2)
        self.relay_.cli("tls-report", "show", "nobody.test", status=1)
        self.assertIn("Nothing is collected", self.relay_.cli("tls-report", "list"))
        self.relay_.settings["tls_reports"]["from"] = "nobody"
        self.relay_.write()
        done = self.relay_.run("config", "check")
        self.assertEqual(done.returncode, 1)
        self.assertIn("takes an address", done.stdout + done.stderr)


if __name__ == "__main__":
    support.main()
