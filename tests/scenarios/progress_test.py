"""Goal: a long command says how far it is on a terminal, and only there.
Method: `spool verify` and operations on thousands of recipients, under a pty and in pipes."""
import os
import pty
import re
import select
import subprocess

import support
from support import eventually


class Progress(support.Scenario):
    def on_terminal(self, relay, *arguments, stdout_too=False):
        """What the command writes to a terminal on standard error, and its status."""
        main, end = pty.openpty()
        try:
            child = subprocess.Popen(
                [support.BINARY, *map(str, arguments), "--config", str(relay.config)],
                stdin=subprocess.DEVNULL, stdout=end if stdout_too else subprocess.PIPE, stderr=end)
            os.close(end)
            written = b""
            while True:
                readable, _, _ = select.select([main], [], [], 60 * support.SLOW)
                self.assertTrue(readable, "the command neither writes nor ends")
                try:
                    more = os.read(main, 65536)
                except OSError:  # the last end of the terminal is closed
                    break
                if not more:
                    break
                written += more
            return written.decode(), child.wait(30 * support.SLOW)
        finally:
            if child.stdout:
                child.stdout.close()
            os.close(main)

    @staticmethod
    def percents(written):
        return [float(found) for found in re.findall(r"(\d+\.\d)%", written)]

    def filled(self, messages, recipients=1, octets=100):
        relay = self.relay()
        relay.route("*", next_hop="hold")
        relay.start()
        body = support.message(body="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * (octets // 72))
        with relay.smtp() as client:
            client.ehlo()
            for n in range(messages):
                # In one group: a round trip for each recipient would take the test's time.
                client.sock.sendall(b"MAIL FROM:<s@client.test>\r\n" + b"".join(
                    b"RCPT TO:<r%d-%d@dest.test>\r\n" % (n, i) for i in range(recipients))
                    + b"DATA\r\n")
                for _ in range(recipients + 1):
                    self.assertEqual(client.getreply()[0], 250)
                self.assertEqual(client.getreply()[0], 354)
                client.sock.sendall(body + b".\r\n")
                self.assertEqual(client.getreply()[0], 250)
        return relay

    def test_spool_verify_tells_in_small_steps_and_wipes_the_line(self):
        relay = self.filled(40, octets=900_000)
        relay.stop()
        written, status = self.on_terminal(relay, "spool", "verify")
        self.assertEqual(status, 0, written)
        steps = self.percents(written)
        self.assertGreater(len(set(steps)), 10, written)
        self.assertEqual(steps, sorted(steps))
        self.assertLess(steps[0], 5)
        self.assertEqual(steps[-1], 100)
        self.assertIn("MiB of", written)
        self.assertTrue(written.endswith("\r\x1b[K"), "nothing is left on the line")
        with_json, status = self.on_terminal(relay, "spool", "verify", "--json")
        self.assertEqual((with_json, status), ("", 0))

    def test_nothing_is_told_to_a_pipe(self):
        relay = self.filled(5)
        done = relay.run("queue", "hold", "--domain", "dest.test")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        relay.stop()
        done = relay.run("spool", "verify")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertNotIn("%", done.stdout)

    def test_an_operation_on_many_recipients_tells_how_far_it_is(self):
        relay = self.filled(30, recipients=1000)
        eventually(lambda: relay.json("queue", "summary")["held"] == 30_000, 30)
        written, status = self.on_terminal(relay, "queue", "bounce", "--domain", "dest.test",
                                           "--reason", "a test", stdout_too=True)
        self.assertEqual(status, 0, written)
        self.assertGreater(len(self.percents(written)), 0, written)
        self.assertIn("recipients done", written)
        self.assertIn("30000 of 30000 recipients", written.replace("\r", ""))
        id = relay.records("operation", "list")[0]["operation"]
        again, status = self.on_terminal(relay, "operation", "show", id, "--wait")
        self.assertEqual((again, status), ("", 0), "it is over: nothing to tell")


if __name__ == "__main__":
    support.main()
