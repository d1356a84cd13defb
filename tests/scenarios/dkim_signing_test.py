"""Goal: mail of domains with keys leaves signed, as it leaves: from the record's publication on, in
8 bits and in 7, whatever its size; and not at all when its key cannot be read.
Method: a name server where the record appears, peers with and without 8BITMIME, and `ekiden check
dkim` over what they took."""
import json

import support
from support import LOOPBACK, eventually

DOMAIN = "client.test"
TEXT = "日本語の本文。\r\n. dots, and  spaces \t\r\n\r\n"


def mail(text=TEXT, more=""):
    return (f"From: App <a@{DOMAIN}>\r\nTo: b@dest.test\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
            f"Message-ID: <8@client.test>\r\nDate: Sun, 22 Nov 2026 06:00:00 +0000\r\n{more}"
            "Content-Type: text/plain; charset=utf-8\r\n"
            f"Content-Transfer-Encoding: 8bit\r\n\r\n{text}").encode()


class DkimSigning(support.Scenario):
    def build(self, **peer_options):
        self.zone = self.dns()
        self.peer_ = self.peer(**peer_options)
        self.relay_ = self.relay(self.zone)
        self.relay_.route_to(self.peer_.port)
        self.relay_.write()
        self.relay_.start()

    def keygen(self, *flags):
        return self.relay_.json("dkim", "keygen", DOMAIN, *flags)

    def publish(self, key):
        text = key["record"]
        self.zone.set(key["record_name"], "TXT",
                      [" ".join(f'"{text[at:at + 255]}"' for at in range(0, len(text), 255))])

    def states(self):
        return {key["selector"]: key["state"]
                for key in self.relay_.json("dkim", "list", DOMAIN)["keys"]}

    def sign_with(self, *flags):
        """A key that signs."""
        key = self.keygen(*flags)
        self.publish(key)
        eventually(lambda: self.states()[key["selector"]] == "active", 40, "the key to sign")
        return key

    def take(self, body, count=1, **more):
        self.relay_.send(body=body, **more)
        eventually(lambda: len(self.peer_.received) >= count, 20, "delivery")
        return self.peer_.received[count - 1]

    def check(self, octets):
        file = self.folder / "taken.eml"
        file.write_bytes(octets)
        said = self.relay_.run("check", "dkim", "--dns", f"{LOOPBACK}:{self.zone.port}",
                               "--message", file)
        return [(s["s"], s["result"]) for s in json.loads(said.stdout)["signatures"]]

    def test_from_the_records_publication_on(self):
        self.build(extensions=["8BITMIME", "PIPELINING"])
        key = self.keygen()
        self.assertEqual(key["state"], "pending")
        self.assertEqual(self.check(self.take(mail(), options=["BODY=8BITMIME"]).data), [])
        self.publish(key)
        eventually(lambda: self.states()[key["selector"]] == "active", 40, "the key to sign")
        taken = self.take(mail(more="X-Ekiden-Tag: t\r\n"), 2, options=["BODY=8BITMIME"])
        self.assertEqual(self.check(taken.data), [(key["selector"], "pass")])
        self.assertTrue(taken.data.startswith(b"DKIM-Signature: "))
        self.assertTrue(taken.data.endswith(mail()))
        eventually(lambda: self.relay_.json("dkim", "list")["keys"][0]["last_signed"], 40,
                   "the last signature to be written down")

    def test_as_it_leaves_in_7_bits(self):
        self.build(extensions=[])
        key = self.sign_with()
        taken = self.take(mail(), options=["BODY=8BITMIME"])
        self.assertTrue(all(octet < 128 for octet in taken.data), taken.data)
        self.assertEqual(self.check(taken.data), [(key["selector"], "pass")])

    def test_two_kinds_of_key_and_a_large_message(self):
        self.build(extensions=["8BITMIME", "CHUNKING", "SIZE"])
        rsa = self.sign_with()
        ed = self.sign_with("--ed25519")
        self.assertEqual(set(self.states().values()), {"active"})
        big = mail("a line of a large message  \r\n" * 100000)
        taken = self.take(big)
        self.assertEqual(sorted(self.check(taken.data)),
                         sorted([(rsa["selector"], "pass"), (ed["selector"], "pass")]))
        self.assertTrue(taken.data.endswith(big))

    def test_a_large_message_in_7_bits(self):
        self.build(extensions=[])
        key = self.sign_with("--ed25519")
        taken = self.take(mail(TEXT * 40000), options=["BODY=8BITMIME"])
        self.assertEqual(self.check(taken.data), [(key["selector"], "pass")])

    def test_rotation(self):
        self.build(extensions=["8BITMIME"])
        old = self.sign_with("--selector", "old")
        self.assertEqual(self.check(self.take(mail()).data), [("old", "pass")])
        new = self.relay_.json("dkim", "rotate", DOMAIN)
        self.assertEqual(self.states(), {"old": "active", new["selector"]: "pending"})
        self.publish(new)
        eventually(lambda: self.states() == {"old": "retiring", new["selector"]: "active"}, 40,
                   "the new key to sign")
        self.assertEqual(self.check(self.take(mail(), 2).data), [(new["selector"], "pass")])
        self.assertEqual(old["selector"], "old")
        refused = self.relay_.run("dkim", "retire", DOMAIN, new["selector"])
        self.assertEqual(refused.returncode, 1, "the last key is not retired unasked")
        self.relay_.cli("dkim", "retire", DOMAIN, new["selector"], "--force")
        self.assertEqual(self.states()[new["selector"]], "retiring")

    def test_nothing_leaves_unsigned_when_the_key_cannot_be_read(self):
        self.build(extensions=["8BITMIME"])
        self.sign_with()
        self.relay_.stop()
        secret = self.relay_.data / "secret.key"
        secret.write_bytes(bytes(32))
        self.relay_.start()
        self.relay_.send(body=mail())
        events = self.relay_.wait_for_event("b@dest.test", "deferred")
        self.assertIn("signed", json.dumps(events))
        self.assertEqual(self.peer_.received, [])
        self.assertIn("signing_key_unreadable", self.relay_.log())

    def test_domains_of_others_and_of_subdomains(self):
        self.build(extensions=["8BITMIME"])
        key = self.sign_with()
        other = mail().replace(b"a@client.test", b"a@other.test")
        self.assertEqual(self.check(self.take(other).data), [])
        below = mail().replace(b"a@client.test", b"a@news.client.test")
        self.assertEqual(self.check(self.take(below, 2).data), [(key["selector"], "pass")])

    def test_wrong_usage(self):
        self.build()
        for arguments in (["keygen", "no domain"], ["keygen", DOMAIN, "--bits", "1024"],
                          ["keygen", DOMAIN, "--selector", "a b"]):
            self.assertEqual(self.relay_.run("dkim", *arguments).returncode, 2, arguments)
        self.assertEqual(self.relay_.run("dkim", "rotate", DOMAIN).returncode, 1)
        self.assertEqual(self.relay_.run("dkim", "retire", DOMAIN, "none").returncode, 1)
        self.keygen("--selector", "one")
        self.assertEqual(self.relay_.run("dkim", "keygen", DOMAIN, "--selector", "ONE").returncode,
                         1)


if __name__ == "__main__":
    support.main()
