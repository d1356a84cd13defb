"""Goal: a Postfix whose relayhost is ekiden hands over its mail through every door.
Method: its own smtp client, with TLS policies and logins; mail enters it from smtplib."""
import smtplib

import interop
from interop import PASSWORD, USER
from postfix import Postfix
from support import LOOPBACK, SLOW, eventually, message


class PostfixSends(interop.Interop):
    def setUp(self):
        super().setUp()
        interop.find("postfix")
        self.open_doors()

    def postfix(self, port, **settings):
        return Postfix(self, relayhost=f"[{LOOPBACK}]:{port}", virtual_mailbox_domains="",
                       **settings)

    def login(self, port, user=USER, password=PASSWORD):
        logins = self.folder / "logins"
        logins.write_text(f"[{LOOPBACK}]:{port} {user}:{password}\n")
        return {"smtp_sasl_auth_enable": "yes", "smtp_sasl_security_options": "noanonymous",
                "smtp_sasl_password_maps": f"texthash:{logins}"}

    def send(self, postfix, recipients=("b@dest.test",), body=None, options=()):
        with smtplib.SMTP(LOOPBACK, postfix.port, "client.test", 20 * SLOW) as client:
            client.sendmail("a@client.test", list(recipients), body or message(), options)

    def test_in_the_clear(self):
        self.send(self.postfix(self.relay_.port, smtp_tls_security_level="none"))
        self.assertCame(self.taken()[0], "ESMTP")

    def test_starttls_verified_and_login(self):
        postfix = self.postfix(self.submission, smtp_tls_security_level="secure",
                               smtp_tls_secure_cert_match="relay.test", smtp_tls_loglevel="1",
                               **self.login(self.submission))
        self.send(postfix)
        self.assertCame(self.taken()[0], "ESMTPSA")
        self.assertIn("Verified TLS connection established", postfix.log())

    def test_implicit_tls_and_login(self):
        postfix = self.postfix(self.smtps, smtp_tls_security_level="encrypt",
                               smtp_tls_wrappermode="yes", **self.login(self.smtps))
        self.send(postfix)
        self.assertCame(self.taken()[0], "ESMTPSA")

    def test_a_wrong_password_leaves_the_mail_queued(self):
        postfix = self.postfix(self.submission, smtp_tls_security_level="encrypt",
                               **self.login(self.submission, password="wrong"))
        self.send(postfix)
        eventually(lambda: "status=deferred" in postfix.log(), 20)
        self.assertRegex(postfix.log(), r"SASL authentication failed.*535 5\.7\.8")
        self.assertEqual(self.peer_.received, [])

    def test_several_recipients_and_messages_pipelined(self):
        postfix = self.postfix(self.relay_.port, smtp_tls_security_level="none")
        for _ in range(5):
            self.send(postfix, ["b@dest.test", "c@dest.test"])
        for transaction in self.taken(5):
            self.assertEqual(sorted(transaction.addresses), ["b@dest.test", "c@dest.test"])

    def test_dsn_parameters_travel_through_both(self):
        postfix = self.postfix(self.relay_.port, smtp_tls_security_level="none")
        with smtplib.SMTP(LOOPBACK, postfix.port, "client.test", 20 * SLOW) as client:
            client.sendmail("a@client.test", ["b@dest.test"], message(),
                            ["RET=HDRS", "ENVID=one"], ["NOTIFY=FAILURE"])
        taken = self.taken()[0]
        self.assertIn("RET=HDRS", taken.parameters)
        self.assertIn("ENVID=one", taken.parameters)
        self.assertIn("NOTIFY=FAILURE", taken.recipients[0][1])
        self.assertIn("ORCPT=rfc822;b@dest.test", taken.recipients[0][1])

    def test_eight_bit_and_smtputf8_arrive_octet_for_octet(self):
        postfix = self.postfix(self.relay_.port, smtp_tls_security_level="none")
        body = "本文\r\n.\r\n..two\r\n"
        with smtplib.SMTP(LOOPBACK, postfix.port, "client.test", 20 * SLOW) as client:
            client.ehlo()
            client.sendmail("a@client.test", ["ゆう@dest.test"], message("件名", body),
                            ["BODY=8BITMIME", "SMTPUTF8"])
        taken = self.taken()[0]
        self.assertEqual(taken.body.decode(), body)
        self.assertEqual(taken.addresses, ["ゆう@dest.test"])
        self.assertIn("SMTPUTF8", taken.parameters)


if __name__ == "__main__":
    interop.main()
