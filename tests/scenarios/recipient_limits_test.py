"""Goal: recipients are answered one by one, and their number is limited and said so.
Method: a small limit, then one more; ten thousand RCPTs in one session."""
import support
from support import eventually, message


class RecipientLimits(support.Scenario):
    def test_past_the_limit_is_a_temporary_failure_for_that_recipient_only(self):
        relay, peer = self.relay_to_peer(relay_settings={"limits": {"recipients_per_message": 5}})
        wire = relay.wire()
        self.assertIn("RCPTMAX=5", wire.greet().get("LIMITS", "").split())
        wire.command("MAIL FROM:<a@client.test>")
        for i in range(5):
            self.assertReply(wire.command(f"RCPT TO:<r{i}@dest.test>"), 250)
        self.assertReply(wire.command("RCPT TO:<r5@dest.test>"), 452, "4.5.3")
        self.assertReply(wire.command("DATA"), 354)
        wire.send(message() + b"\r\n.\r\n")
        self.assertReply(wire.reply(), 250)
        eventually(lambda: len(peer.recipients()) == 5)
        self.assertEqual(sorted(peer.recipients()), [f"r{i}@dest.test" for i in range(5)])

    def test_each_recipient_has_its_own_reply(self):
        relay, peer = self.relay_to_peer()
        wire = relay.wire()
        wire.greet()
        wire.command("MAIL FROM:<a@client.test>")
        self.assertReply(wire.command("RCPT TO:<good@dest.test>"), 250)
        for bad in ("<>", "<no spaces@dest.test>", "<@>", "<a@>", "missing@brackets <", "<a@-x-.>"):
            reply = wire.command(f"RCPT TO:{bad}")
            self.assertIn(reply.code, (501, 550, 553), f"{bad}: {reply}")
        self.assertReply(wire.command("DATA"), 354)
        wire.send(message() + b"\r\n.\r\n")
        self.assertReply(wire.reply(), 250)
        eventually(lambda: peer.recipients() == ["good@dest.test"])

    def test_addresses_that_exist_in_japan_are_taken_and_kept(self):
        relay, peer = self.relay_to_peer()
        given = ["a..b@docomo.ne.jp", "abc.@ezweb.ne.jp", ".x@docomo.ne.jp",
                 '"two words"@dest.test', '"q\\"q"@dest.test', "MixedCase@Dest.Test"]
        relay.send(recipients=given)
        eventually(lambda: len(peer.recipients()) == len(given))
        self.assertEqual(sorted(peer.recipients()), sorted(given))

    def test_a_hundred_thousand_rcpts_cost_bounded_memory(self):
        relay, _ = self.relay_to_peer()
        wire = relay.wire(timeout=60)
        wire.greet()
        wire.command("MAIL FROM:<a@client.test>")
        before = self.memory(relay)
        codes = set()
        try:
            for _ in range(100):
                wire.send("".join(f"RCPT TO:<{i:03}@dest.test>\r\n" for i in range(1000)))
                for _ in range(1000):
                    codes.add(wire.reply().code)
        except (support.Closed, ConnectionError):
            pass  # too many commands or errors may end the session
        self.assertTrue(codes <= {250, 452, 421, 552, 550}, codes)
        self.assertLess(self.memory(relay) - before, 64 << 20)
        self.assertHealthy(relay)

    @staticmethod
    def memory(relay):
        text = open(f"/proc/{relay.process.child.pid}/status").read()
        return int(support.re.search(r"VmRSS:\s+(\d+)", text).group(1)) * 1024


if __name__ == "__main__":
    support.main()
