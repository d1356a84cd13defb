"""What the interop tests share: a relay with every kind of door, and programs from outside.

Everything listens on loopback, on ports nobody uses, in a folder of its own, and is stopped by
process id. A program that is missing skips the test with a reason; a file whose tests were all
skipped exits 77, which ctest shows as skipped.
"""
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "scenarios"))

import support  # noqa: E402
from support import LOOPBACK, SLOW, eventually  # noqa: E402

USER, PASSWORD = "app", "correct horse"


def find(program, package=None):
    """The path of a program, or the test is skipped."""
    path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin")
    if not path:
        raise unittest.SkipTest(f"{program} is not installed ({package or program})")
    return path


class Interop(support.Scenario):
    def run_program(self, *arguments, stdin=None, timeout=60, status=0, **more):
        """A client's run to its end; what it wrote."""
        done = subprocess.run([str(a) for a in arguments], input=stdin, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout * SLOW, **more)
        if status is not None:
            self.assertEqual(done.returncode, status, done.stdout)
        return done.stdout

    def open_doors(self):
        """A relay with a trusted listener, 587 and 465, a user, and a peer behind it."""
        self.authority = self.certificates()
        self.peer_ = self.peer()
        self.relay_ = self.relay()
        self.relay_.use_tls(self.authority, "relay.test", "localhost", LOOPBACK)
        self.submission = self.relay_.listener("submission", "starttls")
        self.smtps = self.relay_.listener("submission", "implicit")
        self.relay_.route_to(self.peer_.port)
        self.relay_.write()
        self.relay_.user_add(USER, PASSWORD)
        self.relay_.start()

    def taken(self, count=1):
        """The transactions that reached the peer, once there are `count`."""
        eventually(lambda: len(self.peer_.received) >= count, 20, f"delivery of {count}")
        self.assertEqual(len(self.peer_.received), count)
        return self.peer_.received

    def assertCame(self, transaction, protocol, body="hello\r\n", sender="a@client.test",
                   recipients=("b@dest.test",)):
        """It came in as `protocol` (RFC 3848), and went on octet for octet."""
        received = " ".join(transaction.header("Received").replace(";", " ;").split())
        self.assertIn(f" with {protocol} ", received)
        self.assertEqual(transaction.sender, sender)
        self.assertEqual(transaction.addresses, list(recipients))
        if body is not None:
            self.assertEqual(transaction.body.decode(), body)


def main():
    program = unittest.main(verbosity=2, exit=False)
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun and len(result.skipped) >= result.testsRun else 0)
