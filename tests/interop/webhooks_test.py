"""Goal: what receivers use from npm verifies real posts: standardwebhooks and SendGrid's own.
Method: nodemailer's kind of mail through a real relay, its posts kept and given to
node-webhooks/verify.js, whole and changed."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

import interop
import nodemailer_test
from support import LOOPBACK, ROOT, SLOW, eventually, message

sys.path.insert(0, str(ROOT / "tests/scenarios"))
from receiver import Receiver  # noqa: E402

SOURCE = pathlib.Path(__file__).resolve().parent / "node-webhooks"


def installed():
    """A folder with verify.js and its packages; the test is skipped when there cannot be one."""
    interop.find("node", "nodejs")
    folder = pathlib.Path(os.environ.get("EKIDEN_NODE_DIR", ROOT / "build/interop-node"))
    folder = folder.parent / "node-webhooks"
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("package.json", "package-lock.json", ".npmrc", "verify.js"):
        shutil.copyfile(SOURCE / file, folder / file)
    if not (folder / "node_modules/standardwebhooks").is_dir():
        npm = interop.find("npm")
        try:
            done = subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
                                  cwd=folder, capture_output=True, text=True, timeout=60 * SLOW)
        except subprocess.TimeoutExpired:
            raise unittest.SkipTest("npm ci took too long: no registry?")
        if done.returncode != 0:
            raise unittest.SkipTest(f"npm ci failed: {done.stderr.strip()[-300:]}")
    return folder


class Webhooks(interop.Interop):
    def setUp(self):
        super().setUp()
        self.node = installed()
        self.receiver = Receiver()
        self.addCleanup(self.receiver.stop)
        self.relay_, self.peer_ = self.relay_to_peer(start=False)
        self.relay_.settings["webhooks"] = {"allow_networks": ["127.0.0.0/8"]}
        self.relay_.start()

    def verify(self, format, secret, posts, change=None):
        given = [{"format": format, "secret": secret,
                  "headers": {k.lower(): v for k, v in post.headers.items()},
                  "body": (change or str)(post.body.decode())} for post in posts]
        done = subprocess.run(["node", "verify.js"], cwd=self.node, input=json.dumps(given),
                              capture_output=True, text=True, timeout=30 * SLOW)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [one["ok"] for one in json.loads(done.stdout)]

    def posts_of_mail(self):
        self.relay_.send(recipients=["one@dest.test", "two@dest.test"],
                         body=message(subject="請求書 é <&>"))
        self.relay_.wait_for_event("two@dest.test", "delivered")
        self.relay_.cli("webhook", "test", 1)
        return eventually(lambda: self.receiver.posts, what="the posts")

    def test_standardwebhooks_verifies_what_is_posted(self):
        first = self.relay_.json("webhook", "add", self.receiver.url)["secret"]
        posts = self.posts_of_mail()
        self.assertEqual(set(self.verify("standard", first, posts)), {True})
        self.assertEqual(set(self.verify("standard", first, posts, lambda b: b + " ")), {False})
        second = self.relay_.json("webhook", "rotate", 1)["secret"]
        self.relay_.cli("webhook", "test", 1)
        for secret in (first, second):
            self.assertEqual(self.verify("standard", secret, posts[-1:]), [True])

    def test_what_nodemailer_sent_is_posted_and_a_bounce_suppresses(self):
        """nodemailer → SMTP → a webhook that standardwebhooks verifies; who does not exist gets no
        more mail, whom a receiver turned away for our reputation does."""
        self.peer_.on("RCPT", lambda s, line: "550 5.1.1 user unknown" if "gone" in line else
                      "550 5.7.1 blocked for poor reputation" if "listed" in line else None)
        secret = self.relay_.json("webhook", "add", self.receiver.url)["secret"]
        mailer = nodemailer_test.installed()

        def send(*recipients):
            given = {"transport": {"host": LOOPBACK, "port": self.relay_.port, "ignoreTLS": True},
                     "messages": [{"from": "a@client.test", "to": to, "subject": "件名",
                                   "text": "本文\n"} for to in recipients]}
            done = subprocess.run(["node", "send.js"], cwd=mailer, input=json.dumps(given),
                                  capture_output=True, text=True, timeout=30 * SLOW)
            self.assertEqual([o.get("accepted") for o in json.loads(done.stdout)],
                             [[to] for to in recipients], done.stderr)

        def events():
            return [e for p in self.receiver.posts for e in p.events]

        def told(to, kind):
            return [e for e in events() if (e["recipient"], e["kind"]) == (to, kind)]
        send("good@dest.test", "gone@dest.test", "listed@dest.test")
        for to, kind in (("good@dest.test", "delivered"), ("gone@dest.test", "bounced"),
                         ("listed@dest.test", "bounced")):
            eventually(lambda: told(to, kind), what=f"{kind} to {to}")
        eventually(lambda: self.relay_.json("suppression", "show", "gone@dest.test")["suppressed"],
                   what="the suppression")
        send("gone@dest.test", "listed@dest.test")
        eventually(lambda: told("gone@dest.test", "suppressed"), what="the suppressed one")
        eventually(lambda: len(told("listed@dest.test", "bounced")) == 2, what="the second try")
        self.assertEqual(len(told("gone@dest.test", "bounced")), 1)
        posts = list(self.receiver.posts)
        self.assertEqual(set(self.verify("standard", secret, posts)), {True})

    def test_sendgrids_eventwebhook_verifies_what_is_posted(self):
        key = self.relay_.json("webhook", "add", self.receiver.url, "--format",
                               "sendgrid")["public_key"]
        posts = self.posts_of_mail()
        self.assertEqual(set(self.verify("sendgrid", key, posts)), {True})
        self.assertEqual(set(self.verify("sendgrid", key, posts, lambda b: b + " ")), {False})
        # The key before signs as long as it is kept.
        second = self.relay_.json("webhook", "rotate", 1)["public_key"]
        self.relay_.cli("webhook", "test", 1)
        self.assertEqual(self.verify("sendgrid", key, posts[-1:]), [True])
        third = self.relay_.json("webhook", "rotate", 1, "--keep", "0s")["public_key"]
        self.relay_.cli("webhook", "test", 1)
        self.assertEqual(self.verify("sendgrid", second, posts[-1:]), [False])
        self.assertEqual(self.verify("sendgrid", third, posts[-1:]), [True])


if __name__ == "__main__":
    interop.main()
