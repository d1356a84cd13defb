"""Goal: what a running relay signs and seals, others take: dkimpy and opendkim the author's and the
relay's signatures, dkimpy the ARC sets of mail that is passed on, and of a chain that was broken.
Method: the real binary with keys made by `ekiden dkim keygen`, a DNS on loopback, their libraries."""
import json
import os
import pathlib
import subprocess
import sys
import unittest

import interop
from support import SLOW, eventually, message

try:
    import dkim
except ImportError:
    dkim = None

HERE = pathlib.Path(__file__).resolve().parent
AUTHOR, RELAY, OWN = "client.test", "relay-signs.test", "own.test"


class NodeSigns(interop.Interop):
    def setUp(self):
        super().setUp()
        if dkim is None:
            raise unittest.SkipTest("dkimpy is not installed (python3-dkim)")
        self.records = {}
        self.zone = self.dns()
        self.peer_ = self.peer(extensions=["8BITMIME", "PIPELINING"])
        self.relay_ = self.relay(self.zone)
        self.relay_.route_to(self.peer_.port)
        self.relay_.settings["signing"] = {"relay_domain": RELAY,
                                           "oversign": ["From", "Subject", "Reply-To"]}
        self.relay_.settings["inbound_domain"] = [
            {"name": OWN, "recipients": "any", "next_hop": f"127.0.0.1:{self.peer_.port}"}]
        self.inbound = self.relay_.listener("inbound", "off", authentication_results=True)
        self.relay_.start()

    def sign_with(self, domain, *flags):
        key = self.relay_.json("dkim", "keygen", domain, *flags)
        text = key["record"]
        self.records[key["record_name"]] = text
        self.zone.set(key["record_name"], "TXT",
                      [" ".join(f'"{text[at:at + 255]}"' for at in range(0, len(text), 255))])

        def signs():
            keys = self.relay_.json("dkim", "list", domain)["keys"]
            return any(k["selector"] == key["selector"] and k["state"] == "active" for k in keys)
        eventually(signs, 40, "the key to sign")
        return key["selector"]

    def answer(self, name, timeout=5):
        """dkimpy's question."""
        return self.records.get(name.decode().rstrip("."), "").encode()

    def took(self, count=1):
        eventually(lambda: len(self.peer_.received) >= count, 20, "delivery")
        return self.peer_.received[count - 1].data

    def signatures(self, octets):
        """d= of each DKIM-Signature from the top, with dkimpy's verdict."""
        checked = dkim.DKIM(octets)
        fields = [value for name, value in checked.headers if name.lower() == b"dkim-signature"]
        domains = [dict(pair.strip().split(b"=", 1) for pair in field.split(b";") if b"=" in pair)[b"d"]
                   for field in fields]
        return [(domain.decode(), dkim.DKIM(octets).verify(idx=i, dnsfunc=self.answer))
                for i, domain in enumerate(domains)]

    def test_the_authors_signature_stands_above_the_relays(self):
        self.sign_with(AUTHOR)
        self.sign_with(RELAY)
        self.relay_.send(body=message(List_Unsubscribe="<https://client.test/u>"))
        taken = self.took()
        self.assertEqual(self.signatures(taken), [(AUTHOR, True), (RELAY, True)])
        added = b"Reply-To: x@evil.test\r\n" + taken
        self.assertEqual(self.signatures(added), [(AUTHOR, False), (RELAY, False)])
        self.opendkim([taken, added])

    def opendkim(self, messages):
        """The first verifies, the others do not."""
        program = interop.find("opendkim-testmsg", "opendkim-tools")
        unshare = interop.find("unshare", "util-linux")
        place = self.folder / "opendkim"
        place.mkdir()
        for at, octets in enumerate(messages):
            (place / f"{at:02}.eml").write_bytes(octets)
        (place / "records.json").write_text(json.dumps(self.records))
        done = subprocess.run([unshare, "--net", "--mount", "--map-root-user", sys.executable, "-B",
                               HERE / "opendkim_alone.py", program, place],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=120 * SLOW, env=dict(os.environ))
        if done.returncode != 0:
            raise unittest.SkipTest("no network of its own for opendkim here: " +
                                    done.stderr.strip()[-200:])
        said = json.loads(done.stdout)
        self.assertEqual(said["00.eml"], "")
        for at in range(1, len(messages)):
            self.assertNotEqual(said[f"{at:02}.eml"], "")

    def test_authors_without_a_key_get_the_relays(self):
        self.sign_with(RELAY, "--ed25519")
        self.relay_.send(body=message(From="x@others.test"))
        self.assertIn(b"d=" + RELAY.encode(), self.took())

    def bring(self, octets):
        wire = self.relay_.wire(self.inbound)
        wire.greet()
        octets = octets.removesuffix(b"\r\n")
        self.assertReply(wire.transaction("friend@else.test", [f"me@{OWN}"], octets), 250)

    def test_mail_that_is_passed_on_is_sealed(self):
        self.sign_with(OWN)
        self.bring(message(From="friend@else.test"))
        first = self.took()
        self.assertTrue(first.startswith(b"ARC-Seal: "), first[:200])
        cv, _, why = dkim.arc_verify(first, dnsfunc=self.answer)
        self.assertEqual(cv, dkim.CV_Pass, why)
        # It comes by once more, as from the next one in the chain: a second set over the first.
        self.bring(first)
        second = self.took(2)
        self.assertIn(b"arc=pass", second)
        self.assertIn(b"i=2", second.split(b"\r\n\r\n")[0])
        cv, _, why = dkim.arc_verify(second, dnsfunc=self.answer)
        self.assertEqual(cv, dkim.CV_Pass, why)

    def test_a_broken_chain_is_said_once_and_then_left_alone(self):
        self.sign_with(OWN)
        self.bring(message(From="friend@else.test"))
        broken = self.took().replace(b"hello", b"jello")
        self.bring(broken)
        second = self.took(2)
        # RFC 8617 §5.1.2: cv=fail, over that set alone.
        seal = second.split(b"ARC-Seal: ")[1].split(b"ARC-Message-Signature")[0]
        self.assertIn(b"cv=fail", seal)
        self.assertNotEqual(dkim.arc_verify(second, dnsfunc=self.answer)[0], dkim.CV_Pass)
        self.bring(second)
        third = self.took(3)
        self.assertEqual(third.count(b"ARC-Seal: "), 2, "a failed chain is not gone on with")

    def test_a_large_message_is_sealed_too_and_without_results_none_is(self):
        self.sign_with(OWN)
        self.bring(message(From="friend@else.test", body="a line of it\r\n" * 120000))
        cv, _, why = dkim.arc_verify(self.took(), dnsfunc=self.answer)
        self.assertEqual(cv, dkim.CV_Pass, why)
        self.relay_.settings["listener"][-1]["authentication_results"] = False
        self.relay_.write()
        self.relay_.reload()
        forged = b"Authentication-Results: relay.test; spf=pass; dkim=pass\r\n"
        self.bring(forged + message(From="friend@else.test"))
        self.assertNotIn(b"ARC-Seal", self.took(2), "what claims to be ours is not sealed")


if __name__ == "__main__":
    interop.main()
