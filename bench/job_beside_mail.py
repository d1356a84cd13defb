#!/usr/bin/python3
"""What a running bulk job costs transactional mail: times to 250 and to delivery, with and without.

    EKIDEN_BINARY=build/release/ekiden bench/job_beside_mail.py [ROWS] [SECONDS]

A client sends a message every 50 ms, over SMTP and by POST /v1/messages with an Idempotency-Key in
turn, for so many seconds without a job, then as long as a job of so many recipients is being
expanded and delivered to the same next hop, then without again. Times to 250 (or 202) are the
client's; from there to delivery, the relay's own by its events. The CPU time that others took meanwhile
is told, since a busy machine lies about all of it.
"""
import http.client
import json
import pathlib
import smtplib
import subprocess
import sys
import tempfile
import time

from http_node import Node, cpu_of, support

EVERY = 0.05
CONTENT = {"from": "News <news@client.test>", "subject": "{{name}}",
           "text": "Dear {{name}},\n" + "your code is {{code}}. " * 100,
           "html": "<p>Dear {{name}},</p>" + "<p>{{code}}</p>" * 100}


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] if values else 0


def busy_seconds():
    fields = [int(f) for f in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    return (sum(fields) - fields[3] - fields[4]) / 100


class Bed(Node):
    """Mail comes by SMTP too, and leaves for a sink."""

    def __init__(self, folder):
        self.smtp, sink = support.free_port(), support.free_port()
        super().__init__(folder, f"""
[[listener]]
address = "127.0.0.1:{self.smtp}"
service = "relay"
tls = "off"
trusted_networks = ["127.0.0.0/8"]
[delivery]
private_next_hops = "allow"
[[route]]
domains = ["*"]
next_hop = "127.0.0.1:{sink}"
""")
        self.sink = subprocess.Popen([support.BINARY, "sink", "--listen", f"127.0.0.1:{sink}"],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.start()

    def stop(self):
        super().stop()
        self.sink.terminate()
        self.sink.wait()

    def send_while(self, name, goes_on):
        """A message every 50 ms as long as `goes_on` says; their times to 250."""
        taken, number, smtp = ([], []), 0, smtplib.SMTP("127.0.0.1", self.smtp)
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        due = time.monotonic()
        pids = [self.process.pid, self.sink.pid]
        before = busy_seconds(), cpu_of(*pids), time.monotonic()
        while goes_on():
            due = max(due + EVERY, time.monotonic() - 1)
            time.sleep(max(0, due - time.monotonic()))
            to, text = f"{name}{number}@person.test", ("x" * 78 + "\r\n") * 20
            mail = f"From: reset@client.test\r\nSubject: {name}\r\n\r\n" + text
            posted = json.dumps({"from": "reset@client.test", "to": to, "subject": name,
                                 "text": text, "stream": "transactional"})
            began = time.monotonic()
            if number % 2 == 0:
                smtp.sendmail("reset@client.test", [to], mail)
            else:
                client.request("POST", "/v1/messages", posted, {
                    **self.headers, "Content-Type": "application/json", "Idempotency-Key": to})
                answer = client.getresponse()
                if answer.status != 202:
                    raise SystemExit(f"{answer.status} {answer.read()[:300]}")
                answer.read()
            taken[number % 2].append(time.monotonic() - began)
            number += 1
        wall = time.monotonic() - before[2]
        ours = cpu_of(*pids) - before[1]
        smtp.quit()
        return taken, wall, ours, busy_seconds() - before[0] - ours

    def delays(self, name):
        """Seconds from acceptance to delivery of the messages of this name."""
        begun, ended = {}, {}
        lines = self.run("events", "export", "--domain", "person.test").splitlines()
        for line in lines:
            event = json.loads(line)
            to = event.get("recipient", "")
            if not to.startswith(name):
                continue
            stamp = event["time"]
            seconds = (int(stamp[8:10]) * 86400 + int(stamp[11:13]) * 3600 + int(stamp[14:16]) * 60 +
                       float(stamp[17:-1]))
            (begun if event["kind"] == "accepted" else ended).setdefault(to, (event["kind"], seconds))
        return [ended[to][1] - at for to, (_, at) in begun.items()
                if to in ended and ended[to][0] == "delivered"], len(begun)


def main():
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 20
    with tempfile.TemporaryDirectory() as folder:
        bed = Bed(folder)
        try:
            def for_a_while():
                end = time.monotonic() + seconds
                return lambda: time.monotonic() < end
            found = {"before": bed.send_while("before", for_a_while())}
            job = bed.ask("POST", "/v1/jobs", json.dumps({"content": CONTENT}))["id"]
            for first in range(0, rows, 50_000):
                bed.ask("POST", f"/v1/jobs/{job}/recipients", json.dumps({"recipients": [
                    {"to": f"u{i}@dest{i % 50}.test", "data": {"name": f"N{i}", "code": i}}
                    for i in range(first, min(rows, first + 50_000))]}))
            bed.ask("POST", f"/v1/jobs/{job}/commit", "{}")
            last = [0.0, False]

            def is_running():
                if time.monotonic() - last[0] > 1:
                    last[:] = time.monotonic(), bed.ask("GET", f"/v1/jobs/{job}")["state"] == "done"
                return not last[1]
            found["beside"] = bed.send_while("beside", is_running)
            found["after"] = bed.send_while("after", for_a_while())
            time.sleep(3)
            print(f"{rows} rows delivered in {found['beside'][1]:.0f} s")
            for name, (taken, wall, ours, others) in found.items():
                delays, accepted = bed.delays(name)
                ms = lambda values, part: f"{percentile(values, part) * 1000:.1f}"
                print(f"{name}: {accepted} messages; ms to 250 p50 {ms(taken[0], .5)} p99 "
                      f"{ms(taken[0], .99)}, to 202 p50 {ms(taken[1], .5)} p99 "
                      f"{ms(taken[1], .99)}; to delivery p50 {ms(delays, .5)} p99 "
                      f"{ms(delays, .99)} max {ms(delays, 1)} ({len(delays)} delivered); CPU "
                      f"{ours / wall:.2f} of ours, {others / wall:.2f} of others", flush=True)
        finally:
            bed.stop()


main()
