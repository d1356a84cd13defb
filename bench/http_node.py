"""A relay with the HTTP API, for the benchmarks of jobs and batches (not one of them itself)."""
import http.client
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/scenarios"))
import support  # noqa: E402

DISCARD = """
[[route]]
domains = ["*"]
next_hop = "discard"
"""


def cpu_of(*pids):
    """Seconds of CPU that these processes have used."""
    total = 0.0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


class Node:
    """`settings`: more of its configuration; by default all mail is discarded."""

    def __init__(self, folder, settings=DISCARD):
        self.folder, self.port = pathlib.Path(folder), support.free_port()
        self.config = self.folder / "ekiden.toml"
        self.config.write_text(f"""
[node]
hostname = "bench.test"
data_dir = "{folder}/data"
workers = 2
[[http]]
address = "127.0.0.1:{self.port}"
services = ["api", "metrics"]
[log]
level = "warning"
{settings}""")
        (self.folder / "data").mkdir(mode=0o750)
        self.key = json.loads(self.run("key", "create", "bench", "--json"))["key"]
        self.headers = {"Authorization": f"Bearer {self.key}"}
        self.process, self._used = None, 0.0

    def run(self, *arguments):
        return subprocess.run([support.BINARY, *arguments, "--config", str(self.config)],
                              check=True, capture_output=True, text=True).stdout

    def start(self):
        """Seconds until it answers."""
        began = time.monotonic()
        self.process = subprocess.Popen([support.BINARY, "serve", "--config", str(self.config)])
        while True:
            try:
                self.ask("GET", "/v1/key")
                return time.monotonic() - began
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit("the relay ended")
                time.sleep(0.05)

    def kill(self):
        self._used = self.cpu()
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def cpu(self):
        """Of all of its processes so far."""
        return self._used + cpu_of(self.process.pid)

    def ask(self, method, path, body=None, kind="application/json"):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        try:
            client.request(method, path, body, {**self.headers, "Content-Type": kind})
            answer = client.getresponse()
            text = answer.read()
        finally:
            client.close()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {text[:300]}")
        return json.loads(text)
