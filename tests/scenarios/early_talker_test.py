"""Goal: who talks before the banner, or on after being told to stop, gets nothing for it.
Method: commands sent at connect; commands behind QUIT; silence."""
import support
from support import eventually


class EarlyTalker(support.Scenario):
    def test_commands_before_the_banner_do_not_relay(self):
        relay, peer = self.relay_to_peer()
        wire = relay.wire()
        wire.send(b"EHLO spam.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@dest.test>\r\nDATA\r\n"
                  b"Subject: early\r\n\r\nx\r\n.\r\nQUIT\r\n")
        codes = []
        try:
            while True:
                codes.append(wire.reply().code)
        except (support.Closed, ConnectionError, TimeoutError):
            pass
        self.assertNotEqual(codes[-2:], [250, 221], codes)
        relay.send()
        eventually(lambda: peer.received)
        self.assertNotIn(b"early", peer.received[0].data)

    def test_nothing_is_obeyed_behind_quit(self):
        relay, peer = self.relay_to_peer()
        wire = relay.wire()
        wire.greet()
        wire.send(b"QUIT\r\nMAIL FROM:<a@x.test>\r\n")
        self.assertReply(wire.reply(), 221)
        self.assertTrue(wire.is_closed())
        self.assertEqual(peer.received, [])

    def test_a_half_closed_client_is_let_go(self):
        relay, _ = self.relay_to_peer()
        wire = relay.wire()
        wire.greet()
        wire.sock.shutdown(support.socket.SHUT_WR)
        self.assertTrue(wire.is_closed())
        eventually(lambda: relay.metric("ekiden_inbound_connections") == 0)


if __name__ == "__main__":
    support.main()
