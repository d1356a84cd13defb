"""Goal: the API's answers about mail are those of the OpenAPI document that it serves.
Method: each of its routes is asked, well and badly; every answer is held to the document."""
import time
import unittest

import support
from httpapi import Client, Document, HttpApi, is_of_sending, jsonschema
from support import eventually


@unittest.skipUnless(jsonschema, "python3-jsonschema is not installed")
class Description(HttpApi):
    def test_the_answers_are_those_of_the_document(self):
        relay, peer, client = self.relay_with_api()
        document = Document(relay.http)
        self.assertEqual(document.json["openapi"], "3.1.0")
        check, check_request = document.check, document.check_request
        message = {"from": {"email": "a@client.test", "name": "A"}, "to": ["B <b@dest.test>"],
                   "subject": "s", "text": "t", "html": "<p>t</p>", "tags": ["x"],
                   "attachments": [{"filename": "a", "content": "aGk="}]}
        raw = {"return_path": "a@client.test", "recipients": ["b@dest.test"], "message": "A: b\n\nc"}
        check_request(message, "/v1/messages")
        check_request(raw, "/v1/messages/raw")
        sent = client.post("/v1/messages", message)
        check(sent, "post", "/v1/messages")
        check(client.post("/v1/messages", {}), "post", "/v1/messages")
        check(client.post("/v1/messages", [1]), "post", "/v1/messages")
        check(Client(relay.http).post("/v1/messages", message), "post", "/v1/messages")
        check(client.post("/v1/messages/raw", raw), "post", "/v1/messages/raw")
        for batch in ([message], [message, {}], [{}], []):
            check(client.post("/v1/messages/batch", {"messages": batch}), "post",
                  "/v1/messages/batch")
        relay.wait_for_event("b@dest.test", "delivered")
        check(client.get("/v1/messages/" + sent.json["id"]), "get", "/v1/messages/{id}")
        check(client.get("/v1/messages/x"), "get", "/v1/messages/{id}")
        check(client.get("/v1/messages"), "get", "/v1/messages")
        check(client.get("/v1/messages?limit=x"), "get", "/v1/messages")
        for query in ("by=tag", "by=hour,domain&limit=1", "by=day&kind=delivered&code=250", "by=x"):
            check(client.get("/v1/stats?" + query), "get", "/v1/stats")
        later = client.send(send_at=int(time.time()) + 3600).json["id"]
        original = f"/v1/messages/{later}/original", "get", "/v1/messages/{id}/original"
        resend = f"/v1/messages/{later}/resend", {"recipients": ["b@dest.test"]}
        check(client.get(original[0]), *original[1:])
        check(client.post(*resend), "post", "/v1/messages/{id}/resend")
        check(client.post(resend[0], {"recipients": ["x@dest.test"]}), "post",
              "/v1/messages/{id}/resend")
        # What a stream sends is events_stream_test's; here its refusal.
        check(client.get("/v1/events/stream?from=2026-11-22"), "get", "/v1/events/stream")
        for _ in range(2):
            check(client.post(f"/v1/messages/{later}/cancel"), "post", "/v1/messages/{id}/cancel")
        eventually(lambda: client.get(original[0]).status == 410)
        check(client.get(original[0]), *original[1:])
        check(client.post(*resend), "post", "/v1/messages/{id}/resend")
        check(client.get("/v1/events"), "get", "/v1/events")
        check(client.get("/v1/stats"), "get", "/v1/stats")
        check(client.get("/v1/key"), "get", "/v1/key")
        check(client.get("/v1/openapi.json"), "get", "/v1/openapi.json")
        self.ask_for_jobs(client, check, check_request)
        self.ask_for_templates(client, check, check_request)
        # http_admin asks the others.
        asked = {r for r in document.routes() if is_of_sending(r[1])}
        self.assertEqual(document.seen, asked, "every documented route was asked")

    def ask_for_jobs(self, client, check, check_request):
        content = {"from": "a@client.test", "subject": "{{n}}", "text": "t", "data": {"n": "x"}}
        batch = {"content": content, "recipients": [{"to": "j@dest.test", "data": {"n": 1}}]}
        check_request(batch, "/v1/messages/batch")
        sent = client.post("/v1/messages/batch", {**batch, "send_at": int(time.time()) + 3600})
        check(sent, "post", "/v1/messages/batch")
        for message in (sent.json["id"], sent.json["messages"][0]):
            check(client.get("/v1/messages/" + message), "get", "/v1/messages/{id}")
        check(client.post("/v1/messages/batch", {"content": {}, "recipients": []}), "post",
              "/v1/messages/batch")
        check_request({"name": "n", "content": content}, "/v1/jobs")
        made = client.post("/v1/jobs", {"name": "n", "content": content})
        check(made, "post", "/v1/jobs")
        check(client.post("/v1/jobs", {}), "post", "/v1/jobs")
        check(client.get("/v1/jobs"), "get", "/v1/jobs")
        check(client.get("/v1/jobs?state=x"), "get", "/v1/jobs")
        one, job = "/v1/jobs/{id}", "/v1/jobs/" + made.json["id"]
        check(client.get(job), "get", one)
        check(client.get("/v1/jobs/0"), "get", one)
        check(client.ask("PATCH", job, {"name": "m"}), "patch", one)
        check(client.post(job + "/recipients", {"recipients": [{"to": "a@dest.test"}, {"to": 1}]}),
              "post", one + "/recipients")
        report = client.post(job + "/recipients", {"recipients": [{"to": "x"}]})
        check(report, "post", one + "/recipients")
        check(client.get(report.json["report"]), "get", one + "/imports/{import}/errors")
        check(client.get(job + "/recipients"), "get", one + "/recipients")
        check(client.post(job + "/commit", {"send_at": int(time.time()) + 3600}), "post",
              one + "/commit")
        for what in ("pause", "resume", "cancel"):
            check(client.post(f"{job}/{what}"), "post", f"{one}/{what}")
        check(client.ask("DELETE", job), "delete", one)
        check(client.ask("DELETE", job), "delete", one)

    def ask_for_templates(self, client, check, check_request):
        texts = {"name": "t", "subject": "{{a}}", "html": "<p>{{a}}</p>", "text": "{{a}}"}
        check_request(texts, "/v1/templates")
        made = client.post("/v1/templates", texts)
        check(made, "post", "/v1/templates")
        check(client.post("/v1/templates", {"name": "t", "html": "{{#if}}"}), "post",
              "/v1/templates")
        check(client.get("/v1/templates"), "get", "/v1/templates")
        one, template = "/v1/templates/{id}", "/v1/templates/" + made.json["id"]
        check(client.get(template), "get", one)
        check(client.ask("PATCH", template, {"name": "u"}), "patch", one)
        check(client.post(template + "/preview", {"data": {"a": "<b>"}}), "post", one + "/preview")
        check(client.post(template + "/preview", {"missing": "error"}), "post", one + "/preview")
        added = client.post(template + "/versions", {**texts, "name": "second"})
        check(added, "post", one + "/versions")
        version, path = f"{template}/versions/{added.json['id']}", one + "/versions/{version}"
        check(client.get(version), "get", path)
        check(client.ask("PATCH", version, {"subject": "s"}), "patch", path)
        check(client.post(version + "/activate"), "post", path + "/activate")
        check(client.ask("DELETE", version), "delete", path)
        check(client.ask("DELETE", version), "delete", path)
        check(client.ask("DELETE", template), "delete", one)



if __name__ == "__main__":
    support.main()
