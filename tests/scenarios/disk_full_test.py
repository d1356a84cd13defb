"""Goal: a full disk refuses new mail with 452 before touching it, keeps what it has, and heals.
Method: a file system of 200 MiB in a user namespace where that is allowed, else a quota by
RLIMIT_FSIZE; a filler file; then room again."""
import resource
import shutil
import signal
import subprocess
import unittest

import support
from support import eventually, message


def may_mount():
    done = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"],
                          capture_output=True)
    return done.returncode == 0


def small_files():
    # Ignored, so that a write past the limit fails with EFBIG instead of ending the process.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40 << 20, 40 << 20))


class DiskFull(support.Scenario):
    def try_send(self, relay, octets=20000):
        wire = relay.wire()
        wire.greet()
        reply = wire.transaction("", ["b@dest.test"],
                                 message(body=("x" * 76 + "\r\n") * (octets // 78)))
        wire.close()
        return reply

    @unittest.skipUnless(shutil.which("unshare") and may_mount(), "needs a user namespace")
    def test_full_then_room_again(self):
        peer = self.peer()
        relay = self.relay()
        relay.settings["spool"]["disk_reserve"] = "128MiB"
        relay.settings["retry"]["time_scale"] = 1.0
        relay.route_to(peer.port)
        # The relay lives in a mount namespace of its own; the filler enters it by its pid.
        relay.wrapper = ("unshare", "-rm", "sh", "-c",
                         f'mount -t tmpfs -o size=400m none "{relay.data}" && exec "$@"', "sh")
        relay.start()
        self.assertReply(self.try_send(relay), 250)
        inside = f"/proc/{relay.process.child.pid}/root{relay.data}"
        with open(f"{inside}/filler", "wb") as filler:
            try:
                while True:
                    filler.write(b"\0" * (1 << 20))
                    filler.flush()
            except OSError:
                pass
        reply = eventually(lambda: (lambda r: r if r.code == 452 else None)(
            self.try_send(relay, 500_000)), 60, "the refusal")
        self.assertReply(reply, 452, "4.3.1")
        self.assertHealthy_but_full(relay)
        support.os.unlink(f"{inside}/filler")
        eventually(lambda: self.try_send(relay).code == 250, 30, "healing")

    def assertHealthy_but_full(self, relay):
        self.assertTrue(relay.process.is_alive(), relay.process.tail())

    def test_a_failing_write_is_452_and_the_relay_lives(self):
        # No file may grow past 40 MiB: segments of 64 MiB cannot be made.
        peer = self.peer()
        relay = self.relay()
        relay.route_to(peer.port)
        relay.limits = small_files
        relay.start(wait=False)
        try:
            eventually(relay.is_ready, 5)
        except AssertionError:
            # It may refuse to start without a spool, in one clear sentence.
            self.assertFalse(relay.process.is_alive(), "neither ready nor ended")
            self.assertNotIn("terminate called", relay.log())
            return
        self.assertReply(self.try_send(relay), 452, "4.3.1")
        self.assertTrue(relay.process.is_alive())


if __name__ == "__main__":
    support.main()
