"""A zone that others sign and serve: ldns-signzone and nsd, on loopback."""
import re
import socket
import subprocess
import time

import interop
from nameserver import NameServer
from support import LOOPBACK, eventually

DAY = 86400
KEY_TYPE = "ECDSAP256SHA256"


def stamp(when):
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(when))


class NsdZone:
    """As support's SignedNameServer is used: the root, and all below it, with one key.

    Names in `expired` have signatures of last year; `forged` maps (name, type) to what is served
    instead of what was signed. What is said after `serve` is not heard.
    """

    def __init__(self, scenario):
        self.programs = {name: interop.find(name, package) for name, package in (
            ("nsd", "nsd"), ("ldns-keygen", "ldnsutils"), ("ldns-signzone", "ldnsutils"))}
        self.scenario, self.folder = scenario, scenario.folder / "nsd"
        self.folder.mkdir()
        self.records, self.forged, self.expired, self.server = {}, {}, set(), None
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            self.port = probe.getsockname()[1]
        made = subprocess.run([self.programs["ldns-keygen"], "-a", KEY_TYPE, "-k", "."],
                              cwd=self.folder, check=True, capture_output=True, text=True)
        self.key = made.stdout.strip()

    def anchor(self):
        return (self.folder / f"{self.key}.ds").read_text()

    set, mx = NameServer.set, NameServer.mx

    def signed(self, begin, name):
        """The lines of the signed zone, valid for thirty days from `begin`."""
        lines = ["$TTL 60", ". IN SOA ns.invalid. root.invalid. 1 60 60 60 60",
                 ". IN NS ns.invalid.", f"ns.invalid. IN A {LOOPBACK}"]
        lines += [f"{owner}. IN {kind} {value}" for (owner, kind), values in self.records.items()
                  for value in values]
        plain, made = self.folder / name, self.folder / f"{name}.signed"
        plain.write_text("\n".join(lines) + "\n")
        subprocess.run([self.programs["ldns-signzone"], "-i", stamp(begin), "-e",
                        stamp(begin + 30 * DAY), "-o", ".", "-f", made, plain, self.key],
                       cwd=self.folder, check=True, capture_output=True)
        return made.read_text().splitlines()

    def serve(self):
        fresh = self.signed(time.time() - DAY, "zone")
        old = self.signed(time.time() - 365 * DAY, "old")

        def is_signature_of(line, names):
            return any(re.match(re.escape(name) + r"\.\s.*\sRRSIG\s", line) for name in names)
        lines = [line for line in fresh if not is_signature_of(line, self.expired)]
        lines += [line for line in old if is_signature_of(line, self.expired)]
        for (name, kind), values in self.forged.items():
            truth = re.compile(re.escape(name) + rf"\.\s.*\sIN\s+{kind}\s")
            lines = [line for line in lines if not truth.match(line)]
            lines += [f"{name}. 60 IN {kind} {value}" for value in values]
        (self.folder / "zone.served").write_text("\n".join(lines) + "\n")
        (self.folder / "nsd.conf").write_text(f"""server:
  ip-address: {LOOPBACK}@{self.port}
  username: ""
  chroot: ""
  zonesdir: "{self.folder}"
  database: ""
  zonelistfile: "{self.folder}/zone.list"
  xfrdfile: "{self.folder}/xfrd.state"
  xfrdir: "{self.folder}"
  pidfile: ""
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: "."
  zonefile: "zone.served"
""")
        with open(self.folder / "log", "wb") as log:
            self.server = subprocess.Popen([self.programs["nsd"], "-d", "-c",
                                            self.folder / "nsd.conf"], stdout=log, stderr=log)
        eventually(self.answers, 20, "nsd")

    def answers(self):
        if self.server.poll() is not None:
            raise AssertionError((self.folder / "log").read_text())
        try:
            socket.create_connection((LOOPBACK, self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        if self.server is not None:
            self.server.terminate()
            self.server.wait(10)
