"""Goal: mail that cannot leave expires at its deadline, whatever state it is in, with a DSN.
Method: a short deadline; a peer that defers for ever, a next hop that is not there, a hold."""
import support
from support import Dsn, eventually


class Expiry(support.Scenario):
    RETRY = {"retry": {"first": "5m", "max_interval": "10m", "expire_after": "30m"}}  # 1.8 s

    def test_a_recipient_deferred_for_ever_expires_with_the_last_reply(self):
        relay, peer = self.relay_to_peer(relay_settings=self.RETRY)
        peer.on("RCPT", lambda s, line: "450 4.2.2 mailbox full" if "b@dest" in line else None)
        relay.send(sender="sender@client.test")
        dsn = Dsn(eventually(lambda: peer.received, 15, "the DSN")[0].data)
        self.assertEqual(dsn.field("Action"), "failed")
        self.assertIn(dsn.field("Status"), ("4.4.7", "5.4.7"))
        self.assertIn("mailbox full", dsn.field("Diagnostic-Code"))
        eventually(lambda: relay.metric("ekiden_recipients_expired_total") == 1)
        eventually(lambda: relay.metric("ekiden_recipients_queued") == 0)

    def test_a_next_hop_that_is_never_there_expires_too(self):
        peer = self.peer()
        relay = self.relay()
        relay.route_to(support.free_port(), "dest.test")
        relay.route_to(peer.port)
        relay.settings["retry"].update(self.RETRY["retry"])
        relay.start()
        relay.send(sender="sender@client.test")
        taken = eventually(lambda: peer.received, 15, "the DSN")[0]
        self.assertEqual(taken.addresses, ["sender@client.test"])

    def test_a_held_recipient_expires_too(self):
        peer = self.peer()
        relay = self.relay()
        relay.route("dest.test", next_hop="hold")
        relay.route_to(peer.port)
        relay.settings["retry"].update(self.RETRY["retry"])
        relay.start()
        relay.send(sender="sender@client.test")
        eventually(lambda: peer.received, 15, "the DSN")
        eventually(lambda: relay.metric("ekiden_recipients_expired_total") == 1)

    def test_the_deadline_runs_while_the_relay_is_down(self):
        relay, peer = self.relay_to_peer(relay_settings=self.RETRY)
        peer.on("RCPT", lambda s, line: "450 4.2.2 full" if "b@dest" in line else None)
        relay.send(sender="sender@client.test")
        eventually(lambda: relay.metric("ekiden_attempts_deferred_total") >= 1)
        relay.kill()
        support.time.sleep(2)
        relay.start()
        eventually(lambda: peer.received, 15, "the DSN")


if __name__ == "__main__":
    support.main()
