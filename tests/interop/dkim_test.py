"""Goal: dkimpy and opendkim take our DKIM signatures, dkimpy our ARC seals, and we take theirs.
Method: `ekiden sign` and `ekiden check` against their libraries and tools, keys in a DNS on
loopback; opendkim, which asks the system's resolver, in a network of its own."""
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

import interop
import opendkim
from nameserver import NameServer
from support import BINARY, SLOW

try:
    import dkim
except ImportError:
    dkim = None
try:
    import authres  # what dkimpy seals with
except ImportError:
    authres = None
try:
    import nacl  # dkimpy's Ed25519
except ImportError:
    nacl = None

HERE = pathlib.Path(__file__).resolve().parent
SELECTOR, DOMAIN = "s2026", "example.org"
FORMS = ["relaxed/relaxed", "simple/simple", "relaxed/simple", "simple/relaxed"]

HEADER = (b"Received: from app.example.org (app.example.org [192.0.2.1])\r\n"
          b"\tby relay.example.org with ESMTP id 1; Sun, 22 Nov 2026 06:10:11 +0000\r\n"
          b"From: App  <app@example.org>\r\nTo: <b@example.net>,\r\n c@example.net\r\n"
          b"Subject:  Two  spaces\tand a tab \r\nDate: Sun, 22 Nov 2026 06:10:11 +0000\r\n"
          b"Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n"
          b"Content-Type: text/plain; charset=utf-8\r\n"
          b"List-Unsubscribe: <https://example.org/u>\r\n"
          b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nFeedback-ID: 1:2:example\r\n")
BODIES = {
    "plain": b"Hello.\r\n",
    "empty": b"",
    "lines": b"\r\n\r\n",
    "spaces": b"a  b\t \r\n  indented\r\n \t \r\n\r\n.dot\r\n\r\n \r\n\r\n",
    "eight": "こんにちは\r\nさようなら\r\n".encode(),
    "long": b"".join(b"line %d with some words   in it\r\n" % n for n in range(20000)),
}


def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


class Dkim(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rsa = rsa.generate_private_key(65537, 2048)
        cls.ed = ed25519.Ed25519PrivateKey.generate()
        der = cls.rsa.public_key().public_bytes(serialization.Encoding.DER,
                                                serialization.PublicFormat.SubjectPublicKeyInfo)
        raw = cls.ed.public_key().public_bytes(serialization.Encoding.Raw,
                                               serialization.PublicFormat.Raw)
        cls.records = {
            f"{SELECTOR}._domainkey.{DOMAIN}":
                "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode(),
            f"ed._domainkey.{DOMAIN}": "v=DKIM1; k=ed25519; p=" + base64.b64encode(raw).decode()}

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.place = pathlib.Path(self.folder.name)
        (self.place / "rsa.pem").write_bytes(pem(self.rsa))
        (self.place / "ed.pem").write_bytes(pem(self.ed))
        self.server = NameServer({(name, "TXT"): [self.text(record)]
                                  for name, record in self.records.items()})
        self.addCleanup(self.server.stop)

    @staticmethod
    def text(record):
        return " ".join(f'"{record[at:at + 255]}"' for at in range(0, len(record), 255))

    def dns(self, name, timeout=5):
        """dkimpy's question."""
        return self.records.get(name.decode().rstrip("."), "").encode()

    def sign(self, what, message, *flags, key="rsa.pem", selector=SELECTOR):
        return subprocess.run([BINARY, "sign", what, "--key", self.place / key, "-d", DOMAIN, "-s",
                               selector, *flags], input=message, stdout=subprocess.PIPE,
                              check=True, timeout=60 * SLOW).stdout

    def check(self, what, message):
        file = self.place / "message.eml"
        file.write_bytes(message)
        done = subprocess.run([BINARY, "check", what, "--dns", f"127.0.0.1:{self.server.port}",
                               "--message", file], stdout=subprocess.PIPE, check=True,
                              timeout=60 * SLOW)
        return json.loads(done.stdout)

    def need_dkimpy(self):
        if dkim is None:
            raise unittest.SkipTest("dkimpy is not installed (python3-dkim)")

    def need_nacl(self):
        if nacl is None:
            raise unittest.SkipTest("dkimpy has no Ed25519 here (python3-nacl)")

    def assertPasses(self, message, count=1):
        said = self.check("dkim", message)
        self.assertEqual([s["result"] for s in said["signatures"]], ["pass"] * count, said)

    def test_dkimpy_takes_our_signatures(self):
        self.need_dkimpy()
        for form in FORMS:
            for name, body in BODIES.items():
                with self.subTest(form=form, body=name):
                    signed = self.sign("dkim", HEADER + b"\r\n" + body, "--canon", form, "-t",
                                       "1790000000")
                    self.assertTrue(dkim.verify(signed, dnsfunc=self.dns))
                    self.assertFalse(dkim.verify(signed.replace(b"Two  spaces", b"Tow  spaces"),
                                                 dnsfunc=self.dns))

    def test_dkimpy_takes_ours_of_ed25519(self):
        self.need_dkimpy()
        self.need_nacl()
        for form in FORMS:
            signed = self.sign("dkim", HEADER + b"\r\n" + BODIES["spaces"], "--canon", form,
                               key="ed.pem", selector="ed")
            self.assertTrue(dkim.verify(signed, dnsfunc=self.dns))

    def test_we_take_dkimpys(self):
        self.need_dkimpy()
        for form in FORMS:
            canonicalize = tuple(word.encode() for word in form.split("/"))
            for name, body in BODIES.items():
                with self.subTest(form=form, body=name):
                    message = HEADER + b"\r\n" + body
                    field = dkim.sign(message, SELECTOR.encode(), DOMAIN.encode(), pem(self.rsa),
                                      canonicalize=canonicalize)
                    self.assertPasses(field + message)
                    self.assertEqual(self.check("dkim", field + message + b"more\r\n")
                                     ["signatures"][0]["result"], "fail")

    def test_we_take_dkimpys_of_ed25519(self):
        self.need_dkimpy()
        self.need_nacl()
        seed = self.ed.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw,
                                     serialization.NoEncryption())
        message = HEADER + b"\r\n" + BODIES["spaces"]
        field = dkim.sign(message, b"ed", DOMAIN.encode(), base64.b64encode(seed),
                          signature_algorithm=b"ed25519-sha256")
        self.assertPasses(field + message)
        # Its key files have no PEM around them; we read those too.
        (self.place / "seed").write_bytes(base64.b64encode(seed) + b"\n")
        self.assertPasses(self.sign("dkim", message, key="seed", selector="ed"))

    def test_text_files_of_this_system_stay_what_they_are(self):
        text = (HEADER + b"\r\n" + BODIES["spaces"]).replace(b"\r\n", b"\n")
        signed = self.sign("dkim", text)
        self.assertNotIn(b"\r", signed)
        self.assertTrue(signed.endswith(text))
        self.assertPasses(signed)

    def results(self, name, chain=None):
        arc = f"; arc={chain}" if chain else ""
        return (f"Authentication-Results: {name};\r\n spf=pass smtp.mfrom=a@example.org;\r\n"
                f"\tdkim=pass (2048-bit key) header.i=@example.org; dmarc=pass{arc}\r\n").encode()

    def test_dkimpy_takes_our_seals(self):
        self.need_dkimpy()
        for name, body in BODIES.items():
            message = self.results("list.example.org") + HEADER + b"\r\n" + body
            for hop in range(1, 4):
                with self.subTest(body=name, hop=hop):
                    message = self.sign("arc", message, "--authserv-id", "list.example.org", "-t",
                                        "1790000000", "--dns", f"127.0.0.1:{self.server.port}")
                    cv, _, why = dkim.arc_verify(message, dnsfunc=self.dns)
                    self.assertEqual(cv, dkim.CV_Pass, why)
                    self.assertEqual(self.check("arc", message),
                                     {"cv": "pass", "i": hop, "reason": ""})
        broken = message.replace(b"Two  spaces", b"Tow  spaces")
        marked = self.sign("arc", broken, "--authserv-id", "list.example.org", "--dns",
                           f"127.0.0.1:{self.server.port}")
        self.assertIn(b"cv=fail", marked)
        self.assertNotEqual(dkim.arc_verify(marked, dnsfunc=self.dns)[0], dkim.CV_Pass)

    def need_authres(self):
        self.need_dkimpy()
        if authres is None:
            raise unittest.SkipTest("dkimpy cannot seal here (python3-authres)")

    def seal(self, message, **more):
        return dkim.ARC(message).sign(SELECTOR.encode(), DOMAIN.encode(), pem(self.rsa),
                                      b"list.example.org", **more)

    def test_we_take_dkimpys_seals(self):
        self.need_authres()
        message = HEADER + b"\r\n" + BODIES["plain"]
        for hop in range(1, 4):
            message = self.results("list.example.org", "pass" if hop > 1 else "none") + message
            message = b"".join(self.seal(message)) + \
                message.replace(b"Authentication-Results: list", b"X-Old: list", 1)
            self.assertEqual(self.check("arc", message), {"cv": "pass", "i": hop, "reason": ""})

    def test_what_came_counts_not_what_we_made_of_it(self):
        """A list changes a message behind the results that it wrote, and seals it then."""
        message = HEADER + b"\r\n" + BODIES["plain"]
        at = ("--dns", f"127.0.0.1:{self.server.port}")
        message = self.sign("arc", message, "--authserv-id", "first.example.org", *at)
        changed = self.results("list.example.org", "pass") + message + b"-- \r\na list\r\n"
        self.assertEqual(self.check("arc", changed)["cv"], "fail")
        sealed = self.sign("arc", changed, "--authserv-id", "list.example.org", *at)
        self.assertEqual(self.check("arc", sealed), {"cv": "pass", "i": 2, "reason": ""})
        forged = self.sign("arc", changed, "--authserv-id", "other.example.org", *at)
        self.assertIn(b"cv=fail", forged)

    def test_equal_input_gives_dkimpys_seal(self):
        """Its form for the makers of test suites: tags by name, and nothing of its own taste."""
        self.need_authres()
        message = self.results("list.example.org", "none") + HEADER + b"\r\n" + BODIES["plain"]
        names = "from:to:date:subject:mime-version:arc-authentication-results"
        theirs = self.seal(message, include_headers=names.encode().split(b":"), timestamp=12345,
                           standardize=True)
        ours = self.sign("arc", message, "--authserv-id", "list.example.org", "--headers", names,
                         "-t", "12345")

        def tags(field):
            pieces = b"".join(field.partition(b":")[2].split()).decode().split(";")
            return sorted(piece for piece in pieces if piece)

        own = ours[:len(ours) - len(message)].replace(b"\r\n ", b" ").split(b"\r\n")[:3]
        self.assertEqual([tags(field) for field in own], [tags(field) for field in theirs])

    def test_we_take_opendkims(self):
        for form in FORMS:
            for name, body in BODIES.items():
                with self.subTest(form=form, body=name):
                    field = opendkim.sign(HEADER, body, pem(self.rsa), SELECTOR, DOMAIN, form)
                    self.assertPasses(field + HEADER + b"\r\n" + body)

    def test_rsa_sha1_is_history(self):
        """opendkim-testmsg signs with nothing else (RFC 8301 §3.1)."""
        program = interop.find("opendkim-testmsg", "opendkim-tools")
        signed = subprocess.run([program, "-C", "-d", DOMAIN, "-s", SELECTOR, "-k",
                                 self.place / "rsa.pem", "-t", self.folder.name],
                                input=HEADER + b"\r\n" + BODIES["plain"], stdout=subprocess.PIPE,
                                check=True, timeout=60 * SLOW).stdout
        self.assertIn(b"a=rsa-sha1", signed)
        self.assertEqual(self.check("dkim", signed)["signatures"][0]["result"], "permerror")

    def test_opendkim_takes_ours(self):
        program = interop.find("opendkim-testmsg", "opendkim-tools")
        unshare = interop.find("unshare", "util-linux")
        messages = []
        for form in FORMS:
            for body in BODIES.values():
                signed = self.sign("dkim", HEADER + b"\r\n" + body, "--canon", form)
                messages.append((True, signed))
        messages.append((False, messages[0][1].replace(b"Hello", b"Howdy")))
        for at, (_, message) in enumerate(messages):
            (self.place / f"{at:02}.eml").write_bytes(message)
        (self.place / "records.json").write_text(json.dumps(self.records))
        done = subprocess.run([unshare, "--net", "--mount", "--map-root-user", sys.executable, "-B",
                               HERE / "opendkim_alone.py", program, self.place],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=120 * SLOW, env=dict(os.environ))
        if done.returncode != 0:
            raise unittest.SkipTest("no network of its own for opendkim here: " +
                                    done.stderr.strip()[-200:])
        said = json.loads(done.stdout)
        self.assertEqual([said[f"{at:02}.eml"] for at in range(len(messages))],
                         ["" if good else said[f"{at:02}.eml"]
                          for at, (good, _) in enumerate(messages)])
        self.assertNotEqual(said[f"{len(messages) - 1:02}.eml"], "", "it notices a change")


if __name__ == "__main__":
    interop.main()
