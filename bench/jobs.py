#!/usr/bin/python3
"""What a bulk job of a million recipients costs, from its list to its last message, and whether it
survives: memory, CPU time, rows a second; pause and resume; `kill -9` in the middle.

    EKIDEN_BINARY=build/release/ekiden bench/jobs.py [--rows N] [--format csv|sjis|jsonl] [--kills N]

A relay of its own takes the list in requests of 10 MB, commits the job, is paused for a moment and
killed N times while it expands. Mail is discarded. At the end the events of every recipient are
counted: one `accepted` and one end.
"""
import argparse
import array
import json
import pathlib
import random
import re
import subprocess
import tempfile
import time

from http_node import Node, support

REQUEST_OCTETS = 10_000_000
CONTENT = {"from": "News <news@client.test>", "subject": "{{name}}様へのお知らせ",
           "text": "{{name}} 様\n" + "コードは {{code}} です。" * 50,
           "html": "<p>{{name}}</p>" + "<p>{{code}}</p>" * 50}
ENDS = {"delivered", "bounced", "expired", "suppressed", "cancelled"}


class Relay(Node):
    def memory(self, name="VmHWM"):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+)", text)[1]) / 1024

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


def lists(rows, form):
    """The list in requests, about so many octets each."""
    kind = "application/x-ndjson" if form == "jsonl" else "text/csv"
    head = "" if form == "jsonl" else "email,name,code\n"
    part = [head]
    size = 0
    for i in range(rows):
        line = (json.dumps({"to": f"u{i}@dest{i % 500}.test",
                            "data": {"name": f"名前{i}", "code": i}}, ensure_ascii=False) + "\n"
                if form == "jsonl" else f'u{i}@dest{i % 500}.test,"名前{i}",{i}\n')
        part.append(line)
        size += len(line)
        if size > REQUEST_OCTETS or i == rows - 1:
            yield "".join(part).encode("cp932" if form == "sjis" else "utf-8"), kind
            part, size = [head], 0


def counted(node, rows):
    """How often each recipient has each kind of event; what is wrong with it."""
    kinds = {"accepted": array.array("B", bytes(rows)), "end": array.array("B", bytes(rows))}
    export = subprocess.Popen([support.BINARY, "events", "export", "--config", str(node.config)],
                              stdout=subprocess.PIPE, text=True)
    for line in export.stdout:
        event = json.loads(line)
        found = re.match(r"u(\d+)@", event.get("recipient", ""))
        kind = "end" if event["kind"] in ENDS else event["kind"]
        if found and kind in kinds:
            kinds[kind][int(found[1])] += 1
    if export.wait() != 0:
        raise SystemExit("events export failed")
    return {kind: {n: seen.count(n) for n in sorted(set(seen))} for kind, seen in kinds.items()}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--format", choices=("csv", "sjis", "jsonl"), default="csv")
    options.add_argument("--kills", type=int, default=0)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        node = Relay(folder)
        node.start()
        idle = node.memory("VmRSS")
        job = "/v1/jobs/" + node.ask("POST", "/v1/jobs", json.dumps({"content": CONTENT}))["id"]
        before, cpu, taken, longest = time.monotonic(), node.cpu(), 0, 0
        for octets, kind in lists(given.rows, given.format):
            began = time.monotonic()
            taken += node.ask("POST", job + "/recipients", octets, kind)["imported"]
            longest = max(longest, time.monotonic() - began)
        wall, used = time.monotonic() - before, node.cpu() - cpu
        print(f"imported {taken} of {given.rows} rows in {wall:.1f} s, the longest request "
              f"{longest:.1f} s; {used / taken * 1e6:.1f} µs CPU each; memory {idle:.0f} MiB idle, "
              f"at most {node.memory():.0f}", flush=True)

        node.forget_peak()
        before, cpu = time.monotonic(), node.cpu()
        node.ask("POST", job + "/commit", "{}")
        peak, chance, kills, has_paused, stepped = 0, random.Random(1), given.kills, False, 0
        while True:
            time.sleep(0.2)
            state = node.ask("GET", job)
            counts = state["counts"]
            begun = given.rows - counts["waiting"]
            if begun > stepped:
                stepped += given.rows // 10
                print(f"  {begun} rows begun after {time.monotonic() - before:.1f} s, "
                      f"{node.cpu() - cpu:.1f} s CPU, {node.memory('VmRSS'):.0f} MiB", flush=True)
            if begun >= given.rows // 4 and not has_paused and state["state"] != "done":
                has_paused = True
                node.ask("POST", job + "/pause")
                # What was under way when it was paused still arrives.
                time.sleep(2)
                still = [node.ask("GET", job)["counts"]["waiting"] for _ in range(2)
                         if not time.sleep(2)]
                print(f"  paused: {still[0]} waiting, {still[1]} two seconds later", flush=True)
                node.ask("POST", job + "/resume")
            if kills and begun > given.rows * (given.kills - kills + 1) / (given.kills + 2):
                kills -= 1
                peak = max(peak, node.memory())
                time.sleep(chance.uniform(0, 0.5))
                node.kill()
                print(f"  killed; up again after {node.start():.1f} s", flush=True)
            if state["state"] == "done":
                break
        peak = max(peak, node.memory())
        wall, used = time.monotonic() - before, node.cpu() - cpu
        print(f"all discarded after {wall:.1f} s: "
              f"{given.rows / wall:,.0f}/s; {used / given.rows * 1e6:.0f} µs CPU each; memory at "
              f"most {peak:.0f} MiB, now {node.memory('VmRSS'):.0f}", flush=True)
        print("counts", counts)
        node.stop()
        print("each recipient has of each kind of event:", counted(node, given.rows))


main()
