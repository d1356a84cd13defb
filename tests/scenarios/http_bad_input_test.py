"""Goal: what is wrong is refused precisely by each of the five APIs, in its own form, and changes
nothing: no mail, no job, no entry in the audit log.
Method: the same mistakes at every path that takes a body, against the real relay before a peer."""
import base64
import json
import pathlib
import socket

import support
from httpapi import Client, HttpApi
from support import LOOPBACK, eventually

EVIL = "x\r\nBcc: victim@dest.test"
BE = "/api/v1/deliveries"


def deep(path, value):
    """{"a": {"b": value}} for "a/b"; a number makes a list of one."""
    for name in reversed(path.split("/")):
        value = [value] if name == "0" else {name: value}
    return value


def merged(base, change):
    if isinstance(base, dict) and isinstance(change, dict):
        return {**base, **{k: merged(base.get(k), v) for k, v in change.items()}}
    if isinstance(base, list) and isinstance(change, list):
        return [merged(base[0], change[0])] if base else change
    return change


class Api:
    """One way to send a message: a good one, and where strings of it end up in the header."""

    def __init__(self, name, path, good, fields, status, named=None, wrap=None):
        self.name, self.path, self.good, self.fields = name, path, good, fields
        self.status, self.named, self.wrap = status, named or {}, wrap or (lambda body: body)

    def told(self, answer):
        """What the answer says is wrong, as text."""
        body = answer.json
        if self.name == "v1":
            return " ".join(e["pointer"] for e in body["errors"])
        if self.name == "sendgrid":
            return " ".join(e["field"] or "" for e in body["errors"])
        if self.name == "blastengine":
            return " ".join(body["error_messages"])
        return body["Message"] if self.name == "postmark" else body["message"]

    def with_(self, path, value):
        return self.wrap(merged(self.good, deep(path, value)))


FILE = {"filename": "a.txt", "content": "aGk="}
V1 = {"from": {"email": "a@client.test", "name": "A"}, "to": [{"email": "b@dest.test"}],
      "subject": "s", "text": "t"}
V1_FIELDS = ("subject", "from/name", "from/email", "reply_to/name", "reply_to/email",
             "headers/X-A", "tags/0", "return_path", "attachments/0/filename",
             "attachments/0/content_type", "attachments/0/content_id")
SENDGRID = {"personalizations": [{"to": [{"email": "b@dest.test"}]}],
            "from": {"email": "a@client.test"}, "subject": "s",
            "content": [{"type": "text/plain", "value": "t"}],
            "attachments": [{"filename": "a", "content": "aGk="}]}
BLASTENGINE = {"from": {"email": "f@client.test"}, "to": "b@dest.test", "subject": "s",
               "text_part": "t"}
POSTMARK = {"From": "a@client.test", "To": "b@dest.test", "Subject": "s", "TextBody": "t",
            "Attachments": [{"Name": "a", "Content": "aGk=", "ContentType": "text/plain"}]}
RESEND = {"from": "a@client.test", "to": ["b@dest.test"], "subject": "s", "text": "t",
          "attachments": [{"filename": "a", "content": "aGk="}]}

APIS = [
    Api("v1", "/v1/messages", {**V1, "attachments": [FILE]},
        V1_FIELDS + ("to/0/name", "to/0/email", "cc/0/name", "bcc/0/email", "stream"), 422),
    Api("v1", "/v1/messages/batch", {k: v for k, v in V1.items() if k != "to"} |
        {"attachments": [FILE]}, V1_FIELDS, 422,
        wrap=lambda body: {"content": body, "recipients": [{"to": "b@dest.test"}]}),
    Api("v1", "/v1/messages/batch", {"to": "b@dest.test"}, ("to", "name"), 422,
        wrap=lambda one: {"content": {k: v for k, v in V1.items() if k != "to"},
                          "recipients": [one]}),
    Api("v1", "/v1/jobs", {k: v for k, v in V1.items() if k != "to"} | {"attachments": [FILE]},
        V1_FIELDS, 422, wrap=lambda body: {"content": body}),
    Api("v1", "/v1/jobs", {"content": {k: v for k, v in V1.items() if k != "to"}},
        ("name", "stream"), 422),
    Api("sendgrid", "/v3/mail/send", SENDGRID,
        ("subject", "from/name", "from/email", "reply_to/name", "reply_to/email", "headers/X-A",
         "categories/0", "personalizations/0/to/0/name", "personalizations/0/to/0/email",
         "personalizations/0/cc/0/email", "personalizations/0/bcc/0/email",
         "personalizations/0/subject", "personalizations/0/headers/X-A", "attachments/0/filename",
         "attachments/0/type", "attachments/0/content_id"), 400,
        {"categories/0": "tags", "from/name": "from", "reply_to/name": "reply_to",
         "personalizations/0/to/0/name": "to.0"}),
    Api("blastengine", BE + "/transaction", BLASTENGINE,
        ("subject", "from/name", "from/email", "to", "cc/0", "bcc/0", "reply_to/email",
         "list_unsubscribe/url", "list_unsubscribe/mailto"), 400, {"list_unsubscribe/url": "headers",
                                                                 "list_unsubscribe/mailto":
                                                                 "headers"}),
    Api("blastengine", BE + "/bulk/begin", {k: v for k, v in BLASTENGINE.items() if k != "to"},
        ("subject", "from/name", "from/email", "list_unsubscribe/url"), 400,
        {"list_unsubscribe/url": "headers"}),
    Api("postmark", "/email", POSTMARK,
        ("Subject", "From", "To", "Cc", "Bcc", "ReplyTo", "Tag", "MessageStream",
         "Attachments/0/Name", "Attachments/0/ContentType", "Attachments/0/ContentID"), 422,
        {"Tag": "tags", "MessageStream": "stream", "ReplyTo": "reply"}),
    Api("resend", "/emails", RESEND,
        ("subject", "from", "to/0", "cc", "bcc", "reply_to", "headers/X-A",
         "attachments/0/filename", "attachments/0/content_type", "attachments/0/content_id"), 422),
]


class BadInput(HttpApi):
    def setUp(self):
        super().setUp()
        self.relay_, self.peer_, self.client = self.relay_with_api()
        self.before = self.state()

    def tearDown(self):
        self.assertEqual(self.state(), self.before, "nothing has changed")
        self.assertHealthy(self.relay_)
        super().tearDown()

    def state(self):
        """All that a request could have changed."""
        client = self.client
        return (self.relay_.metrics().get("ekiden_inbound_messages_total", 0), self.relay_.queue(),
                self.relay_.cli("audit", "list"), client.get("/v1/jobs").json,
                client.get("/v1/templates").json, client.get("/v1/suppressions").json,
                client.get("/v3/asm/groups").json)

    def refused(self, api, body, field, what=None):
        answer = self.client.post(api.path, body)
        self.assertEqual(answer.status, api.status, f"{api.path} {field}: {answer}")
        named = what or api.named.get(field) or field.split("/")[0 if api.name != "sendgrid" else -1]
        said = api.told(answer)
        self.assertIn(named.lower(), said.lower(), f"{api.path} {field}: {answer}")
        return answer

    def test_line_ends_in_what_becomes_header_or_envelope(self):
        for api in APIS:
            for field in api.fields:
                for value in (EVIL, "a\nb", "a\rb", "a\x00b"):
                    if "email" in field or field in ("to", "to/0", "cc/0", "bcc/0"):
                        value = "a@dest.test" + value
                    body = api.with_(field, value)
                    if field.endswith("/name"):  # of somebody with a good address
                        email = field.rsplit("/", 1)[0] + "/email"
                        body = api.wrap(merged(merged(api.good, deep(field, value)),
                                               deep(email, "a@client.test")))
                    self.refused(api, body, field)

    def test_header_names(self):
        for name in (EVIL, "X A", "X:", "", "Content-Type", "Received", "X-Ekiden-Stream",
                     "DKIM-Signature"):
            for path, good, status, change in (
                    ("/v1/messages", V1, 422, {"headers": {name: "v"}}),
                    ("/v1/jobs", {}, 422, {"content": {**{k: v for k, v in V1.items()
                                                          if k != "to"},
                                                       "headers": {name: "v"}}}),
                    ("/v3/mail/send", SENDGRID, 400, {"headers": {name: "v"}}),
                    ("/email", POSTMARK, 422, {"Headers": [{"Name": name, "Value": "v"}]}),
                    ("/emails", RESEND, 422, {"headers": {name: "v"}})):
                answer = self.client.post(path, {**good, **change})
                self.assertEqual(answer.status, status, f"{path} {name!r}: {answer}")
                self.assertIn(b"eaders", answer.body)

    def test_attachments_that_are_none(self):
        def at(api, attachment):
            return self.client.post(api.path, merged(api.good, attachment))
        v1, sendgrid, postmark, resend = (next(a for a in APIS if a.path == p) for p in (
            "/v1/messages", "/v3/mail/send", "/email", "/emails"))
        for name in ("../../etc/passwd", "/etc/passwd", "C:\\x.exe", "..", ".", "a/b", "x" * 300):
            for api, change in ((v1, {"attachments": [{"filename": name}]}),
                                (sendgrid, {"attachments": [{"filename": name}]}),
                                (postmark, {"Attachments": [{"Name": name}]}),
                                (resend, {"attachments": [{"filename": name}]})):
                answer = at(api, change)
                self.assertEqual(answer.status, api.status, f"{api.path} {name}: {answer}")
                self.assertIn("filename", answer.body.decode().lower(), api.path)
            evil = (b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" +
                    name.replace("\\", "\\\\").encode() + b"\"\r\n\r\nx\r\n--b\r\n"
                    b"Content-Disposition: form-data; name=\"data\"\r\n\r\n" +
                    json.dumps(BLASTENGINE).encode() + b"\r\n--b--")
            answer = self.client.ask("POST", BE + "/transaction", raw=evil, headers={
                "Content-Type": "multipart/form-data; boundary=b"})
            self.assertEqual((answer.status, list(answer.json["error_messages"])), (400, ["file"]),
                             name)
        for content in ("!!!", "aGk=\x00", "aGk==", "a", "aGk=aGk="):
            for api, change in ((v1, {"attachments": [{"content": content}]}),
                                (sendgrid, {"attachments": [{"content": content}]}),
                                (postmark, {"Attachments": [{"Content": content}]}),
                                (resend, {"attachments": [{"content": content}]})):
                answer = at(api, change)
                self.assertEqual(answer.status, api.status, f"{api.path} {content!r}: {answer}")
                self.assertIn("base64", answer.body.decode(), api.path)
        self.assertEqual(self.client.post("/emails", {**RESEND, "attachments": [
            {"filename": "a", "path": "http://127.0.0.1/x"}]}).status, 422)

    def test_what_is_no_time(self):
        for value in ("soon", "2026-13-01T00:00:00Z", {}, [], True, 4102444800, -1, 1e300):
            for path, body, status in (
                    ("/v1/messages", {**V1, "send_at": value}, 422),
                    ("/v3/mail/send", {**SENDGRID, "send_at": value}, 400),
                    ("/v3/mail/send", merged(SENDGRID, {"personalizations": [{"send_at": value}]}),
                     400),
                    ("/emails", {**RESEND, "scheduled_at": value}, 422)):
                answer = self.client.post(path, body)
                if value == -1 and answer.status < 300:
                    continue
                self.assertEqual(answer.status, status, f"{path} {value!r}: {answer}")

    def test_bodies_that_are_no_json(self):
        """Of every path that takes JSON; those below an object that there is not answer 404."""
        client = self.client
        document = client.get("/v1/openapi.json").json
        routes = [(m.upper(), p, 400) for p, item in document["paths"].items() for m, o in
                  item.items() if "requestBody" in o and "application/json" in
                  o["requestBody"]["content"] and "{" not in p]
        self.assertGreater(len(routes), 10)
        routes += [("POST", p, 400) for p in (
            "/v3/mail/send", "/v3/templates", "/v3/asm/groups", "/v3/asm/suppressions/global",
            "/v3/api_keys", "/v3/user/webhooks/event/settings", BE + "/transaction",
            BE + "/bulk/begin")]
        routes += [("POST", p, 422) for p in ("/email", "/email/batch", "/emails",
                                              "/emails/batch")]
        bad = (b"{", b"{}x", b'{"a":1,"a":2}', b'{"a":{"b":1,"b":1}}', b'{"a":"\\ud800"}',
               b'{"a":"\\udc00\\ud800"}', b'{"\\ud800":1}', b'{"a":"\xed\xa0\x80"}', b"\xff\xfe",
               b"[" * 100_000, b"{" * 100_000, b'{"a":' * 100_000,
               b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'"x"', b"1e999", b"nul",
               b'{"a":"\x01"}', b'\xef\xbb\xbf{"a":1}')
        operator = Client(self.relay_.http, self.key(self.relay_, "root", "--scope", "admin"))
        eventually(lambda: operator.get("/v1/tenants").status == 200)
        self.before = self.state()
        for method, path, status in routes:
            for raw in bad:
                asked = client
                answer = asked.ask(method, path, raw=raw,
                                   headers={"Content-Type": "application/json"})
                if answer.status == 403:  # for operators only
                    asked = operator
                    answer = asked.ask(method, path, raw=raw,
                                       headers={"Content-Type": "application/json"})
                self.assertEqual(answer.status, status, f"{method} {path} {raw[:40]}: {answer}")
                self.assertTrue(answer.json, path)

    def heard(self, octets, then=b"", pause=0.0, seconds=30):
        """What is said to these octets, and where it allows more, to the rest."""
        with socket.create_connection((LOOPBACK, self.relay_.http), seconds) as connection:
            connection.sendall(octets)
            answer = b""
            try:
                while then and not answer:
                    piece, then = then[:1 << 20], then[1 << 20:]
                    connection.sendall(piece)
                while b"\r\n\r\n" not in answer or not answer.endswith(b"\n"):
                    more = connection.recv(1 << 16)
                    if not more:
                        break
                    answer += more
            except (ConnectionError, TimeoutError):
                try:  # it was refused while we spoke
                    answer += connection.recv(1 << 16)
                except OSError:
                    pass
        return answer

    def head(self, path, *lines, key=None):
        return ("\r\n".join((f"POST {path} HTTP/1.1", "Host: x",
                             f"Authorization: Bearer {key or self.client.key}",
                             "Content-Type: application/json", *lines)) + "\r\n\r\n").encode()

    def test_a_hundred_megabytes(self):
        """Refused by their announcement, or when the limit is passed; never held."""
        memory = self.memory()
        chunk = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
        for path, mark in (("/v1/messages", b"too-large"), ("/v1/jobs/1/recipients", b"too-large"),
                           ("/v3/mail/send", b'"errors"'), (BE + "/transaction",
                                                            b'"error_messages"'),
                           ("/email", b'"ErrorCode"'), ("/emails", b'"statusCode"')):
            announced = self.heard(self.head(path, "Content-Length: 100000000"))
            self.assertIn(b" 413 ", announced.split(b"\r\n")[0], announced)
            self.assertIn(mark, announced, path)
            self.assertIn(b"X-Request-Id:", announced)
            chunked = self.heard(self.head(path, "Transfer-Encoding: chunked"), chunk * 100)
            self.assertIn(b" 413 ", chunked.split(b"\r\n")[0], path)
            strange = self.heard(self.head(path, "Content-Length: 100000000", key="ek_x"))
            self.assertIn(b" 401 ", strange.split(b"\r\n")[0], "before its size matters")
        self.assertLess(self.memory() - memory, 250, "MiB: one of them while it grows")

    def memory(self):
        status = pathlib.Path(f"/proc/{self.relay_.process.child.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) // 1024

    def test_lengths_and_headers_that_make_no_sense(self):
        smuggled = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\n\r\n"
        for lines, codes in (
                (("Content-Length: 5", "Content-Length: 6"), (400,)),
                (("Content-Length: 5, 6",), (400,)),
                (("Content-Length: 2", "Transfer-Encoding: chunked"), (400, 501)),
                (("Transfer-Encoding: chunked", "Content-Length: 2"), (400, 501)),
                (("Transfer-Encoding: chunked, identity",), (400, 501)),
                (("Transfer-Encoding: xchunked",), (400, 501)),
                (("Content-Length: -1",), (400,)), (("Content-Length: +2",), (400,)),
                (("Content-Length: 0x2",), (400,)),
                (("Content-Length: 99999999999999999999999",), (400, 413)),
                (("Content-Length : 2",), (400,)), (("X: " + "a" * 100_000,), (431,)),
                (tuple(f"X{i}: {'a' * 50}" for i in range(2000)), (431,)),
                (("X: a\0b",), (400,))):
            answer = self.heard(self.head("/v1/messages", *lines), b"{}" + smuggled)
            status = int(answer.split(b" ", 2)[1]) if answer else 0
            self.assertIn(status, codes, f"{lines[0][:60]}: {answer[:200]}")
            self.assertEqual(answer.count(b"HTTP/1.1 "), 1, f"{lines[0][:60]}: what follows is "
                             f"no request: {answer}")

    def test_what_comes_slowly_keeps_nobody_waiting(self):
        """Fifty that never end their body; api_test.cpp has the 408 of each, by a clock of its
        own."""
        slow = []
        for i in range(50):
            connection = socket.create_connection((LOOPBACK, self.relay_.http), 10)
            self.addCleanup(connection.close)
            connection.sendall(self.head("/v1/messages", "Content-Length: 1000") + b'{"from":')
            slow.append(connection)
        eventually(lambda: self.client.get("/v1/key").status == 200)
        for connection in slow:
            connection.close()

    def test_raw_messages_and_lists(self):
        for raw in (b"", b"\x00", b"no header at all \x00"):
            answer = self.client.ask("POST", "/v1/messages/raw?return_path=a@client.test&recipient="
                                     "b@dest.test", raw=raw,
                                     headers={"Content-Type": "message/rfc822"})
            self.assertProblem(answer, 422, "invalid-request")
        for query in ("return_path=a@client.test%0d%0aRCPT&recipient=b@dest.test",
                      "return_path=a@client.test&recipient=b@dest.test%0d%0aDATA",
                      "return_path=a@client.test", "recipient=b@dest.test"):
            answer = self.client.ask("POST", "/v1/messages/raw?" + query, raw=support.message(),
                                     headers={"Content-Type": "message/rfc822"})
            self.assertProblem(answer, 422, "invalid-request")
        for metadata in ({"a": "x" * 11000}, [], "x"):
            self.assertEqual(self.client.post("/v1/messages", {**V1, "metadata": metadata}).status,
                             422)

    def test_a_category_is_cut_between_characters(self):
        """SendGrid allows 255 characters, a tag has 128 octets."""
        answer = self.client.post("/v3/mail/send", {**SENDGRID, "categories": ["あ" * 85],
                                                    "attachments": []})
        self.assertEqual(answer.status, 202, answer)
        event = self.relay_.wait_for_event("b@dest.test", "delivered")[-1]
        self.assertEqual(event["tags"], ["あ" * 42])
        self.before = self.state()


class Repetition(HttpApi):
    def test_every_write_is_done_once_for_its_key(self):
        """The same key with another body is 409 at every path that changes something, and the same
        request is answered as before."""
        relay, peer, client = self.relay_with_api()
        content = {"from": "a@client.test", "subject": "s", "text": "t"}
        job = client.post("/v1/jobs", {"content": content}).json["id"]
        made = client.post("/v1/templates", {"name": "t", "subject": "s", "text": "t"}).json
        one, version = "/v1/templates/" + made["id"], made["versions"][0]["id"]
        begun = client.post(BE + "/bulk/begin", {k: v for k, v in BLASTENGINE.items()
                                                 if k != "to"}).json["delivery_id"]
        group = client.post("/v3/asm/groups", {"name": "g"}).json["id"]
        queued = client.send(send_at=int(support.time.time()) + 3600).json["id"]
        v3 = "/v3/templates/" + made["id"]
        writes = [
            ("POST", "/v1/messages", V1), ("POST", "/v1/messages/raw", {
                "return_path": "a@client.test", "recipients": ["b@dest.test"],
                "message": "A: b\r\n\r\nx"}),
            ("POST", "/v1/messages/batch", {"messages": [V1]}, {"messages": [V1, V1]}),
            ("POST", "/v1/messages/batch", {"content": content,
                                            "recipients": [{"to": "b@dest.test"}]},
             {"content": content, "recipients": [{"to": "c@dest.test"}]}),
            ("POST", f"/v1/messages/{queued}/resend", {"recipients": ["b@dest.test"]}),
            ("POST", f"/v1/messages/{queued}/cancel", {}),
            ("POST", "/v1/jobs", {"content": content}, {"content": content, "name": "x"}),
            ("PATCH", f"/v1/jobs/{job}", {"name": "n"}),
            ("POST", f"/v1/jobs/{job}/recipients", {"recipients": [{"to": "b@dest.test"}]},
             {"recipients": [{"to": "c@dest.test"}]}),
            ("POST", f"/v1/jobs/{job}/commit", {"send_at": int(support.time.time()) + 3600}),
            ("POST", f"/v1/jobs/{job}/cancel", {}), ("DELETE", f"/v1/jobs/{job}", {}),
            ("POST", "/v1/templates", {"name": "u", "text": "t"}),
            ("PATCH", one, {"name": "u"}),
            ("POST", one + "/versions", {"name": "v", "text": "t"}),
            ("PATCH", f"{one}/versions/{version}", {"text": "u"}),
            ("POST", f"{one}/versions/{version}/activate", {}),
            ("PATCH", v3, {"name": "w"}),
            ("POST", v3 + "/versions", {"name": "x", "subject": "s"}),
            ("POST", "/v1/suppressions", {"addresses": ["x@dest.test"]}),
            ("POST", "/v1/domains", {"domain": "client.test"}),
            ("POST", "/v1/keys", {"name": "k2"}),
            ("POST", "/v3/mail/send", SENDGRID), ("POST", "/v3/asm/groups", {"name": "h"}),
            ("PATCH", f"/v3/asm/groups/{group}", {"name": "i"}),
            ("POST", f"/v3/asm/groups/{group}/suppressions", {"recipient_emails": ["y@dest.test"]}),
            ("POST", "/v3/api_keys", {"name": "k3"}),
            ("POST", BE + "/transaction", BLASTENGINE),
            ("POST", BE + "/bulk/begin", {k: v for k, v in BLASTENGINE.items() if k != "to"}),
            ("PUT", f"{BE}/bulk/update/{begun}", {"subject": "changed"}),
            ("POST", f"{BE}/{begun}/emails", {"email": "z@dest.test"}),
            ("PATCH", f"{BE}/bulk/commit/{begun}", {"reservation_time":
                                                    "2033-01-02T03:04:05+09:00"}),
            ("PATCH", f"{BE}/{begun}/cancel", {}), ("DELETE", f"{BE}/{begun}", {}),
            ("POST", "/email", POSTMARK), ("POST", "/email/batch", [POSTMARK]),
            ("POST", "/emails", RESEND), ("POST", "/emails/batch", [RESEND]),
            ("DELETE", f"{one}/versions/{version}", {}), ("DELETE", one, {})]
        for number, (method, path, body, *known) in enumerate(writes):
            key = {"Idempotency-Key": f"k{number}"}
            what = f"{method} {path}"
            first = client.ask(method, path, body, headers=key)
            self.assertLess(first.status, 300, f"{what}: {first}")
            again = client.ask(method, path, body, headers=key)
            self.assertEqual((again.status, again.body), (first.status, first.body), what)
            self.assertEqual(again.headers["Idempotent-Replayed"], "true", what)
            changed = [*body, *body] if isinstance(body, list) else {**body, "more": 1}
            for field in ("subject", "Subject", "name", "message", "domain", "text"):
                if field in body:  # another request that could be done as well
                    changed = {**body, field: "A: c.test"}
            changed = known[0] if known else changed
            other = client.ask(method, path, changed, headers=key)
            self.assertEqual(other.status, 409, f"{what}: {other}")
            self.assertEqual(other.headers.get("Idempotent-Replayed"), None, what)


if __name__ == "__main__":
    support.main()
