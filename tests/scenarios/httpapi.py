"""A client of the HTTP API for scenarios: http.client and nothing else."""
import http.client
import json

import support
from support import LOOPBACK, SLOW


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def problem(self):
        """The code of a problem (RFC 9457), or what came instead."""
        if self.headers.get("Content-Type") != "application/problem+json":
            return f"{self.status} {self.body[:300]!r}"
        return self.json["type"].removeprefix("urn:ekiden:problem:")

    def __repr__(self):
        return f"{self.status} {self.body[:1000]!r}"


class Client:
    """One API key's holder."""

    def __init__(self, port, key=None, headers=None):
        self.port, self.key, self.headers = port, key, headers or {}

    def ask(self, method, path, body=None, headers=None, raw=None):
        given = dict(self.headers)
        if self.key:
            given["Authorization"] = f"Bearer {self.key}"
        if raw is None and body is not None:
            raw = json.dumps(body).encode()
            given.setdefault("Content-Type", "application/json")
        given.update(headers or {})
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=20 * SLOW)
        try:
            connection.request(method, path, body=raw, headers=given)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.ask("POST", path, body, **more)

    def send(self, **fields):
        """POST /v1/messages with something in every field that is needed."""
        message = {"from": "Shop <shop@client.test>", "to": "b@dest.test", "subject": "hello",
                   "text": "hello\n"}
        message.update(fields)
        return self.post("/v1/messages", {k: v for k, v in message.items() if v is not None})


class HttpApi(support.Scenario):
    def relay_with_api(self, *flags, **listener):
        """A relay with the API before a peer; the relay, the peer and a client with a key."""
        peer = self.peer()
        relay = self.relay()
        relay.settings["http"][0]["services"] = ["api", "metrics"]
        relay.settings["http"][0].update(listener)
        relay.route_to(peer.port)
        relay.write()
        client = Client(relay.http, self.key(relay, "shop", *flags))
        relay.start()
        return relay, peer, client

    @staticmethod
    def key(relay, name, *flags):
        return relay.json("key", "create", name, *flags)["key"]

    def assertProblem(self, answer, status, code, pointer=None):
        self.assertEqual((answer.status, answer.problem), (status, code), answer)
        if pointer:
            self.assertIn("#" + pointer, [e["pointer"] for e in answer.json["errors"]], answer)
