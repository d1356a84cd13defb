"""Goal: who asks for NOTIFY=DELAY hears once that mail is late, and later that it arrived or not.
Method: a peer that defers; the notice's Action; a message that did not ask."""
import support
from support import Dsn, eventually


class DelayNotice(support.Scenario):
    def test_a_delayed_message_gives_one_notice(self):
        relay, peer = self.relay_to_peer(
            relay_settings={"retry": {"first": "5m", "delay_notice_after": "10m"}})
        peer.on("RCPT", lambda s, line: "450 4.2.1 later" if "b@dest" in line else None)
        relay.send(sender="sender@client.test", rcpt_options=["NOTIFY=DELAY,FAILURE"])
        taken = eventually(lambda: peer.received, 15, "the notice")[0]
        self.assertEqual((taken.sender, taken.addresses), ("", ["sender@client.test"]))
        dsn = Dsn(taken.data)
        self.assertEqual(dsn.field("Action"), "delayed")
        self.assertTrue(dsn.field("Status").startswith("4."))
        self.assertIsNotNone(dsn.field("Will-Retry-Until"))
        eventually(lambda: relay.metric("ekiden_recipients_queued") == 1)
        peer.on("RCPT", None)
        eventually(lambda: "b@dest.test" in peer.recipients(), what="delivery after all")
        self.assertEqual(len(peer.received), 2, "one notice, one delivery")

    def test_who_asked_for_failures_only_gets_no_notice(self):
        relay, peer = self.relay_to_peer(
            relay_settings={"retry": {"first": "5m", "delay_notice_after": "10m"}})
        peer.on("RCPT", ["450 4.2.1 later"] * 4)
        relay.send(sender="sender@client.test", rcpt_options=["NOTIFY=FAILURE"])
        eventually(lambda: "b@dest.test" in peer.recipients(), 20)
        self.assertEqual(len(peer.received), 1)


if __name__ == "__main__":
    support.main()
