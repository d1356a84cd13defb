"""Goal: SIZE is a promise kept: refused early when declared, late when not, never when too small.
Method: declared, undeclared, and under-declared sizes around the limit."""
import support
from support import eventually, message


class SizeLimit(support.Scenario):
    def setUp(self):
        super().setUp()
        self.relay_, self.peer_ = self.relay_to_peer(
            relay_settings={"limits": {"message_size": "100KiB"}})

    def test_the_limit_is_announced(self):
        self.assertEqual(self.relay_.wire().greet()["SIZE"], str(100 * 1024))

    def test_a_declared_size_past_the_limit_is_refused_at_mail(self):
        wire = self.relay_.wire()
        wire.greet()
        self.assertReply(wire.command(f"MAIL FROM:<a@client.test> SIZE={100 * 1024 + 1}"), 552,
                         "5.3.4")
        self.assertReply(wire.command(f"MAIL FROM:<a@client.test> SIZE={100 * 1024}"), 250)

    def test_nonsense_in_size_is_a_syntax_error(self):
        wire = self.relay_.wire()
        wire.greet()
        for value in ("", "x", "-1", "1e3", "9" * 30):
            self.assertReply(wire.command(f"MAIL FROM:<a@client.test> SIZE={value}"), (501, 552))

    def test_a_message_that_grows_past_the_limit_is_refused_at_its_end_and_the_session_lives(self):
        wire = self.relay_.wire()
        wire.greet()
        reply = wire.transaction("a@client.test", ["b@dest.test"],
                                 message(body="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 3000))
        self.assertReply(reply, 552, "5.3.4")
        self.assertReply(wire.transaction("a@client.test", ["b@dest.test"], message()), 250)
        eventually(lambda: len(self.peer_.received) == 1)

    def test_a_size_declared_too_small_is_no_error(self):
        wire = self.relay_.wire()
        wire.greet()
        body = message(body="z" * 60 + "\r\n")
        self.assertReply(wire.command(f"MAIL FROM:<a@client.test> SIZE={len(body) - 2}"), 250)
        self.assertReply(wire.command("RCPT TO:<b@dest.test>"), 250)
        self.assertReply(wire.command("DATA"), 354)
        wire.send(body + b".\r\n")
        self.assertReply(wire.reply(), 250)
        eventually(lambda: self.peer_.received)

    def test_a_large_message_under_the_limit_arrives_whole(self):
        relay, peer = self.relay_to_peer()
        body = message(body=("0123456789abcdef" * 4 + "\r\n") * 80000)
        relay.send(body=body)
        taken = eventually(lambda: peer.received, 30)[0]
        self.assertTrue(taken.data.endswith(body))


if __name__ == "__main__":
    support.main()
