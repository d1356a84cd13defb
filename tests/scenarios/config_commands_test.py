"""Goal: the configuration can be checked, explained and shown without a node.
Method: `config check|explain|example` on good files and on files with each kind of mistake."""
import support
from support import BINARY


class ConfigCommands(support.Scenario):
    def check(self, text):
        relay = self.relay()
        relay.config.write_text(text)
        return relay.run("config", "check")

    def test_the_example_passes_its_own_check(self):
        example = support.subprocess.run([BINARY, "config", "example"], capture_output=True,
                                         text=True, timeout=30)
        self.assertEqual(example.returncode, 0)
        done = self.check(example.stdout)
        # Its certificates are not on this machine; nothing else may be wrong with it.
        for line in (done.stdout + done.stderr).splitlines():
            self.assertRegex(line, "does not exist|cannot be read|warning|No such file|refused|: fine",
                             line)

    def test_mistakes_name_file_line_and_remedy(self):
        start = '[node]\nhostname = "relay.test"\ndata_dir = "/tmp"\n'
        for text, line, words in (
                (start + '[retry]\nfrist = "5m"\n', 5, ("frist", "first")),
                (start + '[retry]\nfirst = "5 parsecs"\n', 5, ("first",)),
                (start + '[limits]\nmessage_size = "ten"\n', 5, ("message_size",)),
                (start + '[reply]\nx = 1\n', 4, ("reply",)),
                (start + '[[listener]]\naddress = "nowhere"\n', 5, ("address",)),
                (start + "[retry\n", 4, ())):
            with self.subTest(text=text[-40:]):
                done = self.check(text)
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                said = done.stdout + done.stderr
                self.assertIn(f"ekiden.toml:{line}", said)
                for word in words:
                    self.assertIn(word, said)

    def test_explain_shows_every_key_and_where_it_comes_from(self):
        relay = self.relay()
        relay.write()
        out = relay.cli("config", "explain")
        self.assertIn("message_size", out)
        self.assertIn("relay.test", out)
        self.assertIn("ekiden.toml:", out)

    def test_a_file_that_is_not_there_is_named(self):
        done = support.subprocess.run([BINARY, "config", "check", "--config", "/nowhere/e.toml"],
                                      capture_output=True, text=True, timeout=30)
        self.assertIn(done.returncode, (1, 3))
        self.assertIn("/nowhere/e.toml", done.stdout + done.stderr)

    def test_an_address_in_use_ends_the_start_with_one_sentence(self):
        relay = self.relay()
        with support.socket.socket() as taken:
            taken.bind((support.LOOPBACK, relay.port))
            taken.listen()
            relay.start(wait=False)
            self.assertNotEqual(relay.process.wait(15), 0)
        self.assertIn(str(relay.port), relay.log())
        self.assertNotIn("terminate called", relay.log())


if __name__ == "__main__":
    support.main()
