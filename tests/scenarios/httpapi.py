"""A client of the HTTP API for scenarios: http.client and nothing else."""
import http.client
import json
import re

import support
from support import LOOPBACK, SLOW

try:
    import jsonschema
except ImportError:
    jsonschema = None


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
    timeout = 20 * SLOW

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
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=self.timeout)
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


def is_of_sending(path):
    """Of mail and what became of it; http_description_test asks those, http_admin_test the others."""
    return path.split("/")[2] in ("messages", "key", "events", "stats", "openapi.json", "jobs",
                                  "templates")


class Document:
    """The OpenAPI document that a relay serves; answers are held to it."""

    def __init__(self, port):
        self.json = Client(port).get("/v1/openapi.json").json
        self.seen = set()
        # Literal segments win, so the path with the most of them is asked first.
        self.patterns = [(path, re.compile("^" + re.sub(r"{\w+}", "[^/]+", path) + "$"))
                         for path in sorted(self.json["paths"], key=lambda p: p.count("{"))]

    def routes(self):
        return {(method, path) for path, item in self.json["paths"].items() for method in item}

    def check(self, answer, method, path):
        """`path` as it was asked, or as the document has it."""
        bare = path.split("?")[0]
        path = next((p for p, pattern in self.patterns if p == bare or pattern.match(bare)), None)
        assert path, f"{bare} is not described"
        responses = self.json["paths"][path][method]["responses"]
        assert str(answer.status) in responses, f"{method} {path}: {answer}"
        response = responses[str(answer.status)]
        if "$ref" in response:
            response = self.json["components"]["responses"][response["$ref"].split("/")[-1]]
        self.seen.add((method, path))
        if "content" not in response:
            assert answer.body == b"", answer
            return
        content = answer.headers["Content-Type"]
        if content not in response["content"]:
            content = content.split(";")[0]
        schema = response["content"][content]["schema"]
        if "json" in content and "nd" not in content:
            self._validate(schema, answer.json)

    def check_request(self, body, path):
        content = self.json["paths"][path]["post"]["requestBody"]["content"]
        self._validate(content["application/json"]["schema"], body)

    def _validate(self, schema, value):
        if jsonschema is None:
            return
        resolver = jsonschema.RefResolver("", self.json)
        jsonschema.Draft202012Validator(schema, resolver=resolver).validate(value)


class HeldClient(Client):
    """A client whose every answer is held to the document."""

    def __init__(self, document, *arguments, **more):
        super().__init__(*arguments, **more)
        self.document = document

    def ask(self, method, path, body=None, headers=None, raw=None):
        answer = super().ask(method, path, body, headers, raw)
        self.document.check(answer, method.lower(), path)
        return answer


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
