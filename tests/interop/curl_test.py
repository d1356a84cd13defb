"""Goal: curl sends over smtp://, with STARTTLS, and over smtps://. Method: its command line."""
import interop
from interop import PASSWORD, USER
from support import LOOPBACK, message


class Curl(interop.Interop):
    def setUp(self):
        super().setUp()
        self.program = interop.find("curl")
        self.open_doors()

    def curl(self, url, *flags, body=None, status=0):
        file = self.folder / "message"
        file.write_bytes(message() if body is None else body)
        return self.run_program(self.program, "-sS", "--max-time", "30", "--url", url,
                                "--mail-from", "a@client.test", "--mail-rcpt", "b@dest.test",
                                "--upload-file", file, *flags, status=status)

    def secured(self, scheme, port, *flags, **more):
        return self.curl(f"{scheme}://{LOOPBACK}:{port}/client.test", "--cacert",
                         self.authority.ca, "--ssl-reqd", *flags, **more)

    def test_in_the_clear(self):
        self.curl(f"smtp://{LOOPBACK}:{self.relay_.port}/client.test")
        self.assertCame(self.taken()[0], "ESMTP")

    def test_starttls_with_each_mechanism(self):
        for count, mechanism in enumerate(["PLAIN", "LOGIN"], 1):
            self.secured("smtp", self.submission, "--user", f"{USER}:{PASSWORD}",
                         "--login-options", f"AUTH={mechanism}")
            self.assertCame(self.taken(count)[-1], "ESMTPSA")

    def test_smtps(self):
        self.secured("smtps", self.smtps, "--user", f"{USER}:{PASSWORD}")
        self.assertCame(self.taken()[0], "ESMTPSA")

    def test_a_wrong_password_is_curl_s_login_denied(self):
        self.secured("smtps", self.smtps, "--user", f"{USER}:wrong", status=67)

    def test_line_feeds_alone_are_refused_unless_curl_mends_them(self):
        bare = message(body="one\ntwo\n").replace(b"\r\n", b"\n")
        # curl 7.88 calls any refusal of the message a weird reply; -v shows it.
        said = self.curl(f"smtp://{LOOPBACK}:{self.relay_.port}", "-v", body=bare, status=8)
        self.assertRegex(said, r"< 554 5\.5\.2 ")
        self.assertEqual(self.peer_.received, [])
        self.curl(f"smtp://{LOOPBACK}:{self.relay_.port}", "--crlf", body=bare)
        self.assertEqual(self.taken()[0].body, b"one\r\ntwo\r\n")

    def test_a_body_of_dots(self):
        self.curl(f"smtp://{LOOPBACK}:{self.relay_.port}", body=message(body=".\r\n..\r\n.x\r\n"))
        self.assertEqual(self.taken()[0].body, b".\r\n..\r\n.x\r\n")

    def test_several_messages_on_one_connection(self):
        url = f"smtp://{LOOPBACK}:{self.relay_.port}/client.test"
        self.curl(url, "--next", "-sS", "--mail-from", "a@client.test", "--mail-rcpt",
                  "b@dest.test", "--upload-file", self.folder / "message", "--url", url)
        for transaction in self.taken(2):
            self.assertCame(transaction, "ESMTP")

    def test_a_greeting_with_the_name_of_the_file(self):
        # Without a path in the URL, curl greets with what it appends to it: the file's name.
        self.curl(f"smtp://{LOOPBACK}:{self.relay_.port}")
        self.assertCame(self.taken()[0], "ESMTP")
        self.assertIn("from message ", self.taken()[0].header("Received"))


if __name__ == "__main__":
    interop.main()
