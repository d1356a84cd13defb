#!/usr/bin/python3
"""How many recipients a second a batch with merge data is accepted at, apart from sending them.

    EKIDEN_BINARY=build/release/ekiden bench/batches.py [BATCHES] [RECIPIENTS]

One client posts batches one after the other to a relay of its own whose mail is discarded; counted
is from the first request to the last 202, each of which means durable. The relay's CPU time is told
beside it, since a busy machine lies about the rest, and then how long it took until every recipient
had a message that had left.
"""
import http.client
import json
import sys
import tempfile
import time

from http_node import Node


def main():
    batches = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    recipients = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
    with tempfile.TemporaryDirectory() as folder:
        node = Node(folder)
        node.start()
        try:
            content = {"from": "News <news@client.test>", "subject": "Hello {{name}}",
                       "text": "Dear {{name}},\n" + "your code is {{code}}. " * 100,
                       "html": "<p>Dear {{name}},</p>" + "<p>{{code}}</p>" * 100}
            bodies = [json.dumps({"content": content, "recipients": [
                {"to": f"user{n}-{i}@dest{i % 50}.test", "data": {"name": f"Name {i}", "code": i}}
                for i in range(recipients)]}).encode() for n in range(batches)]
            client = http.client.HTTPConnection("127.0.0.1", node.port, timeout=60)
            headers = {**node.headers, "Content-Type": "application/json"}
            before, cpu = time.monotonic(), node.cpu()
            jobs = []
            for body in bodies:
                client.request("POST", "/v1/messages/batch", body, headers)
                answer = client.getresponse()
                text = answer.read()
                if answer.status != 202:
                    raise SystemExit(f"{answer.status} {text[:300]}")
                jobs.append(json.loads(text)["job"])
            wall, used = time.monotonic() - before, node.cpu() - cpu
            count = batches * recipients
            print(f"accepted {count} recipients in {wall:.2f} s: {count / wall:,.0f}/s; "
                  f"{used:.2f} s CPU with what was sent meanwhile")
            left = set(jobs)
            while left:
                time.sleep(0.2)
                for job in list(left):
                    client.request("GET", f"/v1/jobs/{job}", headers=headers)
                    if json.loads(client.getresponse().read())["state"] == "done":
                        left.discard(job)
            wall, used = time.monotonic() - before, node.cpu() - cpu
            print(f"expanded and discarded after {wall:.2f} s: {count / wall:,.0f}/s; "
                  f"{used / count * 1e6:.0f} µs CPU each")
        finally:
            node.stop()


main()
