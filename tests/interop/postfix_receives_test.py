"""Goal: ekiden delivers to a Postfix as it does to any next hop, and asks it about recipients.
Method: Postfix's smtpd and its virtual mailboxes; what it stored, and what it logged."""
import interop
from interop import PASSWORD, USER
from postfix import DovecotAuth, Postfix, secret
from support import LOOPBACK, Dsn, eventually, message


class PostfixReceives(interop.Interop):
    def setUp(self):
        super().setUp()
        interop.find("postfix")
        self.authority = self.certificates()

    def pair(self, settings=None, **route):
        self.postfix_ = Postfix(self, **(settings or {}))
        self.relay_ = self.relay()
        self.relay_.settings["delivery"]["trust_store"] = str(self.authority.ca)
        self.relay_.route(*route.pop("domains", ("*",)),
                          next_hop=route.pop("next_hop", f"localhost:{self.postfix_.port}"),
                          **route)
        return self.relay_

    def mail(self, count=1, user="b"):
        found = eventually(lambda: len(self.postfix_.mails(user)) >= count and
                           self.postfix_.mails(user), 20, "Postfix's delivery")
        return found[-1]

    def test_in_the_clear_where_tls_is_off(self):
        self.pair({"smtpd_tls_security_level": "none"}, tls="off").start()
        self.relay_.send()
        self.assertIn(b"Subject: hello", self.mail())

    def test_starttls_verified(self):
        self.pair(tls="verified").start().send()
        self.assertRegex(self.mail().decode(), r"\(using TLSv1\.3 with cipher ")
        event = self.relay_.wait_for_event("b@dest.test", "delivered")[-1]
        self.assertIn("verified", str(event))

    def test_tls_required_by_postfix(self):
        self.pair({"smtpd_tls_security_level": "encrypt"}).start().send()
        self.assertRegex(self.mail().decode(), r"\(using TLSv1\.3 with cipher ")

    def test_implicit_tls(self):
        relay = self.pair(next_hop="localhost:465", tls="verified")
        relay.map_mx("localhost", self.postfix_.smtps, 465)
        relay.start().send()
        self.assertRegex(self.mail().decode(), r"\(using TLSv1\.3 with cipher ")

    def login(self, password):
        auth = DovecotAuth(USER, PASSWORD)
        self.addCleanup(auth.stop)
        relay = self.pair({"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot",
                           "smtpd_sasl_path": f"inet:{LOOPBACK}:{auth.port}",
                           "smtpd_tls_auth_only": "yes",
                           "smtpd_client_restrictions": "permit_sasl_authenticated, reject"},
                          username=USER, password_file=secret(self.folder, password),
                          tls="required")
        relay.start().send()

    def test_login(self):
        self.login(PASSWORD)
        self.mail()
        self.assertIn(f"sasl_username={USER}", self.postfix_.log())

    def test_a_wrong_password_defers(self):
        self.login("wrong")
        event = self.relay_.wait_for_event("b@dest.test", "deferred")[-1]
        self.assertIn("535", str(event))
        self.assertEqual(self.postfix_.mails(), [])

    def test_an_unknown_recipient_bounces_with_postfix_s_words(self):
        relay = self.pair()
        back = self.peer()
        relay.settings["route"].insert(0, {"domains": ["client.test"],
                                           "next_hop": f"{LOOPBACK}:{back.port}"})
        relay.start().send(recipients=["nobody@dest.test", "b@dest.test"])
        self.mail()
        dsn = Dsn(eventually(lambda: back.received, 20, "the DSN")[0].data)
        self.assertEqual(dsn.field("Status"), "5.1.1")
        self.assertIn("User unknown in virtual mailbox table", dsn.field("Diagnostic-Code"))

    def test_large_and_dotted_bodies_arrive_whole(self):
        self.pair().start()
        bodies = [".\r\n..\r\n.x\r\n", "x" * 70 + "\r\n", ("y" * 900 + "\r\n") * 3000]
        for count, body in enumerate(bodies, 1):
            self.relay_.send(body=message(body=body))
            self.mail(count)
        stored = {mail.partition(b"\n\n")[2] for mail in self.postfix_.mails()}
        self.assertEqual(stored, {body.replace("\r\n", "\n").encode() for body in bodies})

    def test_chunked_when_the_route_prefers_it(self):
        self.pair(bdat=True).start().send(body=message(body=".\r\n.x\r\n"))
        self.assertEqual(self.mail().partition(b"\n\n")[2], b".\n.x\n")
        eventually(lambda: " bdat=1 " in self.postfix_.log(), 20)

    def test_many_messages_keep_their_connection(self):
        self.pair().start()
        with self.relay_.smtp() as client:
            for _ in range(40):
                client.sendmail("a@client.test", ["b@dest.test"], message())
        self.mail(40)
        self.assertLess(self.postfix_.log().count(": connect from"), 20)

    def test_recipients_of_our_own_domain_are_asked_there(self):
        self.pair()
        self.relay_.settings["inbound_domain"] = [
            {"name": "dest.test", "recipients": "verify",
             "next_hop": f"localhost:{self.postfix_.port}"}]
        port = self.relay_.listener("inbound", "off")
        self.relay_.start()
        wire = self.relay_.wire(port)
        wire.greet()
        wire.command("MAIL FROM:<x@client.test>")
        self.assertReply(wire.command("RCPT TO:<nobody@dest.test>"), 550, "5.1.1")
        self.assertReply(wire.command("RCPT TO:<c@dest.test>"), 250)
        self.assertReply(wire.command("DATA"), 354)
        wire.send(message() + b".\r\n")
        self.assertReply(wire.reply(), 250)
        self.mail(user="c")


if __name__ == "__main__":
    interop.main()
