"""Goal: what belongs to another tenant answers exactly as what there is not, on every path with an
id, and nothing of it changes.
Method: each path is asked twice by a stranger's key, with an id of the shop's and with one that
nobody has; both answers are compared to the octet, but for the id itself."""
import time

import support
from httpapi import Client, HttpApi
from receiver import Receiver
from support import eventually

CONTENT = {"from": "news@client.test", "subject": "s", "text": "t"}
BE = "/api/v1/deliveries"


class Strangers(HttpApi):
    def node(self):
        self.peer_, self.names = self.peer(), self.dns({})
        relay = self.relay(dns=self.names)
        relay.settings["http"][0]["services"] = ["api", "metrics"]
        relay.settings["webhooks"] = {"allow_networks": ["127.0.0.0/8"]}
        relay.route_to(self.peer_.port)
        relay.write()
        for tenant in ("shop", "other"):
            relay.cli("tenant", "add", tenant)
        keys = [self.key(relay, name, "--tenant", name) for name in ("shop", "other")]
        relay.start()
        return relay, *(Client(relay.http, key) for key in keys)

    def told(self, answer, id_):
        """But for the id, and what its length does to another."""
        headers = sorted((k, v) for k, v in answer.headers.items() if k != "Content-Length")
        return answer.status, headers, answer.body.replace(str(id_).encode(), b"ID")

    def compare(self, stranger, method, path, theirs, nobodys, body=None, status=404, raw=None,
                headers=None):
        headers = {"X-Request-Id": "r", **(headers or {})}
        answers = [stranger.ask(method, path.replace("ID", str(id_)), body, raw=raw,
                                headers=headers) for id_ in (theirs, nobodys)]
        what = f"{method} {path}: {answers[0]} {answers[1]}"
        self.assertEqual(answers[1].status, status, what)
        self.assertEqual(self.told(answers[0], theirs), self.told(answers[1], nobodys), what)

    def test_messages_queued_delivered_and_of_jobs(self):
        relay, shop, other = self.node()
        relay.cli("tenant", "set", "shop", "--archive", "all")
        waiting = shop.send(send_at=int(time.time()) + 3600).json["id"]
        gone = shop.send(to="done@dest.test").json["id"]
        relay.wait_for_event("done@dest.test", "delivered")
        batch = shop.post("/v1/messages/batch", {
            "content": CONTENT, "recipients": [{"to": "r@dest.test"}],
            "send_at": int(time.time()) + 3600}).json
        for id_ in (waiting, gone, batch["id"], batch["messages"][0]):
            self.assertEqual(shop.get("/v1/messages/" + id_).status, 200, id_)
            nobody = ("1" if id_[1] != "1" else "2").join((id_[:1], id_[2:]))
            for method, path in (("GET", ""), ("GET", "/original"), ("POST", "/cancel"),
                                 ("POST", "/resend")):
                self.compare(other, method, f"/v1/messages/ID{path}", id_, nobody)
            self.compare(other, "GET", "/v1/queue/messages/ID", id_, nobody)
            self.assertEqual(other.get("/v1/messages?id=" + id_).json["messages"], [])
        self.assertEqual(len(relay.queue("--recipient", "b@dest.test")), 1)
        for path in ("/v1/messages", "/v1/events"):
            self.assertNotIn(b"dest.test", other.get(path).body)

    def test_a_job_is_no_message_that_could_be_read_or_resent(self):
        relay, shop, other = self.node()
        batch = shop.post("/v1/messages/batch", {
            "content": CONTENT, "recipients": [{"to": "r@dest.test"}],
            "send_at": int(time.time()) + 3600}).json
        self.assertProblem(shop.get(f"/v1/messages/{batch['id']}/original"), 404,
                           "no-such-message")
        self.assertProblem(shop.post(f"/v1/messages/{batch['id']}/resend"), 404,
                           "no-such-message")

    def test_jobs_recipients_imports_and_templates(self):
        relay, shop, other = self.node()
        job = shop.post("/v1/jobs", {"content": CONTENT, "name": "ours"}).json["id"]
        answer = shop.post(f"/v1/jobs/{job}/recipients",
                           {"recipients": [{"to": "a@dest.test"}, {"to": "x"}]})
        report = answer.json["report"].split("/")[-2]
        before = shop.get(f"/v1/jobs/{job}").body
        for method, path, body in (
                ("GET", "", None), ("PATCH", "", {"name": "theirs"}), ("DELETE", "", None),
                ("GET", "/recipients", None), ("POST", "/commit", {}), ("POST", "/pause", {}),
                ("POST", "/resume", {}), ("POST", "/cancel", {}),
                ("POST", "/recipients", {"recipients": [{"to": "b@dest.test"}]})):
            self.compare(other, method, "/v1/jobs/ID" + path, job, "987654321", body)
        self.compare(other, "GET", f"/v1/jobs/ID/imports/{report}/errors", job, "987654321")
        mine = other.post("/v1/jobs", {"content": CONTENT}).json["id"]
        self.compare(other, "GET", f"/v1/jobs/{mine}/imports/ID/errors", report, "987654321")
        self.assertEqual(shop.get(f"/v1/jobs/{job}").body, before)

        made = shop.post("/v1/templates", {"name": "t", "subject": "s", "text": "t"}).json
        one, version = made["id"], made["versions"][0]["id"]
        nobody = one[:2] + ("0" if one[2] != "0" else "1") + one[3:]
        before = shop.get("/v1/templates/" + one).body
        for family, ok in (("/v1", {}), ("/v3", {})):
            for method, path, body in (
                    ("GET", "", None), ("PATCH", "", {"name": "u"}), ("DELETE", "", None),
                    ("POST", "/versions", {"name": "v", "subject": "s"}),
                    ("GET", f"/versions/{version}", None),
                    ("PATCH", f"/versions/{version}", {"subject": "x"}),
                    ("DELETE", f"/versions/{version}", None),
                    ("POST", f"/versions/{version}/activate", None)):
                self.compare(other, method, f"{family}/templates/ID{path}", one, nobody, body)
        self.compare(other, "POST", "/v1/templates/ID/preview", one, nobody, {"data": {}})
        for id_ in (one, nobody):
            mail = {"from": {"email": "a@client.test"}, "template_id": id_,
                    "personalizations": [{"to": [{"email": "b@dest.test"}]}]}
            self.assertEqual(other.post("/v3/mail/send", mail).status, 400)
            self.assertProblem(other.post("/v1/messages/batch", {
                "content": {"from": "a@client.test", "template": id_},
                "recipients": [{"to": "b@dest.test"}]}), 422, "invalid-request")
        self.assertEqual(shop.get("/v1/templates/" + one).body, before)

    def test_what_operates_the_tenant(self):
        relay, shop, other = self.node()
        receiver = Receiver()
        self.addCleanup(receiver.stop)
        hook = shop.post("/v1/webhooks", {"url": receiver.url}).json["id"]
        order = shop.post(f"/v1/webhooks/{hook}/replay", {"from": "2020-01-01T00:00:00Z"}).json
        for method, path, body in (
                ("GET", "", None), ("PATCH", "", {"state": "paused"}), ("DELETE", "", None),
                ("POST", "/test", None), ("POST", "/rotate", None), ("GET", "/attempts", None),
                ("POST", "/replay", {"from": "2020-01-01T00:00:00Z"}),
                ("GET", f"/orders/{order['order']}", None)):
            self.compare(other, method, "/v1/webhooks/ID" + path, hook, "987654321", body)
        mine = other.post("/v1/webhooks", {"url": receiver.url}).json["id"]
        self.compare(other, "GET", f"/v1/webhooks/{mine}/orders/ID", order["order"], "987654321")

        shop.post("/v1/credentials", {"name": "printer", "api_key": True})
        for method, path, body in (("GET", "", None), ("DELETE", "", None),
                                   ("POST", "/secret", {"api_key": True})):
            self.compare(other, method, "/v1/credentials/ID" + path, "printer", "nothing", body)
        for method in ("GET", "DELETE"):
            self.compare(other, method, "/v1/keys/ID", "shop", "nothing")
        shop.post("/v1/domains", {"domain": "client.test"})
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/verify")):
            self.compare(other, method, "/v1/domains/ID" + path, "client.test", "nobody.test")
        relay.json("dkim", "keygen", "client.test", "--tenant", "shop", "--selector", "s1")
        self.compare(other, "POST", "/v1/dkim/ID/rotate", "client.test", "nobody.test",
                     status=403)
        self.compare(other, "POST", "/v1/dkim/ID/s1/retire", "client.test", "nobody.test",
                     status=403)
        shop.post("/v1/suppressions", {"addresses": ["gone@dest.test"]})
        self.compare(other, "GET", "/v1/suppressions/ID", "gone@dest.test", "none@dest.test",
                     status=200)
        self.compare(other, "DELETE", "/v1/suppressions/ID", "gone@dest.test", "none@dest.test")
        for method, path, body in (("GET", "", None), ("GET", "/streams", None)):
            self.compare(other, method, "/v1/tenants/ID" + path, "shop", "nobody", body)
        self.compare(other, "PUT", "/v1/tenants/ID/streams/news", "shop", "nobody",
                     {"kind": "bulk"})
        self.compare(other, "DELETE", "/v1/tenants/ID/streams/news", "shop", "nobody")
        shop.send(send_at=int(time.time()) + 3600)
        operation = shop.post("/v1/operations", {"action": "hold", "all": True}).headers["Location"]
        operation = operation.rsplit("/", 1)[1]
        for method, path in (("GET", ""), ("POST", "/cancel")):
            self.compare(other, method, "/v1/operations/ID" + path, operation, "987654321")
        self.assertEqual(len(shop.get("/v1/webhooks").json["webhooks"]), 1)
        self.assertEqual(len(shop.get("/v1/credentials").json["credentials"]), 1)
        self.assertEqual(len(shop.get("/v1/suppressions").json["suppressions"]), 1)

    def test_sendgrids_paths(self):
        relay, shop, other = self.node()
        receiver = Receiver()
        self.addCleanup(receiver.stop)
        group = shop.post("/v3/asm/groups", {"name": "News"}).json["id"]
        members = f"/v3/asm/groups/{group}/suppressions"
        shop.post(members, {"recipient_emails": ["gone@dest.test"]})
        for method, path, body in (
                ("GET", "", None), ("PATCH", "", {"name": "x"}), ("DELETE", "", None),
                ("GET", "/suppressions", None),
                ("POST", "/suppressions", {"recipient_emails": ["x@dest.test"]}),
                ("POST", "/suppressions/search", {"recipient_emails": ["gone@dest.test"]}),
                ("DELETE", "/suppressions/gone@dest.test", None)):
            self.compare(other, method, "/v3/asm/groups/ID" + path, group, 987654321, body)
        self.compare(other, "GET", "/v3/asm/suppressions/ID", "gone@dest.test", "none@dest.test",
                     status=200)
        shop.post("/v3/asm/suppressions/global", {"recipient_emails": ["gone@dest.test"]})
        path = "/v3/asm/suppressions/global/ID"
        self.compare(other, "GET", path, "gone@dest.test", "none@dest.test", status=200)
        self.compare(other, "DELETE", path, "gone@dest.test", "none@dest.test")
        relay.cli("suppression", "add", "b@dest.test", "--reason", "bounce", "--tenant", "shop")
        self.compare(other, "DELETE", "/v3/suppression/bounces/ID", "b@dest.test",
                     "none@dest.test")
        self.compare(other, "GET", "/v3/suppression/bounces/ID", "b@dest.test", "none@dest.test",
                     status=200)
        path = "/v3/user/webhooks/event/settings"
        hook = shop.post(path, {"url": receiver.url, "enabled": True, "bounce": True}).json["id"]
        for method, end, body in (("GET", "", None), ("PATCH", "", {"enabled": False}),
                                  ("DELETE", "", None)):
            self.compare(other, method, f"{path}/ID{end}", hook, "987654321", body)
        for key in shop.get("/v3/api_keys").json["result"]:
            for method in ("GET", "DELETE"):
                self.compare(other, method, "/v3/api_keys/ID", key["api_key_id"], "987654321")
        self.assertEqual(shop.get(members).json, ["gone@dest.test"])
        self.assertTrue(shop.get(f"{path}/{hook}").json["enabled"])

    def test_blastengines_paths(self):
        relay, shop, other = self.node()
        mail = {"from": {"email": "f@client.test"}, "subject": "s", "text_part": "t"}
        begun = shop.post(BE + "/bulk/begin", mail).json["delivery_id"]
        email = shop.post(f"{BE}/{begun}/emails", {"email": "a@dest.test"}).json["email_id"]
        form = {"Content-Type": "multipart/form-data; boundary=b"}
        raw = (b"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n"
               b"email\r\nc@dest.test\r\nwrong\r\n\r\n--b--\r\n")
        job = shop.ask("POST", f"{BE}/{begun}/emails/import", raw=raw, headers=form).json["job_id"]
        sent = shop.post(BE + "/transaction", {**mail, "to": "one@dest.test"}).json["delivery_id"]
        relay.wait_for_event("one@dest.test", "delivered")
        before = shop.get(f"{BE}/{begun}").body
        for id_ in (begun, sent):
            for method, path, body in (
                    ("GET", f"{BE}/ID", None), ("DELETE", f"{BE}/ID", None),
                    ("PATCH", f"{BE}/ID/cancel", None),
                    ("PUT", f"{BE}/bulk/update/ID", {"subject": "x"}),
                    ("PATCH", f"{BE}/bulk/commit/ID", {"reservation_time":
                                                       "2033-01-02T03:04:05+09:00"}),
                    ("PATCH", f"{BE}/bulk/commit/ID/immediate", {}),
                    ("POST", f"{BE}/ID/emails", {"email": "x@dest.test"})):
                self.compare(other, method, path, id_, 987654321, body)
            self.compare(other, "POST", f"{BE}/ID/emails/import", id_, 987654321, raw=raw,
                         headers=form)
        for method, body in (("GET", None), ("PUT", {"email": "x@dest.test"}), ("DELETE", None)):
            self.compare(other, method, f"{BE}/-/emails/ID", email, 987654321, body)
        for path in ("", "/errorinfo/download"):
            self.compare(other, "GET", f"{BE}/-/emails/import/ID{path}", job, 987654321)
        listed = shop.post("/api/v1/errors/list", {}).json["job_id"]
        for path in ("", "/download"):
            self.compare(other, "GET", "/api/v1/errors/list/ID" + path, listed, 987654321)
        log = shop.get("/api/v1/logs/mails/results").json["data"][0]["maillog_id"]
        self.compare(other, "GET", "/api/v1/logs/mails/ID", log, 987654321)
        self.assertEqual(other.get(f"/api/v1/logs/mails/results?delivery_id={sent}").json["data"],
                         [])
        self.assertEqual(other.get(BE).json["data"], [])
        self.assertEqual(shop.get(f"{BE}/{begun}").body, before)
        eventually(lambda: relay.metric("ekiden_recipients_unaccounted") == 0)


if __name__ == "__main__":
    support.main()
