"""Goal: what programs ask SendGrid beside sending, they get here in its words: suppressions, groups,
webhooks, keys, statistics, and X-SMTPAPI over SMTP.
Method: http.client and smtplib against the real relay before a scripted peer;
tests/interop/http_clients_test.py has the npm package."""
import datetime
import json
import smtplib
import time

import support
from httpapi import Client, HttpApi
from receiver import Receiver
from support import eventually, message


def folded(value):
    """In lines that SMTP takes."""
    return "\r\n ".join(value[i:i + 900] for i in range(0, len(value), 900)) or " "


class SendGrid(HttpApi):
    def node(self):
        relay, peer, client = self.relay_with_api()
        peer.on("RCPT", lambda s, line: "550 5.1.1 no such user" if "gone" in line else None)
        return relay, peer, client

    def session(self):
        relay, peer, client = self.node()
        relay.use_tls(self.certificates())
        port = relay.listener("submission", "starttls")
        relay.restart()
        smtp = relay.smtp(port)
        self.addCleanup(smtp.close)
        smtp.starttls()
        smtp.login("apikey", client.key)
        return relay, peer, client, smtp

    def assertError(self, answer, status, field=None):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.json["errors"][0]["field"], field, answer)

    def mail(self, client, to="b@dest.test", **more):
        return client.post("/v3/mail/send", {
            "personalizations": [{"to": [{"email": to}]}], "from": {"email": "a@client.test"},
            "subject": "s", "content": [{"type": "text/plain", "value": "t"}], **more})

    def kinds(self, relay, to):
        return [e["kind"] for e in relay.events(to)]


class Suppressions(SendGrid):
    def test_bounces_are_listed_and_released(self):
        relay, peer, client = self.node()
        self.assertEqual(self.mail(client, "gone@dest.test").status, 202)
        relay.wait_for_event("gone@dest.test", "bounced")
        path = "/v3/suppression/bounces"
        (one,) = eventually(lambda: client.get(path + "?limit=1").json, what="the bounce")
        self.assertEqual((one["email"], one["status"]), ("gone@dest.test", "5.1.1"))
        self.assertIn("no such user", one["reason"])
        self.assertEqual(client.get(path + "/gone@dest.test").json, [one])
        self.assertEqual(client.get(f"{path}?start_time={one['created']}"
                                    f"&end_time={one['created']}").json, [one])
        self.assertEqual(client.get(f"{path}?start_time={one['created'] + 1}").json, [])
        self.assertEqual(client.get(path + "?offset=1").json, [])
        self.assertEqual(client.get("/v3/suppression/blocks").json, [])
        self.assertError(client.get(path + "?limit=many"), 400, "limit")
        self.assertError(client.get(path + "?start_time=x"), 400, "start_time")
        self.assertError(client.ask("DELETE", path, {}), 400, "delete_all")
        self.assertError(client.ask("DELETE", path, {"emails": ["x"]}), 400, "emails")
        self.assertError(client.ask("DELETE", path + "/nobody@dest.test"), 404)
        self.assertEqual(client.ask("DELETE", path + "/gone@dest.test").status, 204)
        self.assertEqual(client.get(path).json, [])
        for name, reason in (("blocks", "soft"), ("spam_reports", "complaint"),
                             ("unsubscribes", "unsubscribe")):
            relay.cli("suppression", "add", f"{name}@dest.test", "x@dest.test", "--reason", reason)
            (one, other) = client.get("/v3/suppression/" + name).json
            self.assertEqual(one["email"], f"{name}@dest.test")
            self.assertEqual(client.ask("DELETE", "/v3/suppression/" + name,
                                        {"emails": ["x@dest.test"]}).status, 204)
            self.assertEqual(client.ask("DELETE", "/v3/suppression/" + name,
                                        {"delete_all": True}).status, 204)
            self.assertEqual(client.get("/v3/suppression/" + name).json, [])
        self.assertEqual(client.get("/v3/suppression/invalid_emails").json, [])
        # Reading is not deleting, and another tenant sees nothing.
        reader = Client(relay.http, self.key(relay, "reader", "--read-only"))
        eventually(lambda: reader.get("/v3/scopes").status == 200)
        self.assertError(reader.ask("DELETE", path, {"delete_all": True}), 403)

    def test_groups_are_streams(self):
        relay, peer, client = self.node()
        made = client.post("/v3/asm/groups", {"name": "News", "description": "monthly",
                                              "is_default": True})
        self.assertEqual(made.status, 201, made)
        group = made.json["id"]
        path = f"/v3/asm/groups/{group}"
        self.assertEqual(self.mail(client, asm={"group_id": group}).status, 202)
        event = relay.wait_for_event("b@dest.test", "delivered")[-1]
        self.assertEqual(event["stream"], f"group-{group}")
        left = client.post(path + "/suppressions", {"recipient_emails": ["C@dest.test"]})
        self.assertEqual((left.status, left.json), (201, {"recipient_emails": ["c@dest.test"]}))
        self.mail(client, "c@dest.test", asm={"group_id": group})
        relay.wait_for_event("c@dest.test", "suppressed")
        self.mail(client, "c@dest.test")
        relay.wait_for_event("c@dest.test", "delivered")
        self.assertEqual(client.get(path + "/suppressions").json, ["c@dest.test"])
        self.assertEqual(client.post(path + "/suppressions/search", {"recipient_emails": [
            "c@dest.test", "d@dest.test"]}).json, ["c@dest.test"])
        self.assertEqual(client.get("/v3/asm/groups").json[0]["unsubscribes"], 1)
        everywhere = client.get("/v3/asm/suppressions").json
        self.assertEqual([(e["email"], e["group_name"]) for e in everywhere],
                         [("c@dest.test", "News")])
        of = client.get("/v3/asm/suppressions/c@dest.test").json["suppressions"]
        self.assertEqual([(g["id"], g["suppressed"]) for g in of], [(group, True)])
        self.assertEqual(client.ask("DELETE", path + "/suppressions/c@dest.test").status, 204)
        self.assertError(client.ask("DELETE", path + "/suppressions/c@dest.test"), 404)
        # From everything.
        self.assertEqual(client.post("/v3/asm/suppressions/global",
                                     {"recipient_emails": ["d@dest.test"]}).status, 201)
        self.assertEqual(client.get("/v3/asm/suppressions/global/d@dest.test").json,
                         {"recipient_email": "d@dest.test"})
        self.assertEqual(client.get("/v3/asm/suppressions/global/e@dest.test").json, {})
        self.mail(client, "d@dest.test", asm={"group_id": group})
        relay.wait_for_event("d@dest.test", "suppressed")
        # Transactional mail is not what anybody unsubscribes from.
        self.mail(client, "d@dest.test")
        relay.wait_for_event("d@dest.test", "delivered")
        self.assertEqual(client.ask("DELETE", "/v3/asm/suppressions/global/d@dest.test").status,
                         204)
        changed = client.ask("PATCH", path, {"name": "Letters"}).json
        self.assertEqual((changed["name"], changed["description"]), ("Letters", "monthly"))
        self.assertError(client.post("/v3/asm/groups", {}), 400, "name")
        self.assertError(client.post("/v3/asm/groups", {"name": 1}), 400, "name")
        self.assertEqual(client.post("/v3/asm/groups", {"name": "Letters"}).status, 409)
        self.assertError(client.post(path + "/suppressions", {"recipient_emails": ["x"]}), 400,
                         "recipient_emails")
        for bad in ({"group_id": "x"}, {"group_id": 0}, {}):
            self.assertError(self.mail(client, asm=bad), 400, "asm.group_id")
        self.assertError(client.get("/v3/asm/groups/99"), 404)
        self.assertEqual(client.ask("DELETE", path).status, 204)
        self.assertEqual(client.get("/v3/asm/groups").json, [])


class Settings(SendGrid):
    def test_event_webhooks(self):
        relay, peer, client = self.node()
        relay.settings["webhooks"] = {"allow_networks": ["127.0.0.0/8"]}
        relay.restart()
        receiver = Receiver()
        self.addCleanup(receiver.stop)
        path = "/v3/user/webhooks/event/settings"
        self.assertFalse(client.get(path).json["enabled"])
        made = client.ask("PATCH", path, {"enabled": True, "url": receiver.url, "delivered": True,
                                          "bounce": True})
        self.assertEqual(made.status, 200, made)
        self.assertEqual([made.json[n] for n in ("enabled", "delivered", "bounce", "open")],
                         [True, True, True, False])
        signed = client.get(path + "/signed").json
        self.assertEqual(len(signed["public_key"]), 124)
        self.assertEqual(client.ask("PATCH", path + "/signed/" + signed["id"], {"enabled": True})
                         .json, signed)
        self.assertError(client.ask("PATCH", path + "/signed", {"enabled": False}), 400, "enabled")
        self.mail(client)
        self.mail(client, "gone@dest.test")
        eventually(lambda: sum(len(p.json) for p in receiver.posts) == 2, what="two events")
        self.assertEqual(sorted(e["event"] for p in receiver.posts for e in p.json),
                         ["bounce", "delivered"])
        self.assertTrue(receiver.posts[0].headers["X-Twilio-Email-Event-Webhook-Signature"])
        self.assertEqual(client.post("/v3/user/webhooks/event/test", {"url": receiver.url}).status,
                         204)
        eventually(lambda: sum(len(p.json) for p in receiver.posts) == 3, what="the test event")
        self.assertError(client.post("/v3/user/webhooks/event/test", {"url": "https://x.test/"}),
                         400, "url")
        second = client.post(path, {"url": receiver.url + "2", "enabled": False, "open": True})
        self.assertEqual((second.status, second.json["enabled"]), (201, False), second)
        both = client.get(path + "/all").json["webhooks"]
        self.assertEqual([w["url"] for w in both], [receiver.url, receiver.url + "2"])
        one = path + "/" + second.json["id"]
        self.assertTrue(client.ask("PATCH", one, {"enabled": True}).json["enabled"])
        self.assertTrue(client.get(one).json["open"])
        self.assertError(client.ask("PATCH", one, {"url": "http://10.0.0.1/"}), 400, "url")
        self.assertError(client.post(path, {}), 400, "url")
        self.assertEqual(client.ask("DELETE", one).status, 204)
        self.assertError(client.get(one), 404)

    def test_scopes_and_keys(self):
        relay, peer, client = self.node()
        self.assertIn("mail.send", client.get("/v3/scopes").json["scopes"])
        made = client.post("/v3/api_keys", {"name": "mailer", "scopes": ["mail.send"]})
        self.assertEqual((made.status, made.json["scopes"]),
                         (201, ["mail.send", "mail.batch.create"]), made)
        mailer = Client(relay.http, made.json["api_key"])
        self.assertEqual(self.mail(mailer).status, 202)
        self.assertError(mailer.get("/v3/api_keys"), 403)
        names = [k["name"] for k in client.get("/v3/api_keys").json["result"]]
        self.assertEqual(names, ["mailer", "shop"])
        self.assertError(client.post("/v3/api_keys", {}), 400, "name")
        self.assertError(client.post("/v3/api_keys", {"name": "x", "scopes": ["fly"]}), 400,
                         "scopes")
        path = "/v3/api_keys/" + made.json["api_key_id"]
        self.assertEqual(client.get(path).json["name"], "mailer")
        self.assertEqual(client.ask("DELETE", path).status, 204)
        self.assertEqual(self.mail(mailer).status, 401)
        self.assertError(client.get(path), 404)

    def test_statistics(self):
        relay, peer, client = self.node()
        self.mail(client, categories=["c1"])
        self.mail(client, "gone@dest.test", categories=["c2"])
        relay.wait_for_event("b@dest.test", "delivered")
        relay.wait_for_event("gone@dest.test", "bounced")
        today = datetime.datetime.now(datetime.timezone.utc).date()
        since = today - datetime.timedelta(days=2)
        days = client.get(f"/v3/stats?start_date={since}").json
        self.assertGreaterEqual(len(days), 3)
        sums = {name: sum(d["stats"][0]["metrics"][name] for d in days)
                for name in ("requests", "delivered", "bounces", "opens")}
        self.assertEqual(sums, {"requests": 2, "delivered": 1, "bounces": 1, "opens": 0})
        weeks = client.get(f"/v3/stats?start_date={since}&aggregated_by=month").json
        self.assertIn(len(weeks), (1, 2))
        kinds = client.get(f"/v3/categories/stats?start_date={since}&categories=c1&categories=c2"
                           ).json
        found = {s["name"]: s["metrics"]["delivered"] for d in kinds for s in d["stats"]
                 if s["metrics"]["requests"]}
        self.assertEqual(found, {"c1": 1, "c2": 0})
        for query, field in (("", "start_date"), ("?start_date=x", "start_date"),
                             (f"?start_date={since}&aggregated_by=year", "aggregated_by"),
                             (f"?start_date={today}&end_date={since}", "end_date")):
            self.assertError(client.get("/v3/stats" + query), 400, field)
        self.assertError(client.get(f"/v3/categories/stats?start_date={since}"), 400, "categories")


class SmtpApi(SendGrid):
    def test_the_header_is_applied_and_removed(self):
        relay, peer, client, smtp = self.session()
        value = json.dumps({"to": ["Ben <ben@dest.test>", "joe@dest.test"],
                             "category": ["one", "二"], "unique_args": {"order": 17},
                             "asm_group_id": 3, "filters": {"clicktrack": {"settings": {}}}},
                            indent=1).replace("\n", "\r\n ")
        body = message(X_SMTPAPI=value)
        self.assertIn(b"X-SMTPAPI", body)
        smtp.sendmail("a@client.test", ["dummy@dest.test"], body)
        eventually(lambda: sum(len(t.addresses) for t in peer.received) == 2, what="the mail")
        self.assertEqual(sorted(a for t in peer.received for a in t.addresses),
                         ["ben@dest.test", "joe@dest.test"])
        self.assertTrue(all(b"smtpapi" not in t.data.lower() for t in peer.received))
        event = relay.wait_for_event("joe@dest.test", "delivered")[-1]
        self.assertEqual((event["stream"], event["tags"]), ("group-3", ["one", "二"]))
        self.assertEqual(relay.events("dummy@dest.test"), [])
        smtp.sendmail("a@client.test", ["later@dest.test"], message(
            X_SMTPAPI=json.dumps({"send_at": int(time.time()) + 3600}), X_Other="kept"))
        self.assertEqual(relay.queue()[0]["recipient"], "later@dest.test")

    def test_nonsense_is_refused_with_its_reason(self):
        relay, peer, client, smtp = self.session()
        for value in ("{", "[]", "", '{"to": "x"}', '{"to": ["nobody"]}', '{"to": [1]}',
                      '{"category": 1}', '{"unique_args": []}', '{"send_at": "soon"}',
                      '{"send_at": 4102444800}', '{"asm_group_id": -1}', '{"sub": {"-name-": "A"}}',
                      '{"to": [' + ",".join(['"a@dest.test"'] * 1001) + "]}", "[" * 5000):
            with self.assertRaises(smtplib.SMTPDataError) as refused:
                smtp.sendmail("a@client.test", ["b@dest.test"],
                              message(X_SMTPAPI=folded(value)))
            self.assertEqual(refused.exception.smtp_code, 554, value[:60])
            self.assertIn(b"X-SMTPAPI", refused.exception.smtp_error)
        self.assertEqual((relay.queue(), peer.received), ([], []))
        self.assertHealthy(relay)

    def test_others_may_write_what_they_like(self):
        relay, peer, client = self.node()
        relay.send(body=message(X_SMTPAPI='{"to": ["x@dest.test"]}'))
        taken = eventually(lambda: peer.received, what="the mail")[0]
        self.assertEqual(taken.addresses, ["b@dest.test"])
        self.assertEqual(taken.header("X-SMTPAPI"), '{"to": ["x@dest.test"]}')


if __name__ == "__main__":
    support.main()
