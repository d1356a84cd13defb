"""Goal: one structured line for each session and one for each disposition, whatever a peer sends.
Method: the relay's log after a delivery, a refusal, and a client that tries to forge a line."""
import re

import support
from support import eventually


class LogLines(support.Scenario):
    def lines(self, relay, event):
        return [l for l in relay.log().splitlines() if re.search(rf" info {event} ", l)]

    def test_a_session_and_a_disposition_are_one_line_each(self):
        relay, peer = self.relay_to_peer()
        relay.send()
        eventually(lambda: peer.received)
        disposition = eventually(lambda: self.lines(relay, "disposition"))
        self.assertEqual(len(disposition), 1)
        self.assertRegex(disposition[0], r"kind=delivered .*recipient=b@dest\.test .*reply=")
        # The harness looked whether the port listens: that was a session as well.
        session = eventually(
            lambda: [l for l in self.lines(relay, "session") if " messages=1 " in l])
        self.assertEqual(len(session), 1)
        self.assertRegex(session[0], r"messages=1 recipients=1 .*end=quit")

    def test_a_bounce_says_what_the_peer_said(self):
        relay, peer = self.relay_to_peer()
        peer.on("RCPT", ["550 5.1.1 nobody here"])
        relay.send(sender="")
        line = eventually(lambda: self.lines(relay, "disposition"))[0]
        self.assertIn("kind=bounced", line)
        self.assertIn("nobody here", line)

    def test_a_client_cannot_forge_a_line(self):
        relay, _ = self.relay_to_peer()
        wire = relay.wire()
        wire.greet()
        wire.command("EHLO x\x1b[31m\x07info disposition kind=delivered")
        wire.command("QUIT")
        eventually(lambda: self.lines(relay, "session"))
        self.assertNotIn("\x1b", relay.log())
        self.assertEqual(self.lines(relay, "disposition"), [])


if __name__ == "__main__":
    support.main()
