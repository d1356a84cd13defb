"""Goal: a permanent refusal comes back to the sender as a DSN of three parts (RFC 3464), once, and
never as a bounce of a bounce.
Method: a peer that refuses; the DSN parsed with Python's email."""
import support
from support import Dsn, eventually, message


class Permfail(support.Scenario):
    def bounce(self, options=(), rcpt_options=(), hook="550 5.1.1 no such user", body=None,
               sender="sender@client.test"):
        relay, peer = self.relay_to_peer()
        peer.on("RCPT", lambda s, line: hook if "b@dest.test" in line else None)
        relay.send(sender=sender, body=body or message(subject="the original"), options=options,
                   rcpt_options=rcpt_options)
        taken = eventually(lambda: peer.received, what="the DSN")[0]
        return relay, peer, taken, Dsn(taken.data)

    def test_the_parts_say_what_happened(self):
        relay, peer, taken, dsn = self.bounce()
        self.assertEqual(taken.sender, "")
        self.assertEqual(taken.addresses, ["sender@client.test"])
        self.assertEqual((dsn.content_type, dsn.report_type),
                         ("multipart/report", "delivery-status"))
        self.assertEqual(dsn.kinds[:2], ["text/plain", "message/delivery-status"])
        self.assertIn(dsn.kinds[2], ("message/rfc822", "text/rfc822-headers"))
        self.assertIn("b@dest.test", dsn.human)
        self.assertIn("no such user", dsn.human)
        self.assertEqual(dsn.message_fields["Reporting-MTA"], "dns; relay.test")
        self.assertEqual(dsn.field("Final-Recipient"), "rfc822; b@dest.test")
        self.assertEqual(dsn.field("Action"), "failed")
        self.assertEqual(dsn.field("Status"), "5.1.1")
        self.assertEqual(dsn.field("Diagnostic-Code").replace("\r\n", ""),
                         "smtp; 550 5.1.1 no such user")
        self.assertIn("the original".encode(), dsn.returned)
        self.assertEqual(dsn.mail["Auto-Submitted"], "auto-replied")
        self.assertIsNotNone(dsn.mail["Date"])
        self.assertIsNotNone(dsn.mail["Message-ID"])
        eventually(lambda: relay.metric("ekiden_recipients_bounced_total") == 1)

    def test_envid_and_orcpt_come_back(self):
        _, _, _, dsn = self.bounce(options=["ENVID=QQ314159"],
                                   rcpt_options=["ORCPT=rfc822;First+40dest.test"])
        self.assertEqual(dsn.message_fields["Original-Envelope-Id"], "QQ314159")
        self.assertEqual(dsn.field("Original-Recipient"), "rfc822; First@dest.test")

    def test_ret_hdrs_returns_headers_only(self):
        _, _, _, dsn = self.bounce(options=["RET=HDRS"],
                                   body=message(subject="the original", body="the body\r\n"))
        self.assertEqual(dsn.kinds[2], "text/rfc822-headers")
        self.assertIn(b"the original", dsn.returned)
        self.assertNotIn(b"the body", dsn.returned)

    def test_ret_full_returns_everything(self):
        _, _, _, dsn = self.bounce(options=["RET=FULL"],
                                   body=message(subject="the original", body="the body\r\n"))
        self.assertEqual(dsn.kinds[2], "message/rfc822")
        self.assertIn(b"the body", dsn.returned)

    def test_notify_never_means_never(self):
        relay, peer = self.relay_to_peer()
        peer.on("RCPT", ["550 5.1.1 no such user"])
        relay.send(rcpt_options=["NOTIFY=NEVER"])
        eventually(lambda: relay.metric("ekiden_recipients_bounced_total") == 1)
        self.assertEqual(relay.metric("ekiden_recipients_generated_total"), 0)
        self.assertEqual(peer.received, [])

    def test_a_bounce_is_never_bounced(self):
        relay, peer = self.relay_to_peer()
        peer.on("RCPT", lambda s, line: "550 5.1.1 no such user")
        relay.send(sender="")
        eventually(lambda: relay.metric("ekiden_recipients_bounced_total") == 1)
        relay.send(sender="sender@client.test")
        eventually(lambda: relay.metric("ekiden_recipients_bounced_total") == 3,
                   what="the message's and its DSN's end")
        self.assertEqual(relay.metric("ekiden_recipients_generated_total"), 1)
        eventually(lambda: relay.metric("ekiden_recipients_queued") == 0)

    def test_a_refusal_after_the_final_dot_bounces_too(self):
        relay, peer = self.relay_to_peer()
        peer.on("EOD", ["554 5.7.1 looks like spam"])
        relay.send(sender="sender@client.test")
        dsn = Dsn(eventually(lambda: peer.received)[0].data)
        self.assertEqual(dsn.field("Status"), "5.7.1")

    def test_events_only_sends_no_dsn(self):
        relay, peer = self.relay_to_peer(relay_settings={"dsn": {"failure": "events-only"}})
        peer.on("RCPT", ["550 5.1.1 no such user"])
        relay.send()
        eventually(lambda: relay.metric("ekiden_recipients_bounced_total") == 1)
        self.assertEqual(peer.received, [])


if __name__ == "__main__":
    support.main()
