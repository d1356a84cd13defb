"""Goal: a program follows its events as they happen, loses none when its connection ends, and can
neither see others' nor hold the relay up.
Method: server-sent events read from a socket, as a browser's EventSource would."""
import json
import socket

import support
from httpapi import Client, HttpApi
from support import LOOPBACK, SLOW, eventually


class Stream:
    """One connection to /v1/events/stream; reads an event at a time."""

    def __init__(self, client, query="", last=None, receive=None):
        self.socket = socket.socket()
        if receive:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.socket.settimeout(30 * SLOW)
        self.socket.connect((LOOPBACK, client.port))
        last = f"Last-Event-ID: {last}\r\n" if last else ""
        self.socket.sendall(f"GET /v1/events/stream{query} HTTP/1.1\r\nHost: x\r\n{last}"
                            f"Authorization: Bearer {client.key}\r\n\r\n".encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while (line := self.file.readline().strip()):
            name, value = line.decode().split(": ", 1)
            self.headers[name.lower()] = value
        self.last = None

    def next(self):
        """(event, data), remembering the id; comments and empty events are passed."""
        event, data = None, None
        while True:
            line = self.file.readline().decode()
            if line == "":
                return None
            line = line.rstrip("\n")
            if line == "":
                if data is not None:
                    return event, json.loads(data)
                event = None
                continue
            name, _, value = line.partition(": ")
            if name == "id":
                self.last = value
            elif name == "event":
                event = value
            elif name == "data":
                data = value

    def begun(self):
        """Until the first id has come: what happens from here on is seen."""
        while self.last is None:
            line = self.file.readline().decode()
            if line.startswith("id: "):
                self.last = line[4:].strip()
            elif line == "id:\n":
                self.last = ""
        return self

    def close(self):
        self.file.close()
        self.socket.close()


class EventStream(HttpApi):
    def stream(self, client, *arguments, **more):
        stream = Stream(client, *arguments, **more)
        self.addCleanup(stream.close)
        return stream

    def test_events_come_as_they_happen_and_go_on_where_they_ended(self):
        relay, peer, client = self.relay_with_api()
        stream = self.stream(client)
        self.assertEqual(stream.status, 200)
        self.assertEqual(stream.headers["content-type"], "text/event-stream; charset=utf-8")
        self.assertNotIn("content-length", stream.headers)
        stream.begun()
        sent = client.send(subject="ご注文").json["id"]
        kinds = []
        while len(kinds) < 2:
            kind, event = stream.next()
            kinds.append(kind)
            self.assertEqual((event["message"], event["kind"]), (sent, kind))
        self.assertEqual(kinds, ["accepted", "delivered"])
        self.assertEqual(event["subject"], "ご注文")
        behind = stream.last
        stream.close()
        # What happens while nobody listens comes first, once.
        missed = client.send(to="missed@dest.test").json["id"]
        relay.wait_for_event("missed@dest.test", "delivered")
        again = self.stream(client, last=behind)
        got = [again.next() for _ in range(2)]
        self.assertEqual([e["message"] for _, e in got], [missed, missed])
        # The same by a parameter, for those who cannot set headers.
        third = self.stream(client, "?kind=delivered&cursor=" + behind)
        self.assertEqual(third.next()[1]["message"], missed)
        self.assertEqual(eventually(lambda: relay.metric("ekiden_event_streams") == 2), True)

    def test_filters_and_other_tenants(self):
        relay, peer, client = self.relay_with_api()
        relay.cli("tenant", "add", "stranger")
        other = Client(relay.http, self.key(relay, "other", "--tenant", "stranger"))
        eventually(lambda: other.get("/v1/key").status == 200)
        theirs = self.stream(other).begun()
        mine = self.stream(client, "?recipient=b@dest.test&kind=delivered").begun()
        client.send(to="a@dest.test")
        client.send(to="b@dest.test")
        kind, event = mine.next()
        self.assertEqual((kind, event["recipient"]), ("delivered", "b@dest.test"))
        other.send(to="c@dest.test")
        self.assertEqual(theirs.next()[1]["recipient"], "c@dest.test")

    def test_what_cannot_be_followed_is_refused(self):
        relay, peer, client = self.relay_with_api()
        path = "/v1/events/stream"
        self.assertProblem(client.get(path, headers={"Last-Event-ID": "nonsense"}), 422,
                           "invalid-request", "/cursor")
        for bad in ("?from=2026-11-22T00:00:00Z", "?status=queued", "?kind=eaten", "?color=red"):
            self.assertProblem(client.get(path + bad), 422, "invalid-request")
        self.assertEqual(Client(relay.http).get(path).status, 401)
        self.assertEqual(client.ask("HEAD", path).status, 200)
        blind = Client(relay.http, self.key(relay, "blind", "--scope", "messages:send"))
        self.assertProblem(eventually(lambda: (a := blind.get(path)).status == 403 and a), 403,
                           "forbidden")
        streams = [self.stream(client).begun() for _ in range(8)]
        self.assertProblem(client.get(path), 429, "rate-limited")
        streams.pop().close()
        eventually(lambda: relay.metric("ekiden_event_streams") == 7)
        self.stream(client).begun()

    def test_a_reader_that_does_not_read_costs_nothing(self):
        relay, peer, client = self.relay_with_api()
        stuck = self.stream(client, receive=4096).begun()
        for _ in range(3):
            client.send(to=[f"r{i}@dest.test" for i in range(500)], subject="x" * 150)
        # Mail and others' questions go on meanwhile.
        other = self.stream(client).begun()
        client.send(to="late@dest.test")
        relay.wait_for_event("late@dest.test", "delivered")
        while other.next()[1]["recipient"] != "late@dest.test":
            pass
        relay.stop()
        self.assertEqual(stuck.status, 200)

    def test_streams_end_with_the_relay(self):
        relay, peer, client = self.relay_with_api()
        stream = self.stream(client).begun()
        relay.stop()
        self.assertIsNone(stream.next())


if __name__ == "__main__":
    support.main()
