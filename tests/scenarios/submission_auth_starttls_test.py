"""Goal: port 587 takes mail only from somebody who logged in under TLS.
Method: smtplib with STARTTLS and AUTH; wrong passwords, no TLS, other people's domains."""
import base64
import smtplib

import support
from support import eventually, message


class Submission(support.Scenario):
    def setUp(self):
        super().setUp()
        self.peer_ = self.peer()
        self.relay_ = self.relay()
        self.relay_.use_tls(self.certificates())
        self.submission = self.relay_.listener("submission", "starttls")
        self.relay_.route_to(self.peer_.port)
        self.relay_.start()

    def client(self):
        client = self.relay_.smtp(self.submission)
        self.addCleanup(client.close)
        client.starttls()
        client.ehlo()
        return client

    def add(self, name, *flags):
        self.relay_.user_add(name, "correct horse", *flags)

    def eventually_login(self, name, password="correct horse"):
        """The node sees a new user within a second."""
        def attempt():
            client = self.client()
            try:
                client.login(name, password)
                return client
            except smtplib.SMTPAuthenticationError:
                client.close()
                return None
        return eventually(attempt, what="the login")

    def test_a_user_added_while_the_node_runs_can_send(self):
        self.add("app")
        client = self.eventually_login("app")
        client.sendmail("a@client.test", ["b@dest.test"], message())
        taken = eventually(lambda: self.peer_.received)[0]
        self.assertIn("with ESMTPSA", taken.header("Received"))

    def test_plain_and_login_both_work(self):
        self.add("app")
        self.eventually_login("app").close()
        for method in ("auth_plain", "auth_login"):
            client = self.client()
            client.user, client.password = "app", "correct horse"
            name = method.split("_")[1].upper()
            code, _ = client.auth(name, getattr(client, method),
                                  initial_response_ok=method == "auth_plain")
            self.assertEqual(code, 235)

    def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(self):
        self.add("app")
        self.eventually_login("app").close()
        answers = []
        for name in ("app", "nobody"):
            with self.assertRaises(smtplib.SMTPAuthenticationError) as raised:
                self.client().login(name, "wrong password")
            answers.append((raised.exception.smtp_code, raised.exception.smtp_error))
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(answers[0][0], 535)
        self.assertTrue(answers[0][1].startswith(b"5.7.8"))

    def test_no_login_no_mail(self):
        client = self.client()
        code, text = client.mail("a@client.test")
        self.assertEqual((code, text[:5]), (530, b"5.7.0"))

    def test_passwords_are_not_asked_for_in_the_clear(self):
        wire = self.relay_.wire(self.submission)
        self.assertNotIn("PLAIN", wire.greet().get("AUTH", ""))
        secret = base64.b64encode(b"\0app\0correct horse").decode()
        reply = wire.command(f"AUTH PLAIN {secret}")
        self.assertIn(reply.code, (503, 504, 530, 538), reply)

    def test_a_user_may_send_only_for_their_domains(self):
        self.add("shop", "--sender-domain", "shop.test")
        client = self.eventually_login("shop")
        code, text = client.mail("ceo@bank.test")
        if code == 250:  # refused at RCPT at the latest
            code, text = client.rcpt("b@dest.test")
        self.assertIn(code, (550, 553))
        self.assertEqual(text[:5], b"5.7.1")
        client.rset()
        with self.assertRaises(smtplib.SMTPDataError) as raised:
            client.sendmail("a@shop.test", ["b@dest.test"], message(From="ceo@bank.test"))
        self.assertIn(raised.exception.smtp_code, (550, 553))
        client.rset()
        client.sendmail("a@shop.test", ["b@dest.test"], message(From="a@shop.test"))
        client.sendmail("", ["b@dest.test"], message(From="a@shop.test"))
        eventually(lambda: len(self.peer_.received) == 2)

    def test_a_user_may_log_in_only_from_their_networks(self):
        self.add("far", "--network", "192.0.2.0/24")
        self.add("near", "--network", "127.0.0.0/8")
        self.eventually_login("near").close()
        with self.assertRaises(smtplib.SMTPAuthenticationError) as raised:
            self.client().login("far", "correct horse")
        self.assertEqual(raised.exception.smtp_code, 535)

    def test_a_removed_user_and_an_old_password_are_out_within_a_second(self):
        self.add("app")
        self.eventually_login("app").close()

        def is_refused():
            client = self.client()
            try:
                client.login("app", "correct horse")
                return False
            except smtplib.SMTPAuthenticationError:
                return True
            finally:
                client.close()

        self.relay_.cli("user", "passwd", "app", "--password-stdin", stdin="battery staple\n")
        eventually(is_refused, 3)
        self.eventually_login("app", "battery staple").close()
        self.relay_.cli("user", "remove", "app")
        eventually(lambda: not self.relay_.records("user", "list"), 3)

    def test_an_api_key_is_a_password_shown_once(self):
        answer = self.relay_.json("user", "add", "robot", "--api-key")
        key = answer["api_key"]
        self.assertRegex(key, r"^ek_\w{43}$")
        client = self.eventually_login("robot", key)
        client.sendmail("a@client.test", ["b@dest.test"], message())
        self.assertNotIn(key, self.relay_.cli("user", "list", "--json"))

    def test_guessing_is_slow_and_the_owner_is_not_locked_out(self):
        self.add("app")
        self.eventually_login("app").close()
        client = self.client()
        for _ in range(3):
            with self.assertRaises(smtplib.SMTPException):
                client.login("app", "wrong password")
        start = support.time.monotonic()
        self.eventually_login("app").close()
        self.assertLess(support.time.monotonic() - start, 2 * support.SLOW)

    def test_malformed_auth_is_refused_and_the_session_goes_on(self):
        wire = self.relay_.wire(self.submission)
        wire.greet()
        self.assertReply(wire.command("STARTTLS"), 220)
        wire.start_tls()
        wire.ehlo()
        self.assertReply(wire.command("AUTH"), 501)
        self.assertReply(wire.command("AUTH NOSUCH"), 504)
        self.assertReply(wire.command("AUTH PLAIN !!!"), 501)
        self.assertReply(wire.command("AUTH PLAIN"), 334)
        self.assertReply(wire.command("*"), 501)
        self.assertReply(wire.command("AUTH PLAIN ="), (501, 535))
        self.assertReply(wire.command("NOOP"), 250)


if __name__ == "__main__":
    support.main()
