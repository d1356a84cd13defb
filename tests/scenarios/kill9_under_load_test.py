"""Goal: 250 means the message survives `kill -9` at any instant (and the process's memory with it).
Method: clients that count every 250; a relay killed at random instants, eight times, and started
again on the same folder; then every counted message is looked for at the peer."""
import random
import smtplib
import threading

import support
from support import LOOPBACK, eventually, message

ROUNDS, CLIENTS = 8, 6


class Kill9(support.Scenario):
    def test_every_message_answered_250_arrives(self):
        relay, peer = self.relay_to_peer()
        seed = random.randrange(1 << 30)
        print(f"seed {seed}")
        chance = random.Random(seed)
        accepted, lock, stopping = set(), threading.Lock(), threading.Event()

        def client(number):
            serial = 0
            while not stopping.is_set():
                try:
                    with smtplib.SMTP(LOOPBACK, relay.port, timeout=5) as smtp:
                        while not stopping.is_set():
                            serial += 1
                            tag = f"{number}-{serial}"
                            # One in twenty is large enough to have a file of its own.
                            body = "x" * 70 + "\r\n"
                            body *= 20000 if serial % 20 == 0 else 10
                            smtp.sendmail("", [f"m{tag}@dest.test"], message(body=body))
                            with lock:
                                accepted.add(f"m{tag}@dest.test")
                except (OSError, smtplib.SMTPException):
                    stopping.wait(0.02)

        clients = [threading.Thread(target=client, args=(i,), daemon=True) for i in range(CLIENTS)]
        for one in clients:
            one.start()
        for _ in range(ROUNDS):
            support.time.sleep(chance.uniform(0.2, 1.2))
            relay.kill()
            relay.start()
        stopping.set()
        for one in clients:
            one.join(30)
        self.assertGreater(len(accepted), 50, "a load")
        try:
            eventually(lambda: accepted <= set(peer.recipients()), 60)
        except AssertionError:
            missing = sorted(accepted - set(peer.recipients()))
            self.fail(f"{len(missing)} of {len(accepted)} messages are lost or late: "
                      f"{missing[:10]}")
        eventually(lambda: relay.metric("ekiden_recipients_queued") == 0, 30)
        for taken in peer.received:
            self.assertTrue(taken.data.endswith(b"x\r\n"), "no torn message")
        relay.stop()
        verified = relay.run("spool", "verify")
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def test_nothing_answered_otherwise_is_kept_half(self):
        relay, peer = self.relay_to_peer()
        wire = relay.wire()
        wire.greet()
        wire.command("MAIL FROM:<>")
        wire.command("RCPT TO:<half@dest.test>")
        self.assertReply(wire.command("DATA"), 354)
        wire.send(b"Subject: half\r\n\r\nunfinished")
        relay.kill()
        relay.start()
        relay.send(sender="")
        eventually(lambda: peer.received)
        self.assertNotIn("half@dest.test", peer.recipients())


if __name__ == "__main__":
    support.main()
