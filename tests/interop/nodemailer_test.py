"""Goal: nodemailer, the client of most Node applications, sends through every door.
Method: node/send.js with its own transports; the package is installed into the build folder."""
import json
import os
import pathlib
import shutil
import subprocess
import unittest

import interop
from interop import PASSWORD, USER
from support import LOOPBACK, ROOT, SLOW

SOURCE = pathlib.Path(__file__).resolve().parent / "node"


def installed():
    """A folder with send.js and its packages; the test is skipped when there cannot be one."""
    interop.find("node", "nodejs")
    folder = pathlib.Path(os.environ.get("EKIDEN_NODE_DIR", ROOT / "build/interop-node"))
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("package.json", "package-lock.json", ".npmrc", "send.js"):
        shutil.copyfile(SOURCE / file, folder / file)
    if not (folder / "node_modules/nodemailer").is_dir():
        npm = interop.find("npm")
        try:
            done = subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
                                  cwd=folder, capture_output=True, text=True, timeout=60 * SLOW)
        except subprocess.TimeoutExpired:
            raise unittest.SkipTest("npm ci took too long: no registry?")
        if done.returncode != 0:
            raise unittest.SkipTest(f"npm ci failed: {done.stderr.strip()[-300:]}")
    return folder


class Nodemailer(interop.Interop):
    def setUp(self):
        super().setUp()
        self.node = installed()
        self.open_doors()

    def send(self, port, *messages, **transport):
        given = {"transport": {"host": LOOPBACK, "port": port, "name": "client.test",
                               "ca": str(self.authority.ca), **transport},
                 "messages": [{"from": "a@client.test", "to": "b@dest.test", "subject": "hello",
                               "text": "hello\n", **one} for one in messages or [{}]]}
        return json.loads(self.run_program("node", "send.js", stdin=json.dumps(given),
                                           cwd=self.node))

    def test_in_the_clear(self):
        (sent,) = self.send(self.relay_.port, ignoreTLS=True)
        self.assertEqual(sent.get("accepted"), ["b@dest.test"], sent)
        self.assertCame(self.taken()[0], "ESMTP", body=None)

    def test_starttls_with_each_mechanism(self):
        for count, method in enumerate(["PLAIN", "LOGIN"], 1):
            (sent,) = self.send(self.submission, requireTLS=True, authMethod=method,
                                auth={"user": USER, "pass": PASSWORD})
            self.assertEqual(sent.get("accepted"), ["b@dest.test"], sent)
            self.assertCame(self.taken(count)[-1], "ESMTPSA", body=None)

    def test_implicit_tls(self):
        (sent,) = self.send(self.smtps, secure=True, auth={"user": USER, "pass": PASSWORD})
        self.assertEqual(sent.get("accepted"), ["b@dest.test"], sent)
        self.assertCame(self.taken()[0], "ESMTPSA", body=None)

    def test_a_wrong_password_is_eauth(self):
        (sent,) = self.send(self.smtps, secure=True, auth={"user": USER, "pass": "wrong"})
        self.assertEqual((sent.get("code"), sent.get("responseCode")), ("EAUTH", 535), sent)

    def test_a_pool_sends_many_at_once(self):
        sent = self.send(self.smtps, *[{"subject": str(i)} for i in range(30)], secure=True,
                         pool=True, maxConnections=3, auth={"user": USER, "pass": PASSWORD})
        self.assertEqual([one.get("accepted") for one in sent], [["b@dest.test"]] * 30)
        subjects = {t.header("Subject") for t in self.taken(30)}
        self.assertEqual(subjects, {str(i) for i in range(30)})

    def test_an_attachment_and_japanese_arrive_whole(self):
        attachment = os.urandom(50_000)
        import base64
        import email
        (sent,) = self.send(self.relay_.port, {
            "subject": "請求書", "text": "本文です\n",
            "attachments": [{"filename": "請求書.bin", "encoding": "base64",
                             "content": base64.b64encode(attachment).decode()}]}, ignoreTLS=True)
        self.assertIn("accepted", sent, sent)
        mail = email.message_from_bytes(self.taken()[0].data)
        self.assertEqual(mail.get_payload()[1].get_payload(decode=True), attachment)


if __name__ == "__main__":
    interop.main()
