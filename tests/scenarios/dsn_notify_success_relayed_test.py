"""Goal: NOTIFY=SUCCESS travels to a next hop that has DSN; where it has not, a `relayed` report.
Method: peers with and without the extension."""
import support
from support import Dsn, eventually


class NotifySuccess(support.Scenario):
    OPTIONS = dict(sender="sender@client.test", options=["ENVID=E1", "RET=HDRS"],
                   rcpt_options=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;b@dest.test"])

    def test_a_peer_with_dsn_takes_over_the_duty(self):
        relay, peer = self.relay_to_peer()
        relay.send(**self.OPTIONS)
        taken = eventually(lambda: peer.received)[0]
        self.assertIn("ENVID=E1", taken.parameters)
        self.assertIn("RET=HDRS", taken.parameters)
        self.assertIn("NOTIFY=SUCCESS,FAILURE", taken.recipients[0][1])
        self.assertIn("ORCPT=rfc822;b@dest.test", taken.recipients[0][1])
        eventually(lambda: relay.metric("ekiden_recipients_delivered_total") == 1)
        self.assertEqual(relay.metric("ekiden_recipients_generated_total"), 0)

    def test_a_peer_without_dsn_means_a_relayed_report(self):
        relay, peer = self.relay_to_peer(extensions=["PIPELINING", "8BITMIME"])
        relay.send(**self.OPTIONS)
        eventually(lambda: len(peer.received) == 2, what="mail and report")
        mail, report = sorted(peer.received, key=lambda t: t.sender == "")
        self.assertNotIn("NOTIFY", mail.recipients[0][1])
        dsn = Dsn(report.data)
        self.assertEqual(report.addresses, ["sender@client.test"])
        self.assertEqual(dsn.field("Action"), "relayed")
        self.assertTrue(dsn.field("Status").startswith("2."))

    def test_malformed_parameters_are_syntax_errors(self):
        relay, _ = self.relay_to_peer()
        wire = relay.wire()
        self.assertIn("DSN", wire.greet())
        self.assertReply(wire.command("MAIL FROM:<a@client.test> RET=SOME"), 501)
        self.assertReply(wire.command("MAIL FROM:<a@client.test> ENVID=+zz"), 501)
        self.assertReply(wire.command("MAIL FROM:<a@client.test>"), 250)
        for bad in ("NOTIFY=SOMETIMES", "NOTIFY=NEVER,SUCCESS", "ORCPT=nothing", "NOTIFY="):
            self.assertReply(wire.command(f"RCPT TO:<b@dest.test> {bad}"), 501)
        self.assertReply(wire.command("RCPT TO:<b@dest.test> UNKNOWN=1"), 555)


if __name__ == "__main__":
    support.main()
