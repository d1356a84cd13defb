"""Goal: SCRAM-SHA-256 and -PLUS log in without the password crossing the wire; tampering does not.
Method: a client written here from RFC 5802, honest and then lying."""
import base64
import hashlib
import hmac
import ssl

import support
from support import eventually, message


def b64(octets):
    return base64.b64encode(octets).decode()


class Client:
    """One SCRAM exchange over an SMTP connection."""

    def __init__(self, wire, name, password, gs2="n,,", binding=b"", mechanism="SCRAM-SHA-256"):
        self.wire, self.password, self.mechanism = wire, password.encode(), mechanism
        self.gs2, self.binding = gs2, binding
        self.bare = f"n={name},r=fyko+d2lbbFgONRv9qkxdawL"

    def run(self, spoil=lambda final: final):
        first = self.wire.command(f"AUTH {self.mechanism} {b64((self.gs2 + self.bare).encode())}")
        if first.code != 334:
            return first
        challenge = base64.b64decode(first.lines[0]).decode()
        self.fields = dict(part.split("=", 1) for part in challenge.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self.password, base64.b64decode(self.fields["s"]),
                                     int(self.fields["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        unproved = f"c={b64(self.gs2.encode() + self.binding)},r={self.fields['r']}"
        auth = ",".join((self.bare, challenge, unproved)).encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), auth, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        final = self.wire.command(b64(spoil(f"{unproved},p={b64(proof)}").encode()))
        if final.code != 334:
            return final
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        expected = "v=" + b64(hmac.digest(server_key, auth, "sha256"))
        assert base64.b64decode(final.lines[0]).decode() == expected, "the server is not ours"
        return self.wire.command("")


class Scram(support.Scenario):
    def setUp(self):
        super().setUp()
        self.peer_ = self.peer()
        self.relay_ = self.relay()
        self.relay_.use_tls(self.certificates())
        self.port = self.relay_.listener("submission", "implicit")
        self.relay_.route_to(self.peer_.port)
        self.relay_.start()
        self.relay_.user_add("user", "correct horse", "--scram")
        eventually(lambda: "SCRAM-SHA-256" in self.connect().offered, 3, "SCRAM on offer")

    def connect(self):
        wire = self.relay_.wire(self.port)
        wire.start_tls()
        wire.offered = wire.greet().get("AUTH", "").split()
        return wire

    def test_the_right_password_logs_in_and_mail_goes(self):
        wire = self.connect()
        self.assertReply(Client(wire, "user", "correct horse").run(), 235)
        self.assertReply(wire.transaction("a@client.test", ["b@dest.test"], message()), 250)
        eventually(lambda: self.peer_.received)

    def test_a_wrong_password_an_unknown_user_and_a_changed_message_do_not(self):
        self.assertReply(Client(self.connect(), "user", "wrong").run(), 535, "5.7.8")
        self.assertReply(Client(self.connect(), "nobody", "correct horse").run(), 535, "5.7.8")
        for spoil in (lambda f: f.replace("c=", "c=A", 1), lambda f: f.replace("r=", "r=x", 1),
                      lambda f: f[:-8] + "AAAAAAA=", lambda f: "", lambda f: f + ",x=y"):
            reply = Client(self.connect(), "user", "correct horse").run(spoil)
            self.assertIn(reply.code, (501, 535), reply)

    def test_a_user_without_scram_keys_looks_like_any_other(self):
        self.relay_.user_add("plain", "correct horse")
        seen = []
        for name in ("plain", "nobody", "user"):
            client = Client(self.connect(), name, "wrong")
            self.assertReply(client.run(), 535)
            seen.append((len(client.fields["s"]), client.fields["i"]))
        self.assertEqual(len(set(seen)), 1, seen)

    def test_plus_binds_the_channel(self):
        wire = self.connect()
        self.assertIn("SCRAM-SHA-256-PLUS", wire.offered)
        # RFC 5929 §4.1: the hash of the certificate, here by SHA-256, which signed it.
        binding = hashlib.sha256(wire.sock.getpeercert(binary_form=True)).digest()
        bound = dict(gs2="p=tls-server-end-point,,", mechanism="SCRAM-SHA-256-PLUS")
        self.assertReply(Client(wire, "user", "correct horse", binding=binding, **bound).run(), 235)
        self.assertReply(Client(self.connect(), "user", "correct horse",
                                binding=b"\0" * 32, **bound).run(), 535)

    def test_a_client_that_was_lied_to_about_plus_is_not_let_in(self):
        self.assertReply(Client(self.connect(), "user", "correct horse", gs2="y,,").run(), 535)


if __name__ == "__main__":
    support.main()
