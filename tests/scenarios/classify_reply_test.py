"""Goal: what a reply means can be asked without a node, by the shipped rules and by one's own.
Method: `classify reply` with flags and with --jsonl; folders of rules, good and bad."""
import json

import support
from support import BINARY


def classify(*arguments, stdin=None, config="/nowhere/ekiden.toml"):
    return support.subprocess.run([BINARY, "classify", "reply", "--config", str(config), *arguments],
                                  capture_output=True, text=True, timeout=30, input=stdin)


class ClassifyReply(support.Scenario):
    def answer(self, *arguments, **more):
        done = classify(*arguments, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_the_same_words_mean_what_the_place_makes_them_mean(self):
        docomo = ("--code", "550", "--host", "mfsmax.docomo.ne.jp", "--rcpt-domain",
                  "docomo.ne.jp", "--text", "Unknown user a@docomo.ne.jp")
        at_rcpt = self.answer("--phase", "rcpt", *docomo)
        self.assertEqual((at_rcpt["reason"], at_rcpt["class"], at_rcpt["hard"], at_rcpt["fault"]),
                         ("user_unknown", "bad_address", True, "recipient"))
        behind = self.answer("--phase", "eod", *docomo)
        self.assertEqual((behind["reason"], behind["hard"], behind["provider"]),
                         ("filtered", False, "docomo"))
        self.assertRegex(behind["rule"], r"^docomo\.toml:\d+$")
        reset = self.answer("--phase", "connect", "--code", "reset", "--host", "msmx.au.com")
        self.assertEqual((reset["reason"], reset["action"]), ("rate_limited", "slow_down"))
        held = self.answer("--phase", "mail", "--code", "421", "--host", "mta5.am0.yahoodns.net",
                           "--text", "4.7.0 [TSS04] Messages temporarily deferred")
        self.assertEqual((held["action"], held["for"]), ("suspend", "1h"))

    def test_many_requests_one_a_line(self):
        lines = [{"id": 1, "phase": "rcpt", "code": 550, "enhanced": "5.1.1", "text": "no"},
                 {"id": 2, "code": "452", "enhanced": "4.2.2", "text": "over quota"},
                 {"id": 3, "code": 7, "text": "x"},
                 {"id": 4, "text": "554 5.7.1 Relay access denied"},
                 {"id": 5, "colour": "red"}]
        done = classify("--jsonl", stdin="\n".join(json.dumps(one) for one in lines) + "\n{\n")
        self.assertEqual(done.returncode, 2)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([a.get("reason") for a in answers],
                         ["user_unknown", "mailbox_full", None, "relay_denied", None, None])
        self.assertEqual([a.get("id") for a in answers], [1, 2, 3, 4, 5, None])
        self.assertIn("--code takes", answers[2]["error"])
        self.assertIn("colour", answers[4]["error"])

    def test_wrong_usage_is_said(self):
        for arguments, word in ((("--phase", "rctp", "--code", "550"), "--phase takes"),
                                (("--code", "five"), "--code takes"),
                                (("--text", "no code"), "--code is needed"),
                                (("--code", "550", "--enhanced", "5"), "--enhanced takes")):
            done = classify(*arguments)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn(word, done.stderr)

    def rules(self, **files):
        relay = self.relay()
        folder = relay.config.parent / "rules"
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / f"{name}.toml").write_text(text)
        relay.config.write_text('[node]\nhostname = "relay.test"\ndata_dir = "/tmp"\n'
                                f'[shaping]\nrules_dir = "{folder}"\n')
        return relay

    def test_own_rules_lie_over_the_shipped_ones(self):
        relay = self.rules(
            gmail='[[reply]]\ntext = \'come back\'\nreason = "policy"\naction = "suspend"\n'
                  'for = "10m"\nexample = "421 come back on Monday"\n',
            mine='mx = ["*.mine.test"]\n[[reply]]\ntext = "xyzzy"\nreason = "virus"\n'
                 'example = "550 xyzzy"\n')
        self.assertEqual(relay.run("config", "check").returncode, 0)
        mine = self.answer("--code", "550", "--host", "a.mine.test", "--text", "xyzzy",
                           config=relay.config)
        self.assertEqual((mine["reason"], mine["provider"]), ("virus", "mine"))
        gmail = self.answer("--code", "421", "--host", "aspmx.l.google.com", "--text",
                            "come back on Tuesday", config=relay.config)
        self.assertEqual((gmail["reason"], gmail["for"]), ("policy", "10m"))

    def test_rules_with_mistakes_are_refused_with_file_and_line(self):
        for text, words in (
                ('mx = ["*.mine.test."]\n', (":1:", "*.mine.test")),
                ('mx = ["*.mine.test"]\n[limits]\nconection = 3\n', (":3:", "connections")),
                ('mx = ["*.mine.test"]\n[[reply]]\ntext = "a"\nreason = "policy"\n'
                 'example = "550 bcd"\n', (":2:", "does not match this rule's text")),
                ('mx = ["*.mine.test"]\n[[reply]]\ntext = "("\nreason = "policy"\n'
                 'example = "550 ("\n', (":3:", "RE2")),
                ("", ("nobody is this provider",))):
            with self.subTest(text=text):
                relay = self.rules(mine=text)
                checked = relay.run("config", "check")
                self.assertEqual(checked.returncode, 1, checked.stderr)
                asked = classify("--code", "550", "--text", "x", config=relay.config)
                self.assertEqual(asked.returncode, 1)
                served = relay.run("serve")
                self.assertEqual(served.returncode, 1, "a relay with wrong rules does not start")
                for said in (checked.stderr, asked.stderr, served.stderr):
                    self.assertIn("mine.toml", said)
                    for word in words:
                        self.assertIn(word, said)


if __name__ == "__main__":
    support.main()
