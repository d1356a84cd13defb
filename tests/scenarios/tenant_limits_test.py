"""Goal: tenants and users send what they may, and are told clearly when that is reached.
Method: limits set while the relay runs; replies; a restart and a kill; streams and domains."""
import smtplib

import support
from support import LOOPBACK, eventually, message


class TenantLimits(support.Scenario):
    def submission(self):
        peer = self.peer()
        relay = self.relay()
        relay.settings["passwords"] = {"memory": "8MiB", "iterations": 1}
        relay.use_tls(self.certificates())
        relay.submission = relay.listener("submission", "starttls")
        relay.route_to(peer.port)
        relay.start()
        relay.cli("tenant", "add", "shop")
        relay.keys = {}
        for name in ("one", "two"):
            relay.keys[name] = relay.json("user", "add", name, "--api-key", "--tenant", "shop")[
                "api_key"]
        return relay, peer

    def client(self, relay, name="one"):
        client = smtplib.SMTP(LOOPBACK, relay.submission, timeout=20)
        self.addCleanup(client.close)
        client.starttls()
        client.login(name, relay.keys[name])
        return client

    def send(self, client, recipients=("b@dest.test",), body=None, sender="a@client.test"):
        """The code and words of the reply that decided."""
        try:
            client.sendmail(sender, list(recipients), body or message())
            return 250, ""
        except smtplib.SMTPResponseException as error:
            return error.smtp_code, error.smtp_error.decode()

    def test_a_quota_of_the_tenant_counts_for_all_its_users_and_every_recipient(self):
        relay, _ = self.submission()
        relay.cli("tenant", "set", "shop", "--messages-per-day", "4")
        one, two = self.client(relay, "one"), self.client(relay, "two")
        self.assertEqual(self.send(one, ["a@x.test", "b@x.test"])[0], 250)
        code, words = self.send(two, ["a@x.test", "b@x.test", "c@x.test"])
        self.assertEqual(code, 452, words)
        self.assertIn("4.7.1", words)
        self.assertIn("4 messages a day", words)
        self.assertEqual(self.send(two, ["a@x.test", "b@x.test"])[0], 250)
        self.assertEqual(self.send(one)[0], 452)
        eventually(lambda: relay.json("tenant", "show", "shop")["sent_today"] == 4)
        relay.cli("tenant", "set", "shop", "--messages-per-day", "off")
        self.assertEqual(self.send(one)[0], 250)

    def test_what_was_sent_is_known_after_a_restart(self):
        relay, _ = self.submission()
        relay.cli("tenant", "set", "shop", "--messages-per-month", "3")
        self.assertEqual(self.send(self.client(relay), ["a@x.test", "b@x.test"])[0], 250)
        relay.restart()
        self.assertEqual(self.send(self.client(relay), ["a@x.test", "b@x.test"])[0], 452)
        self.assertEqual(self.send(self.client(relay))[0], 250)
        eventually(lambda: relay.json("tenant", "show", "shop")["sent_this_month"] == 3)
        relay.kill()
        relay.start()
        code, words = self.send(self.client(relay))
        self.assertEqual(code, 452)
        self.assertIn("3 messages a month", words)

    def test_a_rate_refuses_what_comes_too_fast_and_each_user_has_its_own(self):
        relay, _ = self.submission()
        relay.cli("tenant", "set", "shop", "--user-rate", "2/h")
        one = self.client(relay, "one")
        self.assertEqual([self.send(one)[0] for _ in range(2)], [250, 250])
        code, words = self.send(one)
        self.assertEqual(code, 450)
        self.assertIn("2 messages in 1h", words)
        self.assertEqual(self.send(self.client(relay, "two"))[0], 250)
        relay.cli("user", "limit", "one", "--rate", "off")
        self.assertEqual(self.send(one)[0], 250)
        relay.cli("user", "limit", "one", "--reset")
        self.assertEqual(self.send(one)[0], 450)

    def test_refused_messages_are_not_counted(self):
        relay, _ = self.submission()
        relay.cli("tenant", "set", "shop", "--messages-per-day", "1", "--sender-domain",
                  "client.test")
        client = self.client(relay)
        self.assertEqual(self.send(client, sender="a@other.test")[0], 553)
        self.assertEqual(self.send(client, body=message(From="a@other.test"))[0], 553)
        self.assertEqual(self.send(client)[0], 250)
        self.assertEqual(self.send(client)[0], 452)

    def test_streams_that_a_tenant_does_not_have_are_refused(self):
        relay, _ = self.submission()
        client = self.client(relay)
        self.assertEqual(self.send(client, body=message(X_Ekiden_Stream="any"))[0], 250)
        relay.cli("tenant", "set", "shop", "--stream", "news:bulk:5", "--stream",
                  "receipts:transactional")
        code, words = self.send(client, body=message(X_Ekiden_Stream="nwes"))
        self.assertEqual(code, 550)
        self.assertIn("5.7.1", words)
        self.assertEqual(self.send(client, body=message(X_Ekiden_Stream="news"))[0], 250)
        shown = relay.json("tenant", "show", "shop")
        self.assertEqual([s["name"] for s in shown["streams"]], ["news", "receipts"])

    def test_only_domains_that_are_proven_may_send_where_that_is_required(self):
        dns = self.dns({})
        relay, _ = self.submission()
        server = f"{LOOPBACK}:{dns.port}"
        relay.cli("tenant", "set", "shop", "--proven-domains", "required")
        client = self.client(relay)
        mail = {"sender": "a@client.test"}
        self.assertEqual(self.send(client, **mail)[0], 553)
        added = relay.json("domain", "add", "client.test", "--tenant", "shop", "--dns", server)
        self.assertFalse(added["proven"])
        proof = added["records"][0]
        self.assertEqual(proof["state"], "missing")
        relay.cli("domain", "verify", "client.test", "--tenant", "shop", "--dns", server, status=1)
        self.assertEqual(self.send(client, **mail)[0], 553)
        dns.set(proof["name"], "TXT", [f'"{proof["value"]}"'])
        verified = relay.json("domain", "verify", "client.test", "--tenant", "shop", "--dns",
                              server)
        self.assertTrue(verified["proven"])
        self.assertEqual(verified["proof"], "txt")
        self.assertEqual(self.send(client, **mail)[0], 250)
        # A server that is silent takes nothing away; one that says no does.
        relay.cli("domain", "verify", "client.test", "--tenant", "shop", "--dns",
                  f"{LOOPBACK}:{support.free_port()}", status=3)
        self.assertEqual(self.send(client, **mail)[0], 250)
        relay.cli("domain", "remove", "client.test", "--tenant", "shop")
        self.assertEqual(self.send(client, **mail)[0], 553)

    def test_every_change_is_in_the_audit_log_and_tampering_shows(self):
        import sqlite3
        relay, _ = self.submission()
        relay.cli("tenant", "set", "shop", "--rate", "10/min")
        relay.cli("suppression", "add", "x@dest.test", "--tenant", "shop")
        entries = relay.records("audit", "list")
        self.assertEqual([e["action"] for e in entries[:2]], ["suppression.add", "tenant.set"])
        self.assertIn("rate_count", entries[1]["after"])
        self.assertEqual(entries[1]["before"], "{}")
        head = relay.json("audit", "verify")["head"]
        self.assertTrue(relay.json("audit", "verify", "--head", head)["intact"])
        with sqlite3.connect(relay.data / "control.db") as database:
            database.execute("UPDATE audit SET author='nobody' WHERE action='tenant.set'")
        done = relay.run("audit", "verify", "--json")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(support.json.loads(done.stdout)["broken_at"], entries[1]["id"])
        relay.cli("audit", "verify", "--head", "0" * 64, status=1)

    def test_nonsense_is_refused_and_changes_nothing(self):
        relay, _ = self.submission()
        before = relay.json("tenant", "show", "shop")
        for flags in (("--rate", "fast"), ("--messages-per-day", "-1"), ("--stream", "No Name"),
                      ("--stream", "a:b"), ("--sender-domain", "a b"), ("--proven-domains", "x"),
                      ("--soft-failures", "many"), ("--suppress-for", "1s")):
            relay.cli("tenant", "set", "shop", *flags, status=2)
        relay.cli("tenant", "set", "nobody", "--rate", "1/s", status=1)
        relay.cli("tenant", "remove", "shop", status=1)
        relay.cli("user", "limit", "nobody", "--rate", "1/s", status=1)
        self.assertEqual(relay.json("tenant", "show", "shop"), before)
        relay.cli("user", "remove", "one")
        relay.cli("user", "remove", "two")
        relay.cli("tenant", "remove", "shop")


if __name__ == "__main__":
    support.main()
