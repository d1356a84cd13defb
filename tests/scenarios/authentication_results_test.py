"""Goal: mail for our own domains carries what SPF, DKIM and DMARC found, and nobody else's word for it.
Method: an inbound listener, a name server and a scripted next hop; messages signed by `ekiden sign`."""
import base64
import subprocess

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import support
from support import BINARY, SLOW, eventually, message

FIELD = "Authentication-Results:"


class AuthenticationResults(support.Scenario):
    def listen(self, records, **keys):
        self.server = self.dns({
            ("good.test", "TXT"): ['"v=spf1 ip4:127.0.0.1 -all"'],
            ("bad.test", "TXT"): ['"v=spf1 -all"'],
            ("_dmarc.good.test", "TXT"): ['"v=DMARC1; p=reject"'],
            ("_dmarc.bad.test", "TXT"): ['"v=DMARC1; p=reject"'], **records})
        self.peer_ = self.peer()
        self.relay_ = self.relay(self.server)
        self.relay_.settings["inbound_domain"] = [
            {"name": "own.test", "recipients": "any", "next_hop": f"127.0.0.1:{self.peer_.port}"}]
        self.port = self.relay_.listener("inbound", "off",
                                         **{"authentication_results": True, **keys})
        self.relay_.route_to(self.peer_.port)
        self.relay_.start()

    def send(self, sender, octets, port=None, recipient="me@own.test"):
        wire = self.relay_.wire(port or self.port)
        wire.greet()
        octets = octets.removesuffix(b"\r\n")  # which `transaction` adds
        self.assertReply(wire.transaction(sender, [recipient], octets), 250)
        count = len(self.sent) + 1 if hasattr(self, "sent") else 1
        eventually(lambda: len(self.peer_.received) >= count, 30, "delivery")
        self.sent = self.peer_.received[:]
        return self.sent[-1].data.decode("latin-1")

    @staticmethod
    def fields(octets):
        """The Authentication-Results fields, unfolded, in order."""
        header = octets.split("\r\n\r\n", 1)[0].replace("\r\n\t", " ").replace("\r\n ", " ")
        return [line[len(FIELD):].strip() for line in header.split("\r\n")
                if line.lower().startswith(FIELD.lower())]

    @staticmethod
    def mail(author, body="hello\r\n", extra=""):
        return (f"{extra}From: A <a@{author}>\r\nTo: me@own.test\r\nSubject: s\r\n"
                f"Date: Sun, 22 Nov 2026 10:00:00 +0900\r\nMessage-ID: <1@{author}>\r\n\r\n"
                f"{body}").encode()

    def test_which_dmarc_is_chosen_by_the_listener(self):
        # Found by a walk through the DNS; no list calls co.jp an organization.
        self.listen({("_dmarc.co.jp", "TXT"): ['"v=DMARC1; p=reject; psd=n"']})
        old = self.relay_.listener("inbound", "off", authentication_results=True, dmarc="rfc7489")
        self.relay_.reload()
        author = "shop.co.jp"
        newer, = self.fields(self.send("a@bad.test", self.mail(author)))
        self.assertIn("dmarc=fail", newer)
        older, = self.fields(self.send("a@bad.test", self.mail(author), port=old))
        self.assertIn("dmarc=none", older)

    def test_what_passed_and_what_failed(self):
        self.listen({})
        good = self.send("a@good.test", self.mail("good.test"))
        self.assertTrue(good.startswith(FIELD), good)
        field, = self.fields(good)
        self.assertTrue(field.startswith("relay.test;"), field)
        self.assertIn("spf=pass", field)
        self.assertIn("smtp.mailfrom=a@good.test", field)
        self.assertIn("dkim=none", field)
        self.assertIn("dmarc=pass", field)
        self.assertIn("header.from=good.test", field)
        # What fails is said, not refused.
        field, = self.fields(self.send("a@bad.test", self.mail("bad.test")))
        self.assertIn("spf=fail", field)
        self.assertIn("dmarc=fail", field)
        self.assertIn("polrec.p=reject", field)

    def test_nobody_else_speaks_for_us(self):
        self.listen({})
        forged = ("Authentication-Results: relay.test; dmarc=pass header.from=bad.test\r\n"
                  "authentication-results : RELAY.test (x);\r\n\tspf=pass\r\n"
                  "Authentication-Results: other.test; dmarc=pass\r\n")
        fields = self.fields(self.send("a@bad.test", self.mail("bad.test", extra=forged)))
        self.assertEqual(len(fields), 2, fields)
        self.assertIn("dmarc=fail", fields[0])
        self.assertEqual(fields[1], "other.test; dmarc=pass")

    def test_a_dns_that_fails_is_told_and_the_mail_taken(self):
        self.listen({})
        self.server.broken |= {"good.test", "_dmarc.good.test"}
        field, = self.fields(self.send("a@good.test", self.mail("good.test")))
        self.assertIn("spf=temperror", field)
        self.assertIn("dmarc=temperror", field)

    def test_the_null_reverse_path_is_judged_by_the_name_in_ehlo(self):
        self.listen({})
        field, = self.fields(self.send("", self.mail("good.test")))
        self.assertIn("smtp.helo=", field)

    def signed(self, octets):
        key = rsa.generate_private_key(65537, 2048)
        file = self.folder / "key.pem"
        file.write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))
        public = base64.b64encode(key.public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo)).decode()
        pieces = " ".join(f'"{public[i:i + 200]}"' for i in range(0, len(public), 200))
        self.server.set("s1._domainkey.bad.test", "TXT", [f'"v=DKIM1; p=" {pieces}'])
        done = subprocess.run([BINARY, "sign", "dkim", "--key", file, "-d", "bad.test", "-s", "s1"],
                              input=octets, stdout=subprocess.PIPE, check=True, timeout=30 * SLOW)
        return done.stdout

    def test_a_signature_is_verified(self):
        self.listen({})
        field, = self.fields(self.send("a@bad.test", self.signed(self.mail("bad.test"))))
        self.assertIn("spf=fail", field)
        self.assertIn("dkim=pass", field)
        self.assertIn("header.d=bad.test", field)
        self.assertIn("dmarc=pass", field)
        broken = self.signed(self.mail("bad.test")).replace(b"hello", b"hallo")
        field, = self.fields(self.send("a@bad.test", broken))
        self.assertIn("dkim=fail", field)
        self.assertIn("dmarc=fail", field)

    def test_a_large_message_is_verified_too(self):
        self.listen({})
        body = "".join(f"{i:070}\r\n" for i in range(50_000))
        octets = self.signed(self.mail("bad.test", body))
        came = self.send("a@bad.test", octets)
        self.assertIn("dkim=pass", self.fields(came)[0])
        self.assertTrue(came.startswith(FIELD))
        self.assertTrue(came.endswith(octets.decode()), "and nothing of it is changed")

    def test_it_can_be_switched_off(self):
        self.listen({}, authentication_results=False)
        forged = "Authentication-Results: relay.test; spf=pass\r\n"
        came = self.send("a@good.test", self.mail("good.test", extra=forged))
        self.assertEqual(self.fields(came), ["relay.test; spf=pass"])
        self.assertNotIn(("good.test", "TXT"), self.server.queries)

    def test_own_clients_mail_waits_for_no_dns(self):
        self.listen({})
        self.server.silent.add("good.test")
        came = self.send("a@good.test", message(), self.relay_.port, "b@dest.test")
        self.assertEqual(self.fields(came), [])
        self.assertNotIn(("good.test", "TXT"), self.server.queries)

    def test_the_key_is_refused_where_it_does_nothing(self):
        self.listen({})
        self.relay_.settings["listener"][0]["authentication_results"] = True
        self.relay_.write()
        checked = self.relay_.run("config", "check")
        self.assertEqual(checked.returncode, 1)
        self.assertIn("listener.authentication_results has no effect",
                      checked.stdout + checked.stderr)


if __name__ == "__main__":
    support.main()
