"""Goal: swaks, the tool that operators try a relay with, gets through and is told why it does not.
Method: its command line, its exit status and its transcript."""
import re
import unittest

import interop
from interop import PASSWORD, USER
from support import LOOPBACK


class Swaks(interop.Interop):
    def setUp(self):
        super().setUp()
        self.program = interop.find("swaks")
        self.open_doors()

    def swaks(self, port, *flags, status=0):
        return self.run_program(self.program, "--server", f"{LOOPBACK}:{port}", "--helo",
                                "client.test", "--from", "a@client.test", "--to", "b@dest.test",
                                "--timeout", "20", *flags, status=status)

    def need_tls(self):
        said = self.run_program(self.program, "--support", status=None)
        if not re.search(r"^Basic TLS +\(available\)|TLS.*supported", said, re.M) or \
                re.search(r"TLS.*(not available|cannot load)", said, re.I):
            raise unittest.SkipTest("swaks has no TLS here (libnet-ssleay-perl)")

    def test_a_first_message(self):
        self.swaks(self.relay_.port, "--body", "hello\n")
        self.assertCame(self.taken()[0], "ESMTP", body=None)

    def test_pipelined(self):
        self.swaks(self.relay_.port, "--pipeline", "--to", "b@dest.test,c@dest.test")
        self.assertCame(self.taken()[0], "ESMTP", body=None,
                        recipients=("b@dest.test", "c@dest.test"))

    def test_helo_of_old(self):
        self.swaks(self.relay_.port, "--protocol", "SMTP")
        self.assertCame(self.taken()[0], "SMTP", body=None)

    def test_through_the_proxy_protocol(self):
        port = self.relay_.listener("relay", "off", trusted_networks=["10.1.0.0/16"],
                                    proxy_networks=["127.0.0.0/8"])
        self.relay_.stop()
        self.relay_.start()
        self.swaks(port, "--proxy-version", "1", "--proxy-family", "TCP4",
                   "--proxy-source", "10.1.2.3", "--proxy-source-port", "4000",
                   "--proxy-dest", "10.1.0.1", "--proxy-dest-port", "25")
        self.assertIn("[10.1.2.3]", self.taken()[0].header("Received"))

    def test_submission_without_login_is_refused_in_words(self):
        said = self.swaks(self.submission, status=None)
        self.assertRegex(said, r"<\*\* 530 5\.7\.0 ")
        self.assertEqual(self.peer_.received, [])

    def test_starttls_and_each_mechanism(self):
        self.need_tls()
        for count, mechanism in enumerate(["PLAIN", "LOGIN"], 1):
            self.swaks(self.submission, "--tls", "--auth", mechanism, "--auth-user", USER,
                       "--auth-password", PASSWORD)
            self.assertCame(self.taken(count)[-1], "ESMTPSA", body=None)

    def test_implicit_tls(self):
        self.need_tls()
        self.swaks(self.smtps, "--tlsc", "--auth", "PLAIN", "--auth-user", USER,
                   "--auth-password", PASSWORD)
        self.assertCame(self.taken()[0], "ESMTPSA", body=None)


if __name__ == "__main__":
    interop.main()
