"""Goal: port 465 speaks TLS from the first octet, and client certificates log in.
Method: ssl sockets; plain text where TLS is due."""
import smtplib
import ssl

import support
from support import Certificates, LOOPBACK, eventually, message


class ImplicitTls(support.Scenario):
    def setUp(self):
        super().setUp()
        self.authority = self.certificates()
        self.peer_ = self.peer()
        self.relay_ = self.relay()
        self.relay_.use_tls(self.authority, "relay.test", LOOPBACK)
        self.port = self.relay_.listener("submission", "implicit",
                                         client_ca=str(self.authority.ca))
        self.relay_.route_to(self.peer_.port)
        self.relay_.start()

    def test_mail_goes_in_over_tls(self):
        self.relay_.user_add("app", "correct horse")
        context = ssl.create_default_context(cafile=str(self.authority.ca))

        def send():
            try:
                with smtplib.SMTP_SSL(LOOPBACK, self.port, context=context,
                                      timeout=20) as client:
                    self.assertFalse(client.has_extn("starttls"))
                    client.login("app", "correct horse")
                    client.sendmail("a@client.test", ["b@dest.test"], message())
                    return True
            except smtplib.SMTPAuthenticationError:
                return False
        eventually(send)
        eventually(lambda: self.peer_.received)

    def test_a_client_certificate_logs_in(self):
        certificate, key = self.authority.issue("robot.test")
        self.relay_.cli("user", "add", "robot", "--certificate-sha256",
                        Certificates.fingerprint(certificate))
        context = ssl.create_default_context(cafile=str(self.authority.ca))
        context.load_cert_chain(certificate, key)

        def login():
            wire = self.relay_.wire(self.port)
            wire.sock = context.wrap_socket(wire.sock, server_hostname="relay.test")
            if "EXTERNAL" not in wire.greet().get("AUTH", "").split():
                wire.close()
                return None
            return wire
        wire = eventually(login, what="EXTERNAL")
        self.assertReply(wire.command("AUTH EXTERNAL ="), 235)
        self.assertReply(wire.transaction("a@client.test", ["b@dest.test"], message()), 250)

    def test_a_stranger_s_certificate_does_not_log_in(self):
        certificate, key = self.authority.issue("stranger.test")
        context = ssl.create_default_context(cafile=str(self.authority.ca))
        context.load_cert_chain(certificate, key)
        wire = self.relay_.wire(self.port)
        wire.sock = context.wrap_socket(wire.sock, server_hostname="relay.test")
        self.assertNotIn("EXTERNAL", wire.greet().get("AUTH", ""))
        self.assertReply(wire.command("AUTH EXTERNAL ="), (504, 535))
        self.assertReply(wire.command("MAIL FROM:<a@client.test>"), 530, "5.7.0")

    def test_plain_text_to_a_tls_port_is_dropped(self):
        wire = self.relay_.wire(self.port)
        wire.send(b"EHLO client.test\r\n")
        self.assertTrue(wire.is_closed())
        self.assertHealthy(self.relay_)

    def test_old_tls_is_refused(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with support.warnings.catch_warnings():
            support.warnings.simplefilter("ignore")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        wire = self.relay_.wire(self.port)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            wire.start_tls(context)


if __name__ == "__main__":
    support.main()
