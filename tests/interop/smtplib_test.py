"""Goal: Python's smtplib sends through every door. Method: its own login, TLS and sendmail."""
import smtplib
import ssl

import interop
from interop import PASSWORD, USER
from support import LOOPBACK, SLOW, message


class Smtplib(interop.Interop):
    def setUp(self):
        super().setUp()
        self.open_doors()
        self.context = ssl.create_default_context(cafile=str(self.authority.ca))

    def client(self, port, kind=smtplib.SMTP, **more):
        client = kind(LOOPBACK, port, local_hostname="client.test", timeout=20 * SLOW, **more)
        self.addCleanup(client.close)
        return client

    def test_trusted_and_in_the_clear(self):
        client = self.client(self.relay_.port)
        self.assertEqual(client.sendmail("a@client.test", ["b@dest.test"], message()), {})
        client.quit()
        self.assertCame(self.taken()[0], "ESMTP")

    def test_starttls_with_each_mechanism(self):
        for count, (name, method) in enumerate(
                [("PLAIN", "auth_plain"), ("LOGIN", "auth_login")], 1):
            client = self.client(self.submission)
            client.starttls(context=self.context)
            client.ehlo()
            client.user, client.password = USER, PASSWORD
            self.assertEqual(client.auth(name, getattr(client, method))[0], 235)
            client.sendmail("a@client.test", ["b@dest.test"], message())
            client.quit()
            self.assertCame(self.taken(count)[-1], "ESMTPSA")

    def test_implicit_tls_and_login(self):
        client = self.client(self.smtps, smtplib.SMTP_SSL, context=self.context)
        client.login(USER, PASSWORD)
        client.sendmail("a@client.test", ["b@dest.test"], message())
        client.quit()
        self.assertCame(self.taken()[0], "ESMTPSA")

    def test_a_wrong_password_is_an_authentication_error(self):
        client = self.client(self.smtps, smtplib.SMTP_SSL, context=self.context)
        with self.assertRaises(smtplib.SMTPAuthenticationError) as raised:
            client.login(USER, "wrong")
        self.assertEqual(raised.exception.smtp_code, 535)

    def test_several_messages_on_one_connection_with_dots_and_odd_ends(self):
        client = self.client(self.relay_.port)
        # Text, not octets: only then does smtplib make CRLF of every line end.
        bodies = [".\r\n", "..\r\n.x\r\n", "end without newline", "", "lone\nnewlines\n"]
        for body in bodies:
            client.sendmail("a@client.test", ["b@dest.test"], message(body=body).decode())
        client.quit()
        expected = [".\r\n", "..\r\n.x\r\n", "end without newline\r\n", "",
                    "lone\r\nnewlines\r\n"]
        self.assertEqual(sorted(t.body.decode() for t in self.taken(len(bodies))),
                         sorted(expected))

    def test_octets_with_bare_line_feeds_are_refused(self):
        client = self.client(self.relay_.port)
        with self.assertRaises(smtplib.SMTPDataError) as raised:
            client.sendmail("a@client.test", ["b@dest.test"], message(body="lone\nnewline\r\n"))
        self.assertEqual(raised.exception.smtp_code, 554)
        self.assertEqual(self.peer_.received, [])

    def test_send_message_with_utf8_addresses(self):
        import email.message
        mail = email.message.EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "a@client.test", "ゆう@dest.test", "件名"
        mail.set_content("本文\n")
        self.client(self.relay_.port).send_message(mail)
        taken = self.taken()[0]
        self.assertIn("SMTPUTF8", taken.parameters)
        self.assertEqual(taken.addresses, ["ゆう@dest.test"])

    def test_a_large_message_whose_declared_size_is_too_small(self):
        # smtplib declares SIZE before it makes CRLF of line ends.
        body = b"Subject: big\n\n" + b"x" * 60 + b"\n"
        body += (b"y" * 70 + b"\n") * 20_000
        self.client(self.relay_.port).sendmail("a@client.test", ["b@dest.test"], body.decode())
        self.assertEqual(self.taken()[0].body.count(b"y" * 70 + b"\r\n"), 20_000)


if __name__ == "__main__":
    interop.main()
