"""Goal: SendGrid's SMTP clients get what X-SMTPAPI says: a message for each recipient with its own
substitutions, sections and time, all of them or none, and a reason at the end of DATA otherwise.
Method: smtplib with an API key as password against the real relay before a scripted peer."""
import email
import email.message
import email.policy
import json
import smtplib
import time

import support
from sendgrid_compat_test import SendGrid, folded
from support import eventually, message


class SmtpApiPersonal(SendGrid):
    def mails(self, peer, count):
        eventually(lambda: len(peer.received) >= count, what=f"{count} messages")
        self.assertEqual(len(peer.received), count)
        return {t.addresses[0]: email.message_from_bytes(t.data, policy=email.policy.default)
                for t in peer.received}

    def test_each_recipient_gets_their_own(self):
        relay, peer, client, smtp = self.session()
        api = {"to": ["Ben <ben@dest.test>", "花子 <hanako@dest.test>"],
               "sub": {"-name-": ["Ben", "花子"], "-greeting-": [":hello", ":dear"], "-n-": [1, 2]},
               "section": {":hello": "Hello -name-", ":dear": "-name-様"},
               "category": ["c"], "unique_args": {"order": 17}}
        mail = email.message.EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "a@client.test", "dummy@dest.test", "注文 -n-"
        mail["X-SMTPAPI"] = json.dumps(api)
        mail.set_content("-greeting-: 番号 -n-\n")
        mail.add_alternative("<p>-greeting-</p>\n", subtype="html")
        mail.add_attachment(b"-name-", maintype="text", subtype="plain", filename="a.txt")
        smtp.send_message(mail)
        mails = self.mails(peer, 2)
        self.assertEqual(set(mails), {"ben@dest.test", "hanako@dest.test"})
        ben, hanako = mails["ben@dest.test"], mails["hanako@dest.test"]
        self.assertEqual((ben["Subject"], hanako["Subject"]), ("注文 1", "注文 2"))
        self.assertEqual(ben["To"].addresses[0].addr_spec, "ben@dest.test")
        self.assertEqual(hanako["To"].addresses[0].display_name, "花子")
        text = {to: m.get_body(("plain",)).get_content().strip() for to, m in mails.items()}
        self.assertEqual(text, {"ben@dest.test": "Hello Ben: 番号 1",
                                "hanako@dest.test": "花子様: 番号 2"})
        self.assertEqual(hanako.get_body(("html",)).get_content().strip(), "<p>花子様</p>")
        for one in mails.values():
            (file,) = one.iter_attachments()
            self.assertEqual(file.get_content().strip(), b"-name-" if isinstance(
                file.get_content(), bytes) else "-name-")
            self.assertNotIn("X-SMTPAPI", one)
        event = relay.wait_for_event("ben@dest.test", "delivered")[-1]
        self.assertEqual(event["tags"], ["c"])
        self.assertNotEqual(event["message"],
                            relay.wait_for_event("hanako@dest.test", "delivered")[-1]["message"])

    def test_the_envelope_names_them_too_and_each_has_a_time(self):
        relay, peer, client, smtp = self.session()
        now = int(time.time())
        smtp.sendmail("a@client.test", ["b@dest.test", "c@dest.test"], message(X_SMTPAPI=json.dumps(
            {"send_each_at": [now - 10, now + 3600], "sub": {"hello": ["eins", "zwei"]}})))
        mails = self.mails(peer, 1)
        self.assertEqual(set(mails), {"b@dest.test"})
        (waiting,) = relay.queue()
        self.assertEqual((waiting["recipient"], waiting["state"]), ("c@dest.test", "waiting"))

    def test_all_of_them_or_none(self):
        relay, peer, client, smtp = self.session()
        cases = [{"sub": {"-n-": ["A"]}, "to": ["x@dest.test", "y@dest.test"]},
                 {"send_each_at": [int(time.time())] * 2},
                 {"send_each_at": [4102444800]},
                 {"sub": {"hello": ["a\r\nBcc: e@dest.test"]}},
                 {"sub": {"-n-": [["A"]]}}, {"sub": {"-n-": "A"}}, {"section": {"s": {}}},
                 {"send_each_at": ["soon"]}, {"batch_id": "x"},
                 {"sub": {"-n-": ["A", "B"]}, "to": ["x@dest.test", "nobody"]},
                 {"filters": {n: {"settings": {"enable": 1}} for n in
                              ("bypass_list_management", "bypass_spam_management")}}]
        for case in cases:
            with self.assertRaises(smtplib.SMTPDataError) as refused:
                smtp.sendmail("a@client.test", ["b@dest.test"],
                              message(subject="hello", X_SMTPAPI=folded(json.dumps(case))))
            self.assertEqual(refused.exception.smtp_code, 554, case)
            self.assertIn(b"X-SMTPAPI", refused.exception.smtp_error, case)
        with self.assertRaises(smtplib.SMTPDataError) as large:
            smtp.sendmail("a@client.test", ["b@dest.test"],
                          message(body=("x" * 70 + "\r\n") * 20000,
                                  X_SMTPAPI='{"sub": {"-n-": ["A"]}}'))
        self.assertIn(b"1 MiB", large.exception.smtp_error)
        # One recipient that may not be sent to refuses the others too.
        relay.cli("tenant", "set", "default", "--messages-per-day", 1)
        with self.assertRaises(smtplib.SMTPResponseException) as limited:
            smtp.sendmail("a@client.test", ["b@dest.test"], message(X_SMTPAPI=json.dumps(
                {"to": ["x@dest.test", "y@dest.test"], "sub": {"-n-": ["A", "B"]}})))
        self.assertGreaterEqual(limited.exception.smtp_code, 400)
        self.assertEqual((relay.queue(), peer.received), ([], []))
        self.assertHealthy(relay)

    def test_what_a_key_may_not_do_it_may_not_do_here(self):
        relay, peer, client, may = self.session()
        relay.cli("suppression", "add", "b@dest.test", "--reason", "bounce")
        body = message(X_SMTPAPI=json.dumps(
            {"filters": {"bypass_bounce_management": {"settings": {"enable": 1}}}}))
        may_not = relay.smtp(may.sock.getpeername()[1])
        self.addCleanup(may_not.close)
        may_not.starttls()
        may_not.login("apikey", self.key(relay, "sender", "--scope", "messages:send"))
        with self.assertRaises(smtplib.SMTPDataError) as refused:
            may_not.sendmail("a@client.test", ["b@dest.test"], body)
        self.assertEqual(refused.exception.smtp_code, 550)
        may.sendmail("a@client.test", ["b@dest.test"], body)
        relay.wait_for_event("b@dest.test", "delivered")


if __name__ == "__main__":
    support.main()
