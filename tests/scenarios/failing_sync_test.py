"""Goal: a failing sync, write or rename refuses what it concerns and nothing else; nothing that was
answered 250 is lost, nothing that was refused comes back, and the relay goes on by itself.
Method: libfaultdisk.so under the real binary; a peer that counts what arrives, over `kill -9`."""
import errno
import threading

import support
from faultdisk import ANY, CREATE, FOR_EVER, SYNC, SYNC_FOLDER, WRITE, FaultDisk
from peer import HANG
from support import LOOPBACK, Closed, eventually, message

LARGE = "x" * 70 + "\r\n"


class FailingSync(support.Scenario):
    def setUp(self):
        super().setUp()
        self.relay_, self.peer_ = self.relay_to_peer(start=False)
        self.faults = FaultDisk(self.folder).watch(self.relay_)
        self.addCleanup(self.faults.close)
        self.accepted, self.refused = [], []

    def hold(self):
        """The peer greets nobody: nothing is written but what clients send."""
        self.peer_.on("CONNECT", lambda session, line: HANG)

    def send(self, tag, octets=300, wire=None):
        """One message; the final reply, or None when the relay closed. Notes what became of it."""
        recipient = f"{tag}@dest.test"
        try:
            if wire is None:
                wire = self.relay_.wire()
                wire.greet()
            body = message(body=LARGE * (octets // len(LARGE) + 1))
            reply = wire.transaction("", [recipient], body)
        except (Closed, OSError):
            return None
        (self.accepted if reply.code == 250 else self.refused).append(recipient)
        return reply

    def strike(self, calls, error, name):
        """Sends until the fault has met a message; its reply. Another batch may have met it."""
        for attempt in range(20):
            struck = self.faults.struck
            self.faults.fail(calls, error)
            reply = self.send(f"{name}{attempt}")
            if reply is not None and reply.code != 250:
                self.assertEqual(self.faults.struck, struck + 1)
                return reply
            self.assertGreater(self.faults.struck, struck, "the fault was never met")
        self.fail("no message met the fault")

    def everything_arrives_once(self):
        """After `kill -9`, so that only what the disk has counts."""
        self.faults.heal()
        self.relay_.kill()
        self.peer_.hooks.clear()
        self.relay_.wrapper = ()
        self.relay_.start()
        eventually(lambda: set(self.accepted) <= set(self.peer_.recipients()), 30)
        eventually(lambda: self.relay_.metric("ekiden_recipients_queued") == 0)
        self.assertEqual(sorted(self.peer_.recipients()), sorted(self.accepted))
        self.relay_.stop()
        verified = self.relay_.run("spool", "verify")
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def test_a_failed_sync_refuses_its_batch_and_the_next_message_is_taken(self):
        self.hold()
        self.relay_.start()
        self.send("before")
        for error, code, enhanced in ((errno.EIO, 451, "4.3.0"), (errno.ENOSPC, 452, "4.3.1")):
            for name, calls in (("sync", SYNC), ("write", WRITE)):
                with self.subTest(name, error=error):
                    reply = self.strike(calls, error, f"{name}{error}-")
                    self.assertReply(reply, code, enhanced)
                    # Another segment, at once, without anybody's help.
                    self.assertReply(self.send(f"after-{name}{error}"), 250)
        self.assertIn("spool_batch_failed", self.relay_.log())
        self.assertEqual(len(self.refused), 4)
        self.everything_arrives_once()

    def test_who_shares_the_batch_shares_its_fate_and_nobody_else(self):
        self.hold()
        self.relay_.start()
        wires = [self.relay_.wire() for _ in range(20)]
        for wire in wires:
            wire.greet()
        for turn in range(5):
            self.faults.fail(SYNC, skip=1)
            threads = [threading.Thread(target=self.send, args=(f"t{turn}-{i}", 300, wire))
                       for i, wire in enumerate(wires)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
        self.assertEqual(len(self.accepted) + len(self.refused), 100, "each got an answer")
        self.assertGreaterEqual(self.faults.struck, 1)
        self.assertGreaterEqual(len(self.accepted), 20)
        self.everything_arrives_once()

    def test_a_sync_that_did_its_work_and_says_it_failed(self):
        # What was refused is on the disk, whole: only the limit keeps it from coming back.
        self.hold()
        self.relay_.start()
        for calls in (SYNC, WRITE):
            for attempt in range(20):
                self.faults.fail(calls, does_it_all_the_same=True)
                if self.send(f"lie{calls}-{attempt}").code != 250:
                    break
            else:
                self.fail("no message met the fault")
            self.assertReply(self.send(f"after{calls}"), 250)
        self.everything_arrives_once()

    def test_a_disk_that_fails_for_long_refuses_all_and_heals_by_itself(self):
        self.hold()
        self.relay_.start()
        self.send("before")
        self.faults.fail(SYNC | WRITE, count=FOR_EVER)
        for i in range(5):
            self.assertReply(self.send(f"during{i}"), (451, 452))
        self.assertTrue(self.relay_.process.is_alive())
        # Refused before it is touched: at MAIL.
        wire = self.relay_.wire()
        wire.greet()
        self.assertReply(wire.command("MAIL FROM:<>"), 452, "4.3.1")
        self.faults.heal()
        eventually(lambda: self.send("after").code == 250, 20, "healing")
        log = self.relay_.log()
        self.assertIn("spool_unwritable", log)
        self.assertIn("spool_writable_again", log)
        self.everything_arrives_once()

    def test_an_outcome_that_could_not_be_written_is_written_later(self):
        # The disk fails from the instant the peer has taken the message.
        self.peer_.on("EOD", lambda session, line:
                      self.faults.fail(SYNC | WRITE, count=FOR_EVER))
        self.relay_.start()
        self.assertReply(self.send("once"), 250)
        eventually(lambda: self.peer_.received)
        eventually(lambda: self.faults.struck >= 4, what="attempts to write the outcome")
        self.faults.heal()
        self.peer_.hooks.clear()
        self.relay_.wait_for_event("once@dest.test", "delivered")
        self.everything_arrives_once()

    def test_each_change_of_the_disk_in_turn_fails_once(self):
        self.relay_.start()
        for n in range(24):
            error = errno.EIO if n % 2 else errno.ENOSPC
            with self.subTest(n=n, error=error):
                self.faults.fail(ANY, error, skip=n, prefix="spool/")
                for i, octets in enumerate((300, 1_300_000, 300)):
                    reply = self.send(f"n{n}-{i}", octets)
                    self.assertIsNotNone(reply, "an answer, whatever the disk does")
                    self.assertReply(reply, (250, 451, 452))
        self.assertGreaterEqual(self.faults.struck, 8)
        self.assertGreater(len(self.refused), 3)
        self.assertGreater(len(self.accepted), 30)
        self.faults.heal()
        # Outcomes first: what the peer took a moment before `kill -9` it may get again.
        eventually(lambda: self.relay_.metric("ekiden_recipients_queued") == 0, 30)
        self.everything_arrives_once()

    def test_a_start_on_a_failing_disk_loses_nothing(self):
        self.hold()
        self.relay_.start()
        for i in range(3):
            self.send(f"m{i}", 1_300_000 if i == 1 else 300)
        self.relay_.kill()
        ended = 0
        for n in range(8):
            self.faults.fail(ANY, skip=n, prefix="spool/")
            process = self.relay_.start(wait=False).process
            eventually(lambda: not process.is_alive() or
                       self.relay_.listens(f"{LOOPBACK}:{self.relay_.port}"), 20, "start or end")
            if not process.is_alive():
                ended += 1
                self.assertEqual(process.child.returncode, 3, process.tail())
            self.relay_.kill()
        self.assertGreaterEqual(self.faults.struck, 5)
        self.assertGreater(ended, 0, "some failures leave nothing to start on")
        self.everything_arrives_once()

    def test_the_events_folder_may_fail_while_mail_is_taken_and_delivered(self):
        self.relay_.start()
        self.faults.fail(CREATE | WRITE | SYNC | SYNC_FOLDER, errno.ENOSPC, count=FOR_EVER,
                         prefix="events/")
        for i in range(5):
            self.assertReply(self.send(f"m{i}"), 250)
        eventually(lambda: len(self.peer_.received) == 5)
        self.faults.heal()
        # The spool kept the events until their store was well again.
        for i in range(5):
            self.relay_.wait_for_event(f"m{i}@dest.test", "delivered")


if __name__ == "__main__":
    support.main()
