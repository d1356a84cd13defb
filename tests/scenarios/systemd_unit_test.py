"""Goal: packaging/ekiden.service starts, reloads and stops the relay, and a bad file starts nothing.
Method: the unit's own commands, with its paths mapped into a folder, as systemd would run them; and
systemd-analyze's opinion of the unit where that is installed."""
import os
import re
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import time

import support
from support import eventually

UNIT = support.ROOT / "packaging/ekiden.service"
UNITS = {"ms": 0.001, "s": 1, "sec": 1, "min": 60, "h": 3600, "": 1}
# The exposure that systemd-analyze gives a service, times ten: 0 is the best, 100 the worst.
EXPOSURE_MAX = 25


def parse_unit(text):
    """{section: {key: [values]}}, as systemd.syntax(7) says."""
    sections, section = {}, None
    for line in re.sub(r"\\\n", " ", text).splitlines():
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        else:
            key, value = line.split("=", 1)
            section.setdefault(key.strip(), []).append(value.strip())
    return sections


def seconds(text):
    return sum(float(n) * UNITS[unit] for n, unit in re.findall(r"([\d.]+)\s*([a-z]*)", text))


class SystemdUnit(support.Scenario):
    def setUp(self):
        super().setUp()
        self.relay_ = self.relay()
        self.unit = parse_unit(UNIT.read_text())
        self.service = self.unit["Service"]
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.notify.close)
        path = str(self.folder / "notify")
        self.notify.bind(path)
        self.notify.settimeout(0.05)
        self.said = []
        self.environment = {"NOTIFY_SOCKET": path, "PATH": "/usr/bin:/bin"}
        watchdog = self.value("WatchdogSec")
        if watchdog:
            self.environment["WATCHDOG_USEC"] = str(int(seconds(watchdog) * 1e6))

    def value(self, key, default=None):
        return self.service.get(key, [default])[-1]

    def command(self, key):
        """The unit's command with its paths mapped, as a list."""
        line = self.value(key)
        self.assertFalse(set("-+!@:") & set(line[0]), "a plain command: nothing hides its failure")
        mapped = (line.replace("/usr/bin/ekiden", support.BINARY)
                  .replace("/etc/ekiden/ekiden.toml", str(self.relay_.config)))
        self.assertNotIn("/etc/", mapped)
        return shlex.split(mapped)

    def limits(self):
        """What the unit sets for the process, as far as a test may."""
        wanted = int(self.value("LimitNOFILE"))
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        number = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)

        def apply():
            os.umask(int(self.value("UMask"), 8))
            resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))
        return apply

    def run_once(self, key):
        return subprocess.run(self.command(key), env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=30 * support.SLOW)

    def start(self):
        wrapper = ["env", "-i", *(f"{k}={v}" for k, v in self.environment.items())]
        self.relay_.process = support.Process(self.command("ExecStart"),
                                              self.relay_.folder / "relay.log", self.limits(),
                                              wrapper)
        return self.relay_.process

    def heard(self, word):
        while True:
            try:
                self.said.append(self.notify.recv(4096).decode())
            except TimeoutError:
                return sum(one.splitlines().count(word) for one in self.said)

    def test_its_commands_start_reload_and_stop_the_relay(self):
        relay, peer = self.relay_, self.peer()
        relay.route_to(peer.port)
        relay.write()
        self.assertEqual(self.value("Type"), "notify")
        self.assertEqual(self.run_once("ExecStartPre").returncode, 0)
        process = self.start()
        eventually(lambda: self.heard("READY=1"), seconds(self.value("TimeoutStartSec")),
                   "READY=1")
        self.assertTrue(relay.is_ready(), "ready means that it listens")
        relay.send()
        eventually(lambda: peer.received)
        made = [p for p in relay.data.rglob("*") if p.is_file()]
        self.assertTrue(made)
        self.assertEqual([p for p in made if p.stat().st_mode & 0o077], [], "UMask")

        port = relay.listener(service="relay", tls="off", trusted_networks=["127.0.0.0/8"])
        relay.write()
        done = self.run_once("ExecReload")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(relay.listens(f"{support.LOOPBACK}:{port}"), "it waits until it is done")
        eventually(lambda: self.heard("RELOADING=1") == 1 and self.heard("READY=1") == 2)
        process.signal(signal.SIGHUP)
        eventually(lambda: self.heard("RELOADING=1") == 2 and self.heard("READY=1") == 3)

        client = relay.wire()
        client.greet()
        budget = seconds(self.value("TimeoutStopSec"))
        begun = time.monotonic()
        process.signal(signal.SIGTERM)
        self.assertEqual(process.wait(budget), 0)
        self.assertLess(time.monotonic() - begun, budget * support.SLOW)
        self.assertEqual(self.heard("STOPPING=1"), 1)

    def test_a_bad_file_is_refused_before_and_at_the_start_and_at_a_reload(self):
        relay = self.relay_
        relay.write()
        good = relay.config.read_text()
        relay.config.write_text(good + "\n[nonsense]\nkey = 1\n")
        done = self.run_once("ExecStartPre")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("nonsense", done.stdout + done.stderr)
        process = self.start()
        self.assertNotEqual(process.wait(), 0, "Restart=on-failure sees it, and so does an operator")
        self.assertIn("nonsense", process.tail())
        self.assertEqual(self.heard("READY=1"), 0)
        process.kill()

        relay.config.write_text(good)
        self.start()
        eventually(lambda: self.heard("READY=1"))
        relay.config.write_text(good + "\n[nonsense]\nkey = 1\n")
        done = self.run_once("ExecReload")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("nonsense", done.stderr)
        self.assertHealthy(relay)

    def test_a_port_that_is_taken_ends_the_start(self):
        relay = self.relay_
        relay.write()
        with socket.socket() as other:
            other.bind((support.LOOPBACK, relay.port))
            other.listen()
            process = self.start()
            self.assertNotEqual(process.wait(), 0)
        self.assertIn(str(relay.port), process.tail())
        self.assertEqual(self.heard("READY=1"), 0)

    def test_it_leaves_the_relay_the_time_and_the_rights_that_it_needs(self):
        relay = self.relay_
        del relay.settings["node"]["shutdown_timeout"]
        relay.write()
        explained = relay.cli("config", "explain")
        drain = re.search(r"shutdown_timeout\W+(\w+)", explained).group(1)
        self.assertGreater(seconds(self.value("TimeoutStopSec")), seconds(drain) + 10,
                           "systemd kills only what does not end by itself")
        self.assertEqual(self.value("AmbientCapabilities"), "CAP_NET_BIND_SERVICE")
        self.assertEqual(self.value("CapabilityBoundingSet"), "CAP_NET_BIND_SERVICE")
        self.assertEqual(self.value("NoNewPrivileges"), "yes")
        users = (support.ROOT / "packaging/ekiden.sysusers").read_text().split()
        self.assertEqual(users[:2], ["u", self.value("User")])
        self.assertEqual(users[-1], "/var/lib/" + self.value("StateDirectory"))
        self.assertGreaterEqual(int(self.value("LimitNOFILE")), 2 * 10_000, "[limits] connections")
        for name in ("AF_INET", "AF_INET6", "AF_UNIX"):
            self.assertIn(name, self.value("RestrictAddressFamilies").split())
        self.assertEqual(self.unit["Install"]["WantedBy"], ["multi-user.target"])

    def test_systemd_finds_nothing_wrong_with_it(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed: script/bootstrap --all")
        mapped = self.folder / UNIT.name
        mapped.write_text(UNIT.read_text().replace("/usr/bin/ekiden", support.BINARY))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", mapped],
                              text=True, capture_output=True, timeout=60 * support.SLOW)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                               f"--threshold={EXPOSURE_MAX}", mapped],
                              text=True, capture_output=True, timeout=60 * support.SLOW)
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr)

    def test_systemd_would_find_a_misspelt_key(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed: script/bootstrap --all")
        mapped = self.folder / UNIT.name
        mapped.write_text(UNIT.read_text().replace("/usr/bin/ekiden", support.BINARY)
                          .replace("ProtectHome=", "ProtectHomes="))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", mapped],
                              text=True, capture_output=True, timeout=60 * support.SLOW)
        self.assertIn("ProtectHomes", done.stderr)


if __name__ == "__main__":
    support.main()
