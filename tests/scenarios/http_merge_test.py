"""Goal: one message takes its texts from a template with its own data; every write is done once for
its Idempotency-Key; every answer to a key tells how many messages it may still send.
Method: http.client against the real relay; answers are held to the OpenAPI document."""
import email
import email.policy

import support
from httpapi import Client, Document, HeldClient, HttpApi
from support import eventually


class Merge(HttpApi):
    def held(self):
        relay, peer, client = self.relay_with_api()
        return relay, peer, HeldClient(Document(relay.http), relay.http, client.key)

    def template(self, client):
        made = client.post("/v1/templates", {
            "name": "receipt", "subject": "{{name}}様の注文", "text": "計 {{total}} 円 {{email}}",
            "html": "<p>{{name}}</p>"})
        self.assertEqual(made.status, 201, made)
        return made.json

    def test_a_template_gives_one_message_its_texts(self):
        relay, peer, client = self.held()
        made = self.template(client)
        body = {"from": "Shop <shop@client.test>", "to": "花子 <hanako@dest.test>",
                "template": made["id"], "data": {"name": "花子 & <b>", "total": 1200, "email": "e"},
                "headers": {"X-Order": "{{total}}"}}
        client.document.check_request(body, "/v1/messages")
        sent = client.post("/v1/messages", body)
        self.assertEqual(sent.status, 202, sent)
        # Own texts come before the template's; without data and template braces are text.
        client.send(to="own@dest.test", subject="own", text="{{x}}", template=made["id"])
        client.send(to="plain@dest.test", subject="{{x}}", text="{{x}}")
        client.send(to="literal@dest.test", subject="__n__", text="{{n}} __n__",
                    data={"__n__": "N"}, syntax="literal")
        eventually(lambda: len(peer.received) == 4, what="four messages")
        mails = {t.addresses[0]: email.message_from_bytes(t.data, policy=email.policy.default)
                 for t in peer.received}
        merged = mails["hanako@dest.test"]
        self.assertEqual(merged["Subject"], "花子 & <b>様の注文")
        self.assertEqual(merged["X-Order"], "1200")
        self.assertEqual(merged.get_body(("plain",)).get_content().strip(), "計 1200 円 e")
        self.assertEqual(merged.get_body(("html",)).get_content().strip(),
                         "<p>花子 &amp; &lt;b&gt;</p>")
        self.assertEqual(mails["own@dest.test"]["Subject"], "own")
        self.assertEqual(mails["plain@dest.test"]["Subject"], "{{x}}")
        literal = mails["literal@dest.test"]
        self.assertEqual((literal["Subject"],
                          literal.get_body(("plain",)).get_content().strip()), ("N", "{{n}} N"))
        both = client.post("/v1/messages/batch", {"messages": [
            {**body, "to": "one@dest.test"}, {**body, "to": "two@dest.test", "template": "d-none"}]})
        self.assertEqual((both.status, both.json["accepted"]), (207, 1), both)
        self.assertEqual(both.json["results"][1]["problem"]["errors"][0]["pointer"],
                         "#/messages/1/template")

    def test_what_cannot_be_merged_is_refused_precisely(self):
        relay, peer, client = self.held()
        made = self.template(client)
        for fields, pointer in (
                ({"template": "d-none"}, "/template"),
                ({"template": made["id"], "version": "none"}, "/template"),
                ({"version": "x"}, "/version"),
                ({"data": "x"}, "/data"), ({"missing": "sometimes"}, "/missing"),
                ({"syntax": "php"}, "/syntax"),
                ({"text": "{{#if}}", "data": {}}, "/text"),
                ({"text": "{{x}}", "data": {}, "missing": "error"}, "/text"),
                ({"subject": "{{x}}", "data": {"x": "a\r\nBcc: e@dest.test"}}, "/subject")):
            self.assertProblem(client.send(**fields), 422, "invalid-request", pointer)
        relay.cli("tenant", "add", "other")
        other = Client(relay.http, self.key(relay, "theirs", "--tenant", "other"))
        self.assertProblem(other.send(template=made["id"]), 422, "invalid-request", "/template")
        self.assertEqual((relay.queue(), peer.received), ([], []))


class Once(HttpApi):
    def test_every_write_is_done_once_for_its_key(self):
        relay, peer, plain = self.relay_with_api()
        client = HeldClient(Document(relay.http), relay.http, plain.key)
        job = client.post("/v1/jobs", {"name": "n", "content": {
            "from": "a@client.test", "subject": "s", "text": "t"}}).json["id"]
        template = client.post("/v1/templates", {"name": "t", "text": "x"}).json["id"]
        self.assertEqual(client.send().status, 202)

        def twice(method, path, body=None, status=200, by=client):
            key = {"Idempotency-Key": f"k {method} {path}"}
            first = by.ask(method, path, body, headers=key)
            self.assertEqual(first.status, status, first)
            again = by.ask(method, path, body, headers=key)
            self.assertEqual((again.status, again.body), (first.status, first.body))
            self.assertEqual(again.headers["Idempotent-Replayed"], "true", path)
            other = by.ask(method, path, {**(body or {}), "name": "other"}, headers=key)
            self.assertEqual(other.status, 409, other)
            return first

        twice("PATCH", f"/v1/jobs/{job}", {"name": "renamed"})
        twice("PATCH", f"/v1/templates/{template}", {"name": "renamed"})
        twice("DELETE", f"/v1/templates/{template}", status=204)
        twice("DELETE", f"/v1/jobs/{job}")
        # What fails leaves its key free.
        key = {"Idempotency-Key": "fails"}
        for _ in range(2):
            failed = client.ask("POST", f"/v1/jobs/{job}/commit", {}, headers=key)
            self.assertEqual(failed.status, 404, failed)
            self.assertNotIn("Idempotent-Replayed", failed.headers)
        begin = {"from": {"email": "f@client.test"}, "subject": "s", "text_part": "t"}
        base = "/api/v1/deliveries"
        delivery = twice("POST", base + "/bulk/begin", begin, 201, plain).json["delivery_id"]
        email = twice("POST", f"{base}/{delivery}/emails", {"email": "b@dest.test"}, 201, plain)
        self.assertIn("email_id", email.json)
        self.assertEqual(plain.get(f"{base}/{delivery}").json["total_count"], 1)
        twice("PATCH", f"{base}/bulk/commit/{delivery}/immediate", {}, 200, plain)
        twice("POST", "/api/v1/errors/list", {}, 201, plain)
        eventually(lambda: len(peer.received) == 2, what="the mail, once")

    def test_every_answer_tells_the_rate(self):
        relay, peer, client = self.relay_with_api()
        relay.settings["limits"] = {"message_rate": "5/h"}
        relay.restart()
        client.send()
        for method, path, status in (("GET", "/v1/key", 200), ("GET", "/v1/messages/x", 404),
                                     ("POST", "/v1/messages", 422), ("GET", "/v3/scopes", 200),
                                     ("GET", "/api/v1/usages/latest", 200)):
            answer = client.ask(method, path, {} if method == "POST" else None)
            self.assertEqual(answer.status, status, answer)
            self.assertEqual(answer.headers["RateLimit-Policy"], '"messages";q=5;w=3600', path)
            self.assertRegex(answer.headers["RateLimit"], r'^"messages";r=4;t=\d+$')
            theirs = {n: answer.headers.get("X-RateLimit-" + n)
                      for n in ("Limit", "Remaining", "Reset")}
            if path.startswith("/v3"):
                self.assertEqual((theirs["Limit"], theirs["Remaining"]), ("5", "4"))
                self.assertGreater(int(theirs["Reset"]), 1_700_000_000)
            elif path.startswith("/api"):
                self.assertEqual(theirs, {"Limit": None, "Remaining": "4", "Reset": None})
            else:
                self.assertEqual(set(theirs.values()), {None})
        nobody = Client(relay.http, "ek_wrong").get("/v1/key")
        self.assertNotIn("RateLimit", nobody.headers)


if __name__ == "__main__":
    support.main()
