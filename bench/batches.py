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
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/scenarios"))
import support  # noqa: E402


def cpu_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    batches = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    recipients = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
    with tempfile.TemporaryDirectory() as folder:
        http_port = support.free_port()
        config = pathlib.Path(folder, "ekiden.toml")
        config.write_text(f"""
[node]
hostname = "bench.test"
data_dir = "{folder}/data"
workers = 2
[[http]]
address = "127.0.0.1:{http_port}"
services = ["api", "metrics"]
[[route]]
domains = ["*"]
next_hop = "discard"
[log]
level = "warning"
""")
        pathlib.Path(folder, "data").mkdir(mode=0o750)
        run = lambda *a: subprocess.run([support.BINARY, *a, "--config", str(config)], check=True,
                                        capture_output=True, text=True).stdout
        key = json.loads(run("key", "create", "bench", "--json"))["key"]
        relay = subprocess.Popen([support.BINARY, "serve", "--config", str(config)])
        try:
            content = {"from": "News <news@client.test>", "subject": "Hello {{name}}",
                       "text": "Dear {{name}},\n" + "your code is {{code}}. " * 100,
                       "html": "<p>Dear {{name}},</p>" + "<p>{{code}}</p>" * 100}
            bodies = [json.dumps({"content": content, "recipients": [
                {"to": f"user{n}-{i}@dest{i % 50}.test", "data": {"name": f"Name {i}", "code": i}}
                for i in range(recipients)]}).encode() for n in range(batches)]
            client = None
            while client is None:
                try:
                    client = http.client.HTTPConnection("127.0.0.1", http_port, timeout=60)
                    client.connect()
                except OSError:
                    client = None
                    time.sleep(0.1)
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            before, cpu = time.monotonic(), cpu_of(relay.pid)
            jobs = []
            for body in bodies:
                client.request("POST", "/v1/messages/batch", body, headers)
                answer = client.getresponse()
                text = answer.read()
                if answer.status != 202:
                    raise SystemExit(f"{answer.status} {text[:300]}")
                jobs.append(json.loads(text)["job"])
            wall, used = time.monotonic() - before, cpu_of(relay.pid) - cpu
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
            wall, used = time.monotonic() - before, cpu_of(relay.pid) - cpu
            print(f"expanded and discarded after {wall:.2f} s: {count / wall:,.0f}/s; "
                  f"{used / count * 1e6:.0f} µs CPU each")
        finally:
            relay.terminate()
            relay.wait()


main()
