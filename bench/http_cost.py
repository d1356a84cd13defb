#!/usr/bin/env python3
"""CPU of the relay for a message over HTTP against the same message over SMTP.

One relay that discards what it takes, so that only accepting costs; one connection each, every
answer awaited. Prints one JSON object: CPU microseconds a message, the spread, and the ratio.

Usage: bench/http_cost.py [--messages N] [--octets N]      EKIDEN_BINARY names the binary
"""
import argparse
import http.client
import json
import os
import pathlib
import smtplib
import statistics
import subprocess
import sys
import tempfile
import time

from bed import BINARY, cpu_s, free_port, wait_until_it_greets

ROUNDS = 5


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=2000)
    options.add_argument("--octets", type=int, default=10 * 1024)
    given = options.parse_args()
    line = "The quick brown fox jumps over the lazy dog, and again.\n"
    text = (line * (given.octets // len(line) + 1))[:given.octets]
    with tempfile.TemporaryDirectory(prefix="ekiden-http-cost-") as folder:
        smtp_port, http_port = free_port(), free_port()
        config = pathlib.Path(folder) / "ekiden.toml"
        config.write_text(f"""
[node]
hostname = "relay.test"
data_dir = "{folder}/data"
workers = 2
[[listener]]
address = "127.0.0.1:{smtp_port}"
service = "relay"
tls = "off"
trusted_networks = ["127.0.0.0/8"]
[[http]]
address = "127.0.0.1:{http_port}"
services = ["api"]
[[route]]
domains = ["*"]
next_hop = "discard"
[limits]
message_rate = "off"
[log]
level = "warning"
""")
        os.mkdir(f"{folder}/data")
        made = subprocess.run([BINARY, "key", "create", "bench", "--json", "--config", config],
                              check=True, capture_output=True, text=True)
        key = json.loads(made.stdout)["key"]
        relay = subprocess.Popen([BINARY, "serve", "--config", config],
                                 stderr=subprocess.DEVNULL)
        try:
            wait_until_it_greets(smtp_port, relay)
            wait_until_it_greets(http_port, relay, greeting=b"")
            mail = (f"From: a@client.test\r\nTo: b@dest.test\r\nSubject: hello\r\n"
                    f"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
                    + text.replace("\n", "\r\n"))
            body = json.dumps({"from": "a@client.test", "to": "b@dest.test", "subject": "hello",
                               "text": text})
            headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}

            def over_smtp(count):
                with smtplib.SMTP("127.0.0.1", smtp_port, local_hostname="client.test") as client:
                    for _ in range(count):
                        client.sendmail("a@client.test", ["b@dest.test"], mail)

            def over_http(count):
                client = http.client.HTTPConnection("127.0.0.1", http_port)
                for _ in range(count):
                    client.request("POST", "/v1/messages", body, headers)
                    answer = client.getresponse()
                    if answer.status != 202:
                        sys.exit(f"{answer.status}: {answer.read()[:300]}")
                    answer.read()
                client.close()

            stat = f"/proc/{relay.pid}/stat"
            figures = {"smtp": [], "http": []}
            over_smtp(200)
            over_http(200)
            for _ in range(ROUNDS):
                for name, send in (("smtp", over_smtp), ("http", over_http)):
                    before = cpu_s(stat)
                    send(given.messages)
                    time.sleep(0.3)  # what follows the answer: disposition, events
                    figures[name].append((cpu_s(stat) - before) * 1e6 / given.messages)
        finally:
            relay.terminate()
            relay.wait(20)
        medians = {name: statistics.median(values) for name, values in figures.items()}
        print(json.dumps({
            "octets": given.octets, "messages": given.messages, "rounds": ROUNDS,
            "smtp_us": round(medians["smtp"], 1), "http_us": round(medians["http"], 1),
            "smtp_all": [round(v, 1) for v in figures["smtp"]],
            "http_all": [round(v, 1) for v in figures["http"]],
            "ratio": round(medians["http"] / medians["smtp"], 2)}))


if __name__ == "__main__":
    main()
