"""Goal: every mistake in a request of /v1 has a precise answer, and changes nothing.
Method: http.client, or a socket where a client would not say it, against the real relay before a
scripted peer."""
import json
import socket

import support
from httpapi import HttpApi
from support import LOOPBACK


class Mistakes(HttpApi):
    def setUp(self):
        super().setUp()
        self.relay_, self.peer_, self.client = self.relay_with_api()

    def tearDown(self):
        metrics = self.relay_.metrics()
        self.assertEqual(metrics.get("ekiden_inbound_messages_total", 0), 0, "nothing was sent")
        self.assertHealthy(self.relay_)
        super().tearDown()

    def test_fields_that_would_become_headers(self):
        evil = "x\r\nBcc: victim@dest.test"
        for fields, pointer in (
                ({"subject": evil}, "/subject"), ({"subject": "a\nb"}, "/subject"),
                ({"subject": "a\x00b"}, "/subject"),
                ({"from": {"email": "a@client.test", "name": evil}}, "/from"),
                ({"from": "a@client.test\r\nX: y"}, "/from"),
                ({"to": [{"email": "b@dest.test", "name": "a\rb"}]}, "/to/0"),
                ({"to": {"email": "b@dest.test\r\nRCPT TO:<x@y.z>"}}, "/to/0"),
                ({"reply_to": {"email": "r@client.test", "name": evil}}, "/reply_to/0"),
                ({"headers": {"X-A": evil}}, "/headers/X-A"),
                ({"headers": {"X-A\r\nX-B": "v"}}, "/headers/X-A\\x0D\\x0AX-B"),
                ({"headers": {"X A": "v"}}, "/headers/X A"),
                ({"headers": {"Subject": "v"}}, "/headers/Subject"),
                ({"headers": {"X-Ekiden-Stream": "v"}}, "/headers/X-Ekiden-Stream"),
                ({"headers": {"content-type": "v"}}, "/headers/content-type"),
                ({"tags": [evil]}, "/tags/0"), ({"stream": evil}, "/stream"),
                ({"return_path": "a@client.test>\r\n"}, "/return_path"),
                ({"attachments": [{"filename": "a\r\nb", "content": ""}]},
                 "/attachments/0/filename"),
                ({"attachments": [{"filename": "a", "content": "", "content_type": evil}]},
                 "/attachments/0/content_type"),
                ({"attachments": [{"filename": "a", "content": "", "content_id": evil}]},
                 "/attachments/0/content_id")):
            answer = self.client.send(**fields)
            self.assertEqual(answer.status, 422, f"{fields}: {answer}")
            pointers = [e["pointer"] for e in answer.json["errors"]]
            self.assertTrue(any(p.startswith("#" + pointer.split("\\")[0]) for p in pointers),
                            f"{fields}: {pointers}")

    def test_attachments_that_are_none(self):
        for name in ("../../etc/passwd", "/etc/passwd", "C:\\x.exe", "..", "."):
            self.assertProblem(self.client.send(
                attachments=[{"filename": name, "content": "aGk="}]),
                422, "invalid-request", "/attachments/0/filename")
        for content in ("!!!", "aGk", "aGk=\x00", "aGk==", "a"):
            if content == "aGk":
                continue  # missing padding is forgiven
            self.assertProblem(self.client.send(
                attachments=[{"filename": "a", "content": content}]),
                422, "invalid-request", "/attachments/0/content")
        self.assertProblem(self.client.send(attachments=[{"filename": "a"}]), 422,
                           "invalid-request", "/attachments/0/content")
        self.assertProblem(self.client.send(
            attachments=[{"filename": "a", "content": "", "content_type": "message/rfc822"}]),
            422, "invalid-request", "/attachments/0/content_type")

    def test_wrong_shapes(self):
        for fields, pointer in (
                ({"to": None}, "/to"), ({"to": []}, "/to"), ({"to": "nobody"}, "/to"),
                ({"to": 1}, "/to"), ({"to": ["a@dest.test", {}]}, "/to/1/email"),
                ({"to": "a@dest..test b"}, "/to/0"), ({"to": "<a@dest.test"}, "/to"),
                ({"text": None}, "/text"), ({"text": 1}, "/text"), ({"from": None}, "/from"),
                ({"tags": "x"}, "/tags"), ({"tags": ["x"] * 21}, "/tags"),
                ({"metadata": "x"}, "/metadata"), ({"metadata": {"a": "x" * 11000}}, "/metadata"),
                ({"send_at": "soon"}, "/send_at"), ({"charset": "KOI8-R"}, "/charset"),
                ({"txet": "x"}, "/txet"), ({"subject": "x" * 3000}, "/subject"),
                ({"to": [f"u{i}@dest.test" for i in range(1001)]}, "/to"),
                ({"headers": {f"X-{i}": "v" for i in range(51)}}, "/headers")):
            answer = self.client.send(**fields)
            self.assertProblem(answer, 422, "invalid-request", pointer)

    def test_json_that_is_none(self):
        for raw in (b"", b"{", b"[]", b"{\"a\":1,\"a\":2}", b"{\"a\":\"\\ud800\"}", b"\xff\xfe",
                    b"{" * 100_000, b"[" * 100_000, b'{"a":' * 100_000, b"{}x",
                    b'{"subject":"\xed\xa0\x80"}'):
            answer = self.client.ask("POST", "/v1/messages", raw=raw,
                                     headers={"Content-Type": "application/json"})
            self.assertProblem(answer, 400, "not-json")
        self.assertProblem(self.client.ask("POST", "/v1/messages", raw=b"a=b", headers={
            "Content-Type": "application/x-www-form-urlencoded"}), 415, "unsupported-media-type")

    def test_bodies_and_headers_that_are_too_much(self):
        def said(octets):
            with socket.create_connection((LOOPBACK, self.relay_.http), 10) as s:
                s.sendall(octets)
                s.settimeout(20)
                heard = b""
                while b"\r\n\r\n" not in heard:
                    more = s.recv(65536)
                    if not more:
                        break
                    heard += more
            return heard.split(b"\r\n")[0]
        head = (b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                % self.client.key.encode())
        self.assertIn(b" 413 ", said(head + b"Content-Length: 100000000\r\n\r\n"))
        self.assertIn(b" 401 ", said(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\n"
                                     b"Content-Length: 50000000\r\n\r\n"))
        self.assertIn(b" 400 ", said(head + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n"))
        self.assertRegex(said(head + b"Content-Length: 5\r\n"
                              b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), b" (400|501) ")
        self.assertIn(b" 431 ", said(head + b"X: " + b"a" * 100_000 + b"\r\n\r\n"))
        self.assertIn(b" 400 ", said(head + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n"))

    def test_texts_in_japanese(self):
        answer = self.client.ask("POST", "/v1/messages", {"from": "a@client.test"},
                                 headers={"Accept-Language": "ja"})
        self.assertIn("宛先が必要です", [e["detail"] for e in answer.json["errors"]])
        self.assertEqual(answer.headers["Content-Language"], "ja")

    def test_raw_messages_that_are_none(self):
        for body, pointer in (
                ({"recipients": ["b@dest.test"], "message": "x"}, "/return_path"),
                ({"return_path": "", "recipients": [], "message": "x"}, "/recipients"),
                ({"return_path": "", "recipients": ["x"], "message": "x"}, "/recipients/0"),
                ({"return_path": "bad", "recipients": ["b@dest.test"], "message": "x"},
                 "/return_path"),
                ({"return_path": "", "recipients": ["b@dest.test"]}, "/message"),
                ({"return_path": "", "recipients": ["b@dest.test"], "message": ""}, "/message"),
                ({"return_path": "", "recipients": ["b@dest.test"], "message": "a\x00b"},
                 "/message"),
                ({"return_path": "", "recipients": ["b@dest.test"], "message_base64": "?"},
                 "/message_base64"),
                ({"return_path": "", "recipients": ["b@dest.test"], "message": "x", "y": 1},
                 "/y")):
            self.assertProblem(self.client.post("/v1/messages/raw", body), 422, "invalid-request",
                               pointer)


if __name__ == "__main__":
    support.main()
