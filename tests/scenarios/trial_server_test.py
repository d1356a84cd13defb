"""Goal: what README.md promises a newcomer holds: script/server, a first message, Ctrl-C, again.
Method: script/server on a copy of its files, with its ports moved away from anybody else's."""
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

import support
from support import LOOPBACK, SLOW, eventually

PORTS = (2525, 2526, 2587, 8025)


def free_shift():
    """A number that leads from the trial's ports to four that nobody listens on."""
    while True:
        shift = random.randrange(8000, 24000)
        try:
            for port in PORTS:
                with socket.socket() as s:
                    s.bind((LOOPBACK, port + shift))
            return shift
        except OSError:
            continue


def is_open(port):
    with socket.socket() as s:
        return s.connect_ex((LOOPBACK, port)) == 0


class TrialServer(support.Scenario):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.folder) / "tree"
        for name in ("script/server", "script/lib.sh", "config/trial.toml"):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(support.ROOT / name, self.root / name)
        self.shift = free_shift()
        self.var = self.root / f"var-{self.shift}"

    def command(self, *arguments):
        return [str(self.root / "script/server"), *arguments]

    def environment(self):
        return {**os.environ, "EKIDEN_BINARY": str(pathlib.Path(support.BINARY).resolve())}

    def begin(self):
        """script/server in a session of its own, as in a terminal; returns when it is ready."""
        output = open(self.root / "output", "wb")
        child = subprocess.Popen(self.command("--shift", str(self.shift)), env=self.environment(),
                                 stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                 start_new_session=True)
        self.addCleanup(output.close)
        self.addCleanup(self.end, child)
        eventually(lambda: "Ctrl-C ends both" in self.said() or child.poll() is not None,
                   timeout=20, what="script/server")
        self.assertIsNone(child.poll(), self.said())
        return child

    def said(self):
        return (self.root / "output").read_text()

    def end(self, child):
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGINT)
        return child.wait(20 * SLOW)

    def arrived(self):
        return list((self.var / "sink/new").glob("*"))

    def test_the_first_message_arrives_and_a_second_start_finds_its_data(self):
        child = self.begin()
        port = 2525 + self.shift
        self.assertIn(f"swaks --server {LOOPBACK}:{port} ", self.said())
        with smtplib.SMTP(LOOPBACK, port, timeout=10 * SLOW) as client:
            client.sendmail("you@example.jp", ["friend@example.org"], "Subject: hi\r\n\r\nHello\r\n")
        file = eventually(self.arrived, what="the sink's file")[0]
        self.assertIn(b"\r\n\r\nHello\r\n", file.read_bytes())
        self.assertTrue((self.var / "sink/envelope").is_dir())

        # The commands that it prints, as they are.
        tail = re.search(r"^  (\S+ events tail .*)$", self.said(), re.M).group(1).split()
        eventually(lambda: "delivered" in subprocess.run(
            tail, cwd=self.root, capture_output=True, text=True, timeout=10 * SLOW).stdout,
            what="the event")
        summary = re.search(r"^  (\S+ queue summary .*)$", self.said(), re.M).group(1).split()
        answer = subprocess.run(summary, cwd=self.root, capture_output=True, text=True,
                                timeout=10 * SLOW)
        self.assertEqual(answer.returncode, 0, answer.stderr)

        self.assertEqual(self.end(child), 0, self.said())
        for port in PORTS:
            self.assertFalse(is_open(port + self.shift), port)
        self.begin()
        self.assertEqual(len(self.arrived()), 1)

    def test_a_user_logs_in_over_starttls(self):
        self.begin()
        add = re.search(r"^  (echo .*user add .*)$", self.said(), re.M).group(1)
        subprocess.run(["bash", "-c", add], cwd=self.root, check=True, capture_output=True,
                       timeout=20 * SLOW)

        def log_in():
            context = ssl.create_default_context(cafile=self.var / "tls/cert.pem")
            with smtplib.SMTP("localhost", 2587 + self.shift, timeout=10 * SLOW) as client:
                client.starttls(context=context)
                try:
                    client.login("shop", "long-and-secret")
                except smtplib.SMTPAuthenticationError:
                    return False
                client.sendmail("you@example.jp", ["friend@example.org"], "Subject: hi\r\n\r\nx\r\n")
                return True
        eventually(log_in, what="the new user")
        eventually(self.arrived, what="the sink's file")

    def test_a_taken_port_is_named(self):
        with socket.socket() as taken:
            taken.bind((LOOPBACK, 2587 + self.shift))
            taken.listen()
            run = subprocess.run(self.command("--shift", str(self.shift)), env=self.environment(),
                                 capture_output=True, text=True, timeout=20 * SLOW)
        self.assertEqual(run.returncode, 1)
        self.assertIn(f"Port {2587 + self.shift}", run.stderr)
        self.assertIn("--shift", run.stderr)

    def test_wrong_usage_is_explained(self):
        for arguments in (["--shift"], ["--shift", "x"], ["--shift", "60000"], ["--what"]):
            run = subprocess.run(self.command(*arguments), env=self.environment(),
                                 capture_output=True, text=True, timeout=20 * SLOW)
            self.assertEqual((run.returncode, run.stdout), (2, ""))
            self.assertIn("--shift", run.stderr)

    def test_it_ends_when_the_relay_does(self):
        child = self.begin()
        children = pathlib.Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
        relay, = [int(pid) for pid in children
                  if b"\0serve\0" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(relay, signal.SIGTERM)
        self.assertEqual(child.wait(20 * SLOW), 1, self.said())
        self.assertIn("ended by itself", self.said())


if __name__ == "__main__":
    support.main()
