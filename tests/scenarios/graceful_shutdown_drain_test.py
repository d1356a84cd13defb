"""Goal: SIGTERM ends new work, finishes what is under way within its budget, loses nothing.
Method: sessions and deliveries in the middle of a message when the signal comes."""
import signal

import support
from peer import HANG
from support import eventually, message


class Shutdown(support.Scenario):
    def test_an_idle_relay_ends_at_once_with_status_0(self):
        relay, _ = self.relay_to_peer()
        wire = relay.wire()
        wire.greet()
        start = support.time.monotonic()
        relay.process.signal(signal.SIGTERM)
        self.assertReply(wire.reply(), 421, "4.3.2")
        self.assertEqual(relay.process.wait(10), 0)
        self.assertLess(support.time.monotonic() - start, 5 * support.SLOW)

    def test_a_message_that_is_arriving_is_taken(self):
        relay, peer = self.relay_to_peer()
        wire = relay.wire()
        wire.greet()
        wire.command("MAIL FROM:<>")
        wire.command("RCPT TO:<b@dest.test>")
        self.assertReply(wire.command("DATA"), 354)
        wire.send(message())
        relay.process.signal(signal.SIGTERM)
        support.time.sleep(0.3)
        wire.send(b".\r\n")
        reply = wire.reply()
        self.assertIn(reply.code, (250, 421, 451))
        self.assertEqual(relay.process.wait(15), 0)
        relay.start()
        if reply.code == 250:
            eventually(lambda: peer.received)

    def test_a_delivery_under_way_is_finished(self):
        relay, peer = self.relay_to_peer()
        slow = support.threading.Event()

        def wait(session, line):
            slow.set()
            support.time.sleep(0.5)
            return None
        peer.on("EOD", wait)
        relay.send(sender="")
        self.assertTrue(slow.wait(10))
        relay.process.signal(signal.SIGTERM)
        self.assertEqual(relay.process.wait(15), 0)
        peer.hooks.clear()
        relay.start()
        support.time.sleep(1)
        self.assertEqual(len(peer.received), 1, "finished, hence not sent twice")

    def test_a_peer_that_hangs_does_not_hold_the_relay_past_its_budget(self):
        relay, peer = self.relay_to_peer(relay_settings={"node": {"shutdown_timeout": "1s"}})
        peer.on("DATA", [HANG])
        relay.send(sender="")
        eventually(lambda: "DATA" in peer.commands())
        start = support.time.monotonic()
        relay.process.signal(signal.SIGTERM)
        self.assertEqual(relay.process.wait(20), 0)
        self.assertLess(support.time.monotonic() - start, 6 * support.SLOW)
        relay.start()
        eventually(lambda: peer.received, what="delivery after the restart")

    def test_a_client_that_hangs_does_not_either(self):
        relay, _ = self.relay_to_peer(relay_settings={"node": {"shutdown_timeout": "1s"}})
        wire = relay.wire()
        wire.greet()
        wire.command("MAIL FROM:<>")
        wire.command("RCPT TO:<b@dest.test>")
        wire.command("DATA")
        relay.process.signal(signal.SIGTERM)
        self.assertEqual(relay.process.wait(20), 0)


if __name__ == "__main__":
    support.main()
