"""Goal: `ekiden check spf|dmarc|orgdomain` and `parse` answer as documented, one object each.
Method: the real binary, a name server on loopback, flags and --jsonl; no relay."""
import json
import os
import pathlib
import subprocess
import tempfile

import support
from nameserver import NameServer
from support import BINARY, LOOPBACK, SLOW, free_port

RECORDS = {
    ("example.test", "TXT"): ['"v=spf1 mx include:spf.other.test -all exp=why.%{d}"'],
    ("example.test", "MX"): ["10 mx.example.test."],
    ("mx.example.test", "A"): ["192.0.2.1"],
    ("spf.other.test", "TXT"): ['"v=spf1 ip4:203.0.113.0/24 -all"'],
    ("why.example.test", "TXT"): ['"%{i} may not send as %{s}"'],
    ("mx.example.test", "TXT"): ['"v=spf1 a -all"'],
    ("_dmarc.example.test", "TXT"): ['"v=DMARC1; p=reject; sp=quarantine; pct=40"'],
    ("news.example.test", "A"): ["192.0.2.1"],
}

MESSAGE = b"From: News <news@example.test>\r\nTo: b@dest.test\r\nSubject: s\r\n\r\nhello\r\n"


class CheckCommands(support.Scenario):
    def setUp(self):
        super().setUp()
        self.server = NameServer(RECORDS)
        self.addCleanup(self.server.stop)
        self.dns = ["--dns", f"{LOOPBACK}:{self.server.port}"]

    def run_command(self, *arguments, stdin=b"", status=0):
        done = subprocess.run([BINARY, *arguments], input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60 * SLOW)
        self.assertEqual(done.returncode, status, done)
        return done

    def run_check(self, *arguments, **more):
        return self.run_command("check", *arguments, **more)

    def answer(self, *arguments, **more):
        return json.loads(self.run_check(*arguments, *self.dns, **more).stdout)

    def file(self, octets):
        handle, path = tempfile.mkstemp()
        os.write(handle, octets)
        os.close(handle)
        self.addCleanup(os.unlink, path)
        return path

    def test_spf_by_flags(self):
        who = ["--from", "news@example.test", "--helo", "mx.example.test"]
        self.assertEqual(self.answer("spf", "--ip", "192.0.2.1", *who), {
            "result": "pass", "explanation": "", "domain": "example.test", "identity": "mailfrom",
            "mechanism": "mx", "lookups": 1, "void_lookups": 0})
        self.assertEqual(self.answer("spf", "--ip", "203.0.113.9", *who)["mechanism"],
                         "include:spf.other.test")
        failed = self.answer("spf", "--ip", "198.51.100.7", *who)
        self.assertEqual(failed["result"], "fail")
        self.assertEqual(failed["explanation"], "198.51.100.7 may not send as news@example.test")
        self.assertEqual(failed["lookups"], 2)

    def test_spf_of_the_null_reverse_path(self):
        answer = self.answer("spf", "--ip", "192.0.2.9", "--from", "", "--helo", "mx.example.test",
                             "--default-explanation", "not ours")
        self.assertEqual((answer["result"], answer["identity"], answer["domain"]),
                         ("fail", "helo", "mx.example.test"))
        self.assertEqual(answer["explanation"], "not ours")

    def test_a_server_that_is_not_there_is_temporary(self):
        answer = json.loads(self.run_check(
            "spf", "--ip", "192.0.2.1", "--from", "a@example.test", "--helo", "x",
            "--dns", f"{LOOPBACK}:{free_port()}").stdout)
        self.assertEqual(answer["result"], "temperror")
        self.assertIn("DNS: example.test", answer["problem"])

    def test_dmarc_by_flags(self):
        answer = self.answer("dmarc", "--header-from", "example.test",
                             "--spf", "pass:bounce.example.test", "--dkim", "fail:example.test")
        self.assertEqual(answer, {
            "result": "pass", "policy": "reject", "applied": "none", "header_from": "example.test",
            "record_domain": "example.test", "org_domain": "example.test", "spf_aligned": True,
            "dkim_aligned": False})
        answer = self.answer("dmarc", "--header-from", "news.example.test", "--dkim",
                             "pass:other.test", "--dkim", "fail:example.test")
        self.assertEqual((answer["result"], answer["policy"], answer["applied"]),
                         ("fail", "quarantine", "quarantine"))
        answer = self.answer("dmarc", "--header-from", "a.example.test", "--mode", "rfc7489",
                             "--sample", "40")
        self.assertEqual((answer["policy"], answer["applied"]), ("quarantine", "none"))
        self.assertIsNone(self.answer("dmarc", "--header-from", "other.test")["policy"])

    def test_dmarc_of_a_message(self):
        who = ["--from", "a@example.test", "--helo", "mx.example.test"]
        file = self.file(MESSAGE)
        answer = self.answer("dmarc", "--message", file, "--ip", "192.0.2.1", *who)
        self.assertEqual((answer["result"], answer["spf_aligned"]), ("pass", True))
        self.assertEqual(answer["spf"], {"result": "pass", "domain": "example.test"})
        answer = self.answer("dmarc", "--message", file, "--ip", "198.51.100.7", *who)
        self.assertEqual((answer["result"], answer["applied"]), ("fail", "reject"))
        # Two authors never pass, though SPF would do for one.
        forged = self.file(b"From: a@bank.test\r\n" + MESSAGE)
        answer = self.answer("dmarc", "--message", forged, "--ip", "192.0.2.1", *who)
        self.assertEqual(answer["result"], "permerror")
        answer = self.answer("dmarc", "--message", "-", "--ip", "192.0.2.1", *who, stdin=MESSAGE)
        self.assertEqual(answer["result"], "pass")

    def test_a_message_saved_with_lf_counts_the_same(self):
        file = self.file(MESSAGE.replace(b"\r\n", b"\n"))
        answer = self.answer("dmarc", "--message", file, "--ip", "192.0.2.1", "--from",
                             "a@example.test", "--helo", "mx.example.test")
        self.assertEqual(answer["result"], "pass")

    def parse(self, *arguments, **more):
        return json.loads(self.run_command("parse", *arguments, **more).stdout)

    def test_addresses_as_smtp_has_them(self):
        self.assertEqual(self.parse("address", "<a..b@Docomo.NE.jp>"), {
            "valid": True, "address": "a..b@Docomo.NE.jp", "local": "a..b", "domain":
            "Docomo.NE.jp", "canonical_domain": "docomo.ne.jp", "literal": False, "strict": False,
            "needs_smtputf8": False, "source_route": False})
        self.assertEqual(self.parse("address", "a@例え.jp")["canonical_domain"], "xn--r8jz45g.jp")
        self.assertEqual(self.parse("address", "<>"), {"valid": True, "address": "", "null": True})
        self.assertTrue(self.parse("address", "<@a.test,@b.test:c@d.test>")["source_route"])
        for bad in ("a", "a@", "<a@b.test> x", "<a@b.test", "a b@c.test", "a@b..test"):
            self.assertEqual(self.parse("address", bad), {"valid": False}, bad)

    def test_addresses_as_headers_have_them(self):
        answer = self.parse("address", "--mode", "header", "A (c) <a@x.test>, \"b, c\" <b@y.test>")
        self.assertEqual(answer["count"], 2)
        self.assertEqual([a["address"] for a in answer["addresses"]], ["a@x.test", "b@y.test"])

    def test_the_tree_of_a_message(self):
        file = self.file(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b\r\n"
                         b"Content-Type: image/png; name=x.png\r\nContent-Disposition: attachment\r\n"
                         b"Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n")
        tree = self.parse("message", file)
        self.assertEqual(tree["type"], "multipart/mixed")
        self.assertEqual([p["type"] for p in tree["parts"]], ["text/plain", "image/png"])
        self.assertEqual([p["size"] for p in tree["parts"]], [2, 4])
        image = tree["parts"][1]
        self.assertEqual((image["name"], image["disposition"], image["encoding"]),
                         ("x.png", "attachment", "base64"))
        self.assertEqual(self.parse("message", "-", stdin=b"\xff: \0\n\n")["parts"], [])
        self.run_command("parse", "message", "/nonexistent", status=3)
        self.run_command("parse", "address", "--mode", "x", "y", status=2)

    def test_organizational_domains(self):
        self.assertEqual(self.answer("orgdomain", "www.example.co.jp"), {"org": "example.co.jp"})
        self.assertEqual(self.answer("orgdomain", "co.jp"), {"org": None})
        self.assertEqual(self.answer("orgdomain", "a.news.example.test", "--mode", "rfc9989"),
                         {"org": "example.test"})
        rules = self.file("*.test\n".encode())
        self.assertEqual(self.answer("orgdomain", "a.news.example.test", "--psl", rules),
                         {"org": "news.example.test"})

    def test_many_requests_are_answered_in_order(self):
        requests = [{"ip": f"192.0.2.{i % 2 + 1}", "from": "a@example.test", "helo": "x", "id": i}
                    for i in range(100)]
        lines = "".join(json.dumps(r) + "\n" for r in requests).encode()
        done = self.run_check("spf", "--jsonl", *self.dns, stdin=lines)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([a["id"] for a in answers], list(range(100)))
        self.assertEqual([a["result"] for a in answers], ["pass", "fail"] * 50)

    def test_lines_that_are_no_request(self):
        lines = [b"{", b"[]", b'{"ip": "192.0.2.1"}', b'{"ip": "192.0.2", "from": "", "helo": "x"}',
                 b'{"hello": 1, "id": 7}', b'{"helo": "' + b"x" * (1 << 20) + b'"}', b"",
                 b'{"ip": "192.0.2.1", "from": "a@example.test", "default_explanation": "x"}']
        done = self.run_check("spf", "--jsonl", *self.dns, stdin=b"\n".join(lines), status=2)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(answers), 7)
        self.assertEqual(["error" in a for a in answers], [True] * 6 + [False])
        self.assertEqual(answers[4]["id"], 7)
        self.assertEqual(answers[6]["result"], "pass")

    def test_wrong_usage(self):
        for arguments in (["spf"], ["spf", "--ip", "x", "--from", ""], ["spf", "--ip"], ["dkym"],
                          ["spf", "--ip", "192.0.2.1", "--from", "a@b.test", "--dns", "x"],
                          ["spf", "--ip", "192.0.2.1", "--from", "a@b.test", "--now", "x"],
                          ["dmarc"], ["dmarc", "--header-from", "x.test", "--mode", "rfc1"],
                          ["dmarc", "--header-from", "x.test", "--spf", "good:x.test"], []):
            done = self.run_check(*arguments, status=2)
            self.assertTrue(done.stderr or done.stdout, arguments)
        self.run_check("dmarc", "--message", "/nonexistent", status=3)
        self.run_check("orgdomain", "x.test", "--psl", "/nonexistent", status=3)
        help_text = self.run_check("spf", "--help").stdout.decode()
        self.assertIn("--dns", help_text)
        self.assertIn("the system's resolver", " ".join(help_text.split()))

    def test_the_settings_name_the_resolver(self):
        folder = pathlib.Path(self.file(b"")).with_suffix(".d")
        folder.mkdir()
        self.addCleanup(folder.rmdir)
        config = self.file((
            f'[node]\nhostname = "relay.test"\ndata_dir = "{folder}"\n'
            f'[dns]\nmode = "forward"\nforward = ["{LOOPBACK}:{self.server.port}"]\n'
            'dnssec = "off"\n[[listener]]\naddress = "127.0.0.1:2525"\nservice = "relay"\n'
            'tls = "off"\ntrusted_networks = ["127.0.0.0/8"]\n').encode())
        flags = ["spf", "--ip", "192.0.2.1", "--from", "a@example.test", "--helo", "x", "--config"]
        self.assertEqual(json.loads(self.run_check(*flags, config).stdout)["result"], "pass")
        broken = self.file(b"[node\n")
        self.run_check(*flags, broken, status=1)


if __name__ == "__main__":
    support.main()
