"""Goal: `ekiden doctor egress` says of each source whether mail can leave from it and would be
believed, what to do, in both languages, and exits 1 where there is something to do.
Method: a name server, sinks and a silent port on loopback; with a node running and without."""
import json
import socket

import support

GOOD = {("mail1.relay.test", "A"): ["203.0.113.11"],
        ("mail1.relay.test", "TXT"): ['"v=spf1 a -all"'],
        ("11.113.0.203.in-addr.arpa", "PTR"): ["mail1.relay.test."],
        ("shop.test", "TXT"): ['"v=spf1 ip4:203.0.113.11 -all"']}


class DoctorEgress(support.Scenario):
    def setUp(self):
        super().setUp()
        self.dns_ = self.dns(GOOD)
        self.relay_ = self.relay()
        self.peer_ = self.peer()
        self.source = {"name": "mail1", "ipv4": "127.0.0.11", "public_ipv4": "203.0.113.11",
                       "hostname": "mail1.relay.test"}
        self.relay_.settings["source"] = [self.source]

    def ask(self, *flags, status=0, probe=None, domain="shop.test"):
        self.relay_.write()
        arguments = ["doctor", "egress", "--dns", f"127.0.0.1:{self.dns_.port}", "--timeout", 2,
                     "--probe", probe or f"127.0.0.1:{self.peer_.port}", "--json", *flags]
        if domain:
            arguments += ["--domain", domain]
        done = self.relay_.run(*arguments, timeout=60)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        answer = json.loads(done.stdout)
        self.assertEqual(answer["ok"], status == 0)
        return answer["findings"]

    def of(self, findings, check, severity):
        return [f for f in findings if f["check"] == check and f["severity"] == severity]

    def test_a_source_that_is_right_has_nothing_to_do(self):
        findings = self.ask()
        self.assertEqual({f["severity"] for f in findings}, {"ok"})
        self.assertEqual({f["check"] for f in findings},
                         {"address", "ehlo_name", "port", "ptr", "spf", "spf_helo"})
        self.assertEqual(self.peer_.sessions[0].client, "127.0.0.11")
        self.assertEqual(self.peer_.commands(), ["QUIT"])
        self.assertEqual(self.peer_.received, [])

    def test_a_running_node_is_not_disturbed_and_its_proven_domains_are_checked(self):
        self.relay_.start()
        findings = self.ask(domain=None)
        self.assertEqual(self.of(findings, "spf", "ok"), [], "none is proven")
        self.relay_.cli("domain", "add", "shop.test")
        token = next(r["value"] for r in self.relay_.json("domain", "add", "other.test")["records"]
                     if r["name"] == "_ekiden.other.test")
        self.dns_.set("_ekiden.other.test", "TXT", [f'"{token}"'])
        self.relay_.run("domain", "verify", "other.test", "--dns", f"127.0.0.1:{self.dns_.port}")
        findings = self.ask(domain=None, status=1)
        self.assertEqual([f["subject"] for f in self.of(findings, "spf", "error")], ["other.test"])

    def test_what_is_wrong_is_named_with_what_to_do(self):
        cases = (
            ("ptr", "error", lambda: self.dns_.records.pop(("11.113.0.203.in-addr.arpa", "PTR")),
             "has no PTR record"),
            ("ptr", "warning", lambda: self.dns_.set("11.113.0.203.in-addr.arpa", "PTR",
                                                     ["host11.isp.test."]), "host11.isp.test"),
            ("ptr", "error", lambda: self.dns_.set("mail1.relay.test", "A", ["203.0.113.12"]),
             "does not have that address"),
            ("ptr", "warning", lambda: self.dns_.broken.add("11.113.0.203.in-addr.arpa"),
             "not known"),
            ("ehlo_name", "error", lambda: self.dns_.records.pop(("mail1.relay.test", "A")),
             "does not resolve"),
            ("spf", "error", lambda: self.dns_.set("shop.test", "TXT", ['"v=spf1 mx -all"']),
             "does not cover 203.0.113.11: fail"),
            ("spf", "warning", lambda: self.dns_.set("shop.test", "TXT", ['"v=spf1 ~all"']),
             "softfail"),
            ("spf", "error", lambda: self.dns_.set("shop.test", "TXT", ['"v=spf1 ipv4:x"']),
             "is broken"),
            ("spf", "error", lambda: self.dns_.set("shop.test", "TXT", ['"other"']),
             "has no SPF record"),
            ("spf_helo", "warning", lambda: self.dns_.set("mail1.relay.test", "TXT",
                                                          ['"v=spf1 -all"']), "says fail"))
        for check, severity, spoil, said in cases:
            with self.subTest(said=said):
                self.dns_.broken.clear()
                for key, values in GOOD.items():
                    self.dns_.set(*key, values)
                spoil()
                found = self.of(self.ask(status=1), check, severity)
                self.assertTrue(found, (check, severity))
                self.assertIn(said, found[0]["text"])
                for key in ("fix", "fix_ja", "text_ja"):
                    self.assertTrue(found[0][key], key)

    def test_port_25(self):
        # A backlog that is full: SYNs are dropped, as a provider that blocks port 25 does.
        with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:
            port = silent.getsockname()[1]
            fillers = []
            for _ in range(8):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
                fillers.append(one)
            findings = self.ask(status=1, probe=f"127.0.0.1:{port}")
            for one in fillers:
                one.close()
        self.assertIn("OP25B", self.of(findings, "port", "error")[-1]["text"])
        findings = self.ask(status=1, probe=f"127.0.0.1:{support.free_port()}")
        self.assertIn("connection refused", self.of(findings, "port", "error")[-1]["text"])
        self.peer_.on("CONNECT", "554 5.7.1 your address is listed")
        findings = self.ask(status=1)
        self.assertIn("your address is listed", self.of(findings, "port", "warning")[0]["text"])

    def test_addresses_and_proxies(self):
        self.source["ipv4"] = "192.0.2.77"
        findings = self.ask(status=1)
        self.assertIn("not an address of this machine",
                      self.of(findings, "address", "error")[0]["text"])
        self.source["socks5"] = f"127.0.0.1:{support.free_port()}"
        findings = self.ask(status=1)
        self.assertIn("SOCKS5 proxy", self.of(findings, "port", "error")[0]["text"])
        self.relay_.settings["source"] = []
        self.relay_.settings["node"]["hostname"] = "mail1.relay.test"
        findings = self.ask()
        self.assertIn("no address of its own", str(findings))

    def test_japanese_and_usage(self):
        self.relay_.write()
        out = self.relay_.cli("doctor", "egress", "--dns", f"127.0.0.1:{self.dns_.port}",
                              "--probe", f"127.0.0.1:{self.peer_.port}", "--domain", "none.test",
                              "--lang", "ja", status=1)
        self.assertIn("対処:", out)
        self.assertIn("none.test に SPF がありません", out)
        self.relay_.cli("doctor", "egress", "--probe", "a b", "--domain", "shop.test", status=2)
        self.relay_.cli("doctor", "egress", "--source", "nobody", status=2)
        self.relay_.cli("doctor", "egress", "--domain", "..", status=2)


if __name__ == "__main__":
    support.main()
