"""What every scenario stands on: the real binary, real sockets, everything bounded by time-outs.

A scenario starts `ekiden serve` with a configuration of its own in a folder of its own on ports
nobody uses, talks SMTP to it, and looks at what arrives at a `Peer` (peer.py) or an `ekiden sink`.
Everything a test starts is stopped, by process id, when the test ends.

EKIDEN_BINARY names the binary (default: build/release/ekiden). EKIDEN_SLOW multiplies every
time-out, for sanitizers. EKIDEN_KEEP=1 keeps the folders.
"""
import email
import json
import os
import pathlib
import random
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import warnings
import urllib.error
import urllib.request

from wire import LOOPBACK, SLOW, Closed, Reply, Wire, trusting

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = os.environ.get("EKIDEN_BINARY", str(ROOT / "build/release/ekiden"))


def eventually(probe, timeout=10.0, what="it"):
    """Calls `probe` until it gives something true; that is the result."""
    deadline = time.monotonic() + timeout * SLOW
    while True:
        is_late = time.monotonic() > deadline
        try:
            value = probe()
        except AssertionError:
            # What it asks may not be there yet, either.
            if is_late:
                raise
            value = None
        if value:
            return value
        if is_late:
            raise AssertionError(f"{what} did not happen within {timeout * SLOW:g} s")
        time.sleep(0.02)


_ports_claimed = {}


def free_port(family=socket.AF_INET):
    """A port that nobody listens on now, and that no other test is given while this one runs.

    It lies below the range from which outgoing connections take theirs: one of those would
    otherwise sit on it when the relay starts."""
    while True:
        port = random.randrange(10240, 32768)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0ekiden-test-port-{port}")
            with socket.socket(family) as s:
                s.bind(("::1" if family == socket.AF_INET6 else LOOPBACK, port))
        except OSError:
            claim.close()
            continue
        _ports_claimed[port] = claim
        return port


def to_toml(settings):
    """A dict as TOML: nested dicts are tables, lists of dicts arrays of tables."""
    def value(v):
        if isinstance(v, bool):
            return "true" if v else "false"
        if isinstance(v, (int, float)):
            return str(v)
        if isinstance(v, list):
            return "[" + ", ".join(value(x) for x in v) + "]"
        if isinstance(v, dict):
            return "{ " + ", ".join(f"{json.dumps(k)} = {value(x)}" for k, x in v.items()) + " }"
        return json.dumps(str(v), ensure_ascii=False)

    lines = []
    for name, table in settings.items():
        for one in table if isinstance(table, list) else [table]:
            lines.append(f"[[{name}]]" if isinstance(table, list) else f"[{name}]")
            lines += [f"{key} = {value(v)}" for key, v in one.items() if v is not None]
            lines.append("")
    return "\n".join(lines)


def message(subject="hello", body="hello\r\n", **headers):
    lines = {"From": "a@client.test", "To": "b@dest.test", "Subject": subject,
             "Date": "Sun, 22 Nov 2026 06:00:00 +0000",
             "Message-ID": f"<{time.monotonic_ns()}@client.test>"}
    lines.update({k.replace("_", "-"): v for k, v in headers.items()})
    head = "".join(f"{k}: {v}\r\n" for k, v in lines.items() if v is not None)
    return (head + "\r\n" + body).encode()


class Dsn:
    """A delivery status notification, its three parts apart (RFC 3462, RFC 3464)."""

    def __init__(self, octets):
        self.mail = email.message_from_bytes(octets)
        self.content_type = self.mail.get_content_type()
        self.report_type = self.mail.get_param("report-type")
        parts = self.mail.get_payload() if self.mail.is_multipart() else []
        self.kinds = [part.get_content_type() for part in parts]
        self.human = parts[0].get_payload(decode=True).decode() if parts else ""
        # Blocks of header fields: one for the message, then one for each recipient.
        status = parts[1].get_payload() if len(parts) > 1 else []
        if "message/global-delivery-status" in self.kinds:
            # RFC 6533; Python knows only the older name and takes the blocks for one message.
            text = parts[1].as_bytes().decode().replace("\r\n", "\n").split("\n\n", 1)[1]
            status = [email.message_from_string(one) for one in text.strip().split("\n\n")]
        self.message_fields = status[0] if status else None
        self.recipients = status[1:]
        self.returned = parts[2].as_bytes() if len(parts) > 2 else b""

    def field(self, name, recipient=0):
        return self.recipients[recipient].get(name)


class Certificates:
    """A certification authority of this test, and what it signs."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca = self.folder / "ca.pem"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                      "-nodes", "-days", "30", "-subj", "/CN=Test CA",
                      "-keyout", self.folder / "ca.key", "-out", self.ca)

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, timeout=30 * SLOW,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def issue(self, *names):
        """Certificate and key files for `names`, signed by the authority."""
        base = self.folder / names[0].replace("*", "_")
        alternatives = ",".join(("IP:" if re.fullmatch(r"[\d.]+|.*:.*", n) else "DNS:") + n
                                for n in names)
        extensions = base.with_suffix(".ext")
        extensions.write_text(f"subjectAltName={alternatives}\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-subj", f"/CN={names[0]}", "-keyout", f"{base}.key", "-out", f"{base}.csr")
        self._openssl("x509", "-req", "-in", f"{base}.csr", "-CA", self.ca, "-CAkey",
                      self.folder / "ca.key", "-CAcreateserial", "-days", "30",
                      "-extfile", extensions, "-out", f"{base}.pem")
        return pathlib.Path(f"{base}.pem"), pathlib.Path(f"{base}.key")

    def server_context(self, *names):
        certificate, key = self.issue(*names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context

    @staticmethod
    def fingerprint(certificate):
        import hashlib
        der = ssl.PEM_cert_to_DER_cert(pathlib.Path(certificate).read_text())
        return hashlib.sha256(der).hexdigest()


class Process:
    """A child that is stopped by its id, its output in a file."""

    def __init__(self, arguments, log, limits=None, wrapper=()):
        self.log = pathlib.Path(log)
        self.output = open(self.log, "ab")
        self.child = subprocess.Popen([*wrapper, *map(str, arguments)], stdin=subprocess.DEVNULL,
                                      stdout=self.output, stderr=self.output, preexec_fn=limits)

    def is_alive(self):
        return self.child.poll() is None

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, timeout=20.0):
        return self.child.wait(timeout * SLOW)

    def kill(self):
        if self.is_alive():
            self.child.kill()
        self.child.wait(10)
        self.output.close()

    def stop(self):
        if self.is_alive():
            self.child.terminate()
            try:
                self.wait(15)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def tail(self, octets=6000):
        return self.log.read_bytes()[-octets:].decode("utf-8", "replace")


class Relay:
    """One `ekiden serve`. Change `settings` before `start`, or after it and `reload`."""

    def __init__(self, scenario, folder, dns=None):
        self.scenario, self.folder = scenario, pathlib.Path(folder)
        self.data = self.folder / "data"
        self.data.mkdir(parents=True, exist_ok=True)
        self.config = self.folder / "ekiden.toml"
        self.port, self.http = free_port(), free_port()
        self.process, self.limits, self.wrapper = None, None, ()
        self.settings = {
            "node": {"hostname": "relay.test", "data_dir": self.data, "workers": 2,
                     "shutdown_timeout": "5s"},
            "listener": [{"address": f"{LOOPBACK}:{self.port}", "service": "relay", "tls": "off",
                          "trusted_networks": ["127.0.0.0/8"]}],
            "http": [{"address": f"{LOOPBACK}:{self.http}", "services": ["metrics"]}],
            "dns": {"mode": "system", "dnssec": "off"},
            "delivery": {"private_next_hops": "allow", "connect_map": {}},
            "retry": {"first": "5m", "max_interval": "10m", "time_scale": 0.001},
            "spool": {"disk_reserve": "128MiB"},
        }
        if dns is not None:
            self.settings["dns"].update(mode="forward", forward=[f"{LOOPBACK}:{dns.port}"])

    def listener(self, service="submission", tls="starttls", **more):
        """Adds a listener; its port."""
        port = free_port()
        one = {"address": f"{LOOPBACK}:{port}", "service": service, "tls": tls, **more}
        if service == "inbound":
            # Unless a test says otherwise nobody asks this machine's DNS about made-up clients.
            one.setdefault("authentication_results", False)
        self.settings["listener"].append(one)
        return port

    def use_tls(self, certificates, *names):
        certificate, key = certificates.issue(*(names or ("relay.test",)))
        self.settings["tls"] = {"certificate": certificate, "private_key": key}

    def map_mx(self, host, port, mapped_port=25):
        """Connections to `host`:25 go to this loopback port."""
        self.settings["delivery"]["connect_map"][f"{host}:{mapped_port}"] = f"{LOOPBACK}:{port}"

    def route(self, *domains, **keys):
        self.settings.setdefault("route", []).append({"domains": list(domains), **keys})

    def route_to(self, port, *domains, **keys):
        self.route(*(domains or ("*",)), next_hop=f"{LOOPBACK}:{port}", **keys)

    def write(self):
        self.config.write_text(to_toml(self.settings))

    def start(self, wait=True):
        self.write()
        self.process = Process([BINARY, "serve", "--config", self.config],
                               self.folder / "relay.log", self.limits, self.wrapper)
        if wait:
            eventually(self.is_ready, 20, "the relay's readiness")
        return self

    def is_ready(self):
        if not self.process.is_alive():
            raise AssertionError(f"the relay ended:\n{self.process.tail()}")
        return all(self.listens(one["address"])
                   for kind in ("listener", "http") for one in self.settings[kind])

    @staticmethod
    def listens(address):
        host, port = address.rsplit(":", 1)
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        with socket.socket(family) as probe:
            return probe.connect_ex((host.strip("[]"), int(port))) == 0

    def stop(self):
        if self.process:
            self.process.stop()

    def kill(self):
        self.process.kill()

    def restart(self):
        self.stop()
        return self.start()

    def reload(self):
        self.write()
        return self.cli("reload")

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.http}{path}",
                                        timeout=5 * SLOW) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self):
        """{'name{labels}': value}, and each name alone with the sum over its labels."""
        values = {}
        for line in self.get("/metrics")[1].splitlines():
            found = re.match(r"([a-zA-Z_:]+)(\{.*\})? (\S+)", line)
            if not found:
                continue
            name, labels, value = found.group(1), found.group(2) or "", float(found.group(3))
            values[name + labels] = value
            if labels:
                values[name] = values.get(name, 0.0) + value
        return values

    def metric(self, name):
        return self.metrics().get(name, 0.0)

    def run(self, *arguments, stdin="", timeout=30.0):
        """A command of the binary with this relay's configuration; never raises for its status."""
        return subprocess.run([BINARY, *map(str, arguments), "--config", str(self.config)],
                              input=stdin, text=True, capture_output=True, timeout=timeout * SLOW)

    def cli(self, *arguments, stdin="", status=0):
        done = self.run(*arguments, stdin=stdin)
        if done.returncode != status:
            raise AssertionError(f"ekiden {' '.join(map(str, arguments))} gave "
                                 f"{done.returncode}, not {status}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def json(self, *arguments, stdin=""):
        """The command's answer with --json: a dict, or a list when it is one object a line."""
        out = self.cli(*arguments, "--json", stdin=stdin)
        try:
            return json.loads(out)
        except json.JSONDecodeError:
            return [json.loads(line) for line in out.splitlines() if line.strip()]

    def records(self, *arguments):
        """The answer as a list of objects, whether it is a list, lines, or an object with one."""
        found = self.json(*arguments)
        if isinstance(found, dict):
            lists = [v for v in found.values() if isinstance(v, list)]
            return lists[0] if len(lists) == 1 else [found]
        return found

    def queue(self, *filters):
        return self.records("queue", "list", *filters)

    def events(self, recipient, *flags):
        """The events of this recipient in the event store, oldest first."""
        done = self.run("events", "tail", "--once", "--count", 1000, "--recipient", recipient,
                        "--json", *flags)
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    def wait_for_event(self, recipient, kind):
        """The events up to now, once there is one of `kind`."""
        def found():
            events = self.events(recipient)
            return events if any(e["kind"] == kind for e in events) else None
        return eventually(found, what=f"the event {kind} of {recipient}")

    def user_add(self, name, password, *flags):
        self.cli("user", "add", name, "--password-stdin", *flags, stdin=password + "\n")

    def smtp(self, port=None):
        return smtplib.SMTP(LOOPBACK, port or self.port, local_hostname="client.test",
                            timeout=20 * SLOW)

    def wire(self, port=None, **more):
        wire = Wire(port or self.port, **more)
        self.scenario.addCleanup(wire.close)
        return wire

    def send(self, sender="a@client.test", recipients=("b@dest.test",), body=None, port=None,
             options=(), rcpt_options=()):
        """Gives one message to the relay, as any client would; must be accepted."""
        with self.smtp(port) as client:
            refused = client.sendmail(sender, list(recipients), body or message(), options,
                                      rcpt_options)
            if refused:
                raise AssertionError(f"refused: {refused}")

    def log(self):
        return self.process.tail(10_000_000)


class Sink:
    """`ekiden sink`, and what it accepted."""

    def __init__(self, folder, *flags):
        self.port = free_port()
        self.maildir = pathlib.Path(folder) / "maildir"
        self.process = Process([BINARY, "sink", "--listen", f"{LOOPBACK}:{self.port}",
                                "--maildir", self.maildir, *flags],
                               pathlib.Path(folder) / "sink.log")
        eventually(self._listens, 15, "the sink's readiness")

    def _listens(self):
        if not self.process.is_alive():
            raise AssertionError(f"the sink ended:\n{self.process.tail()}")
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, self.port)) == 0

    def files(self):
        folder = self.maildir / "new"
        return sorted(folder.iterdir()) if folder.is_dir() else []

    def envelope(self, file):
        return json.loads((self.maildir / "envelope" / f"{file.name}.json").read_text())

    def stop(self):
        self.process.stop()


class Scenario(unittest.TestCase):
    """A story with a folder; what it starts ends with it, and its logs are shown when it fails."""

    maxDiff = 4000

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ekiden-scenario-"))
        self._count = 0
        self._relays = []
        self.addCleanup(self._clean)

    def doCleanups(self):
        # Each cleanup begins with a clean slate of its own: look before the first.
        self._failed = self._outcome is not None and not self._outcome.success
        return super().doCleanups()

    def _clean(self):
        if self._failed:
            for relay in self._relays:
                if relay.process:
                    print(f"--- {relay.process.log}\n{relay.process.tail()}", file=sys.stderr)
        if not os.environ.get("EKIDEN_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _sub(self, kind):
        self._count += 1
        folder = self.folder / f"{kind}{self._count}"
        folder.mkdir()
        return folder

    def relay(self, dns=None):
        """A relay with its default settings, not yet started."""
        relay = Relay(self, self._sub("relay"), dns)
        self._relays.append(relay)
        self.addCleanup(relay.stop)
        return relay

    def sink(self, *flags):
        sink = Sink(self._sub("sink"), *flags)
        self.addCleanup(sink.stop)
        return sink

    def peer(self, **options):
        from peer import Peer
        peer = Peer(**options)
        self.addCleanup(peer.stop)
        return peer

    def dns(self, records=None):
        from nameserver import NameServer
        server = NameServer(records or {})
        self.addCleanup(server.stop)
        return server

    def certificates(self):
        return Certificates(self.folder / "certificates")

    def relay_to_peer(self, start=True, relay_settings=None, **options):
        """The usual pair: a relay that sends everything to a scripted peer."""
        peer = self.peer(**options)
        relay = self.relay()
        relay.route_to(peer.port)
        for section, keys in (relay_settings or {}).items():
            relay.settings.setdefault(section, {}).update(keys)
        if start:
            relay.start()
        return relay, peer

    def assertReply(self, reply, code, enhanced=None):
        codes = code if isinstance(code, tuple) else (code,)
        self.assertIn(reply.code, codes, reply)
        if enhanced is not None:
            self.assertEqual(reply.enhanced, enhanced, reply)

    def assertHealthy(self, relay):
        """The relay lives and still takes mail."""
        self.assertTrue(relay.process.is_alive(), relay.process.tail())
        self.assertReply(relay.wire().reply(), 220)


def main():
    unittest.main(verbosity=2)


__all__ = [name for name in dir() if not name.startswith("_")]
