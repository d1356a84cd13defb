"""Goal: what bounces, complaints and reports say is read: from the command line, and by the relay
when they come back to a return path of its own. Method: the real binary, mails as others write them."""
import gzip
import json

import support
from support import eventually, message

BOUNCES = "bounces.relay.test"
DMARC = ("<feedback><report_metadata><org_name>dest</org_name><report_id>r1</report_id>"
         "</report_metadata><policy_published><domain>us.test</domain><p>none</p></policy_published>"
         "<record><row><source_ip>192.0.2.1</source_ip><count>3</count></row></record></feedback>")


def report(recipient, action="failed", status="5.2.2", reply="552 5.2.2 Mailbox full"):
    return (f"From: MAILER-DAEMON@far.test\r\nTo: bounce@{BOUNCES}\r\nSubject: Undelivered\r\n"
            "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; "
            "boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status"
            "\r\n\r\nReporting-MTA: dns; far.test\r\n\r\n"
            f"Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n"
            f"Remote-MTA: dns; mx.far.test\r\nDiagnostic-Code: smtp; {reply}\r\n--b--\r\n").encode()


COMPLAINT = (b"From: fbl@far.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; boundary=b"
             b"\r\n\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n"
             b"Version: 1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nTo: b@dest.test\r\n\r\n"
             b"--b--\r\n")


class Feedback(support.Scenario):
    def parse(self, what, octets, name="it"):
        file = self.folder / name
        file.write_bytes(octets)
        done = self.relay().run("parse", what, file)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_bounces_on_the_command_line(self):
        one, = self.parse("bounce", report("b@dest.test"))
        self.assertEqual((one["kind"], one["recipient"], one["status"], one["code"]),
                         ("failed", "b@dest.test", "5.2.2", 552))
        self.assertEqual((one["reason"], one["remote_host"]), ("mailbox_full", "mx.far.test"))
        self.assertEqual(self.parse("bounce", message())[0]["kind"], "none")
        self.assertEqual(self.parse("bounce", COMPLAINT)[0]["feedback_type"], "abuse")
        self.assertEqual(self.relay().run("parse", "bounce", self.folder / "none").returncode, 3)
        self.assertEqual(self.relay().run("parse", "bounce").returncode, 2)

    def test_reports_on_the_command_line(self):
        for octets in (DMARC.encode(), gzip.compress(DMARC.encode())):
            said, = self.parse("report", octets)
            self.assertEqual((said["kind"], said["records"][0]["count"]), ("dmarc", 3))
        self.assertEqual(self.parse("report", b'{"policies":[]}')[0]["kind"], "tls")
        self.assertEqual(self.parse("report", COMPLAINT)[0]["type"], "abuse")
        none, = self.parse("report", gzip.compress(b"\0" * (65 << 20)))
        self.assertEqual((none["kind"], none["problem"]), ("none", "unpacks to more than 64 MiB"))

    def sent(self, *notify):
        """A message that left with a return path of ours, and that path."""
        self.peer_ = self.peer()
        relay = self.relay_ = self.relay()
        relay.route_to(self.peer_.port)
        relay.settings["inbound_domain"] = [
            {"name": BOUNCES, "recipients": "any", "next_hop": f"127.0.0.1:{self.peer_.port}"}]
        self.inbound = relay.listener("inbound", "off")
        relay.settings["rewrite"] = [{"bounce_domain": BOUNCES, "return_path": "verp"}]
        relay.start()
        relay.send(rcpt_options=notify)
        taken = eventually(lambda: self.peer_.received and self.peer_.received[0])
        self.message = relay.wait_for_event("b@dest.test", "delivered")[0]["message"]
        return taken.sender

    def come_back(self, address, octets, sender=""):
        wire = self.relay_.wire(self.inbound)
        wire.greet()
        return wire.transaction(sender, [address], octets.removesuffix(b"\r\n"))

    def events(self, kind):
        out = self.relay_.run("events", "tail", "--once", "-n", "1000", "--json").stdout
        return [e for e in map(json.loads, out.splitlines()) if e["kind"] == kind]

    def test_what_comes_back_is_told_of_the_message(self):
        path = self.sent()
        self.assertReply(self.come_back(path, report("b@dest.test")), 250)
        event = eventually(lambda: self.events("returned"), 20)[0]
        self.assertEqual((event["message"], event["reason"], event["fault"]),
                         (self.message, "mailbox_full", "recipient"))
        self.assertEqual((event["reply_code"], event["enhanced_code"]), (552, "5.2.2"))
        self.assertReply(self.come_back(path, COMPLAINT), 250)
        event = eventually(lambda: self.events("complained"), 20)[0]
        self.assertEqual(event["message"], self.message)

    def reports(self):
        return [t for t in self.peer_.received if t.addresses == ["a@client.test"]]

    def test_who_asked_for_failures_gets_a_report(self):
        path = self.sent("NOTIFY=FAILURE")
        self.assertReply(self.come_back(path, report("b@dest.test")), 250)
        taken = eventually(self.reports, 20, "the report")[0]
        self.assertEqual(taken.sender, "")
        told = support.Dsn(taken.data)
        self.assertEqual(told.field("Final-Recipient"), "rfc822; b@dest.test")
        self.assertEqual((told.field("Action"), told.field("Status")), ("failed", "5.2.2"))
        self.assertIn("Mailbox full", told.field("Diagnostic-Code"))
        self.assertIn(b"Message-ID: <", told.returned)

    def test_who_did_not_ask_gets_none(self):
        path = self.sent()
        self.assertReply(self.come_back(path, report("b@dest.test")), 250)
        eventually(lambda: self.events("returned"), 20)
        # The bounce itself has gone on, and nothing else is queued.
        eventually(lambda: len(self.peer_.received) == 2, 20)
        self.assertEqual(self.reports(), [])

    def test_delays_forgeries_and_ordinary_mail_tell_nothing(self):
        path = self.sent()
        self.assertReply(self.come_back(path, report("b@dest.test", "delayed", "4.4.1", "450 later")),
                         250)
        self.assertReply(self.come_back("bounce-" + "a" * 50 + "@" + BOUNCES,
                                        report("b@dest.test")), 550, "5.1.1")
        self.assertReply(self.come_back(path, report("b@dest.test"), "x@else.test"), 250)
        # The last one is behind the others.
        self.assertReply(self.come_back(path, b"hello\r\n"), 250)
        eventually(lambda: self.events("returned"), 20)
        self.assertEqual(len(self.events("returned")), 1, "only that which says nothing else")


if __name__ == "__main__":
    support.main()
