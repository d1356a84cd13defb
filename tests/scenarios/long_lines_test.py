"""Goal: a line no receiver would take is re-encoded, or refused where the listener says so.
Method: a line of 5,000 octets in plain text and in a part, also behind 2 MiB of short ones; a
header that cannot be folded; the `refuse` setting."""
import email

import support
from support import eventually, message

LONG = "y" * 5000


class LongLines(support.Scenario):
    def test_a_long_line_is_encoded_and_decodes_to_itself(self):
        relay, peer = self.relay_to_peer()
        body = message(body=f"short\r\n{LONG}\r\n", MIME_Version="1.0",
                       Content_Type="text/plain; charset=utf-8")
        relay.send(body=body)
        taken = eventually(lambda: peer.received)[0]
        self.assertLessEqual(max(map(len, taken.data.split(b"\r\n"))), 998)
        decoded = email.message_from_bytes(taken.data).get_payload(decode=True).decode()
        self.assertEqual(decoded.split(), ["short", LONG])

    def test_a_line_of_998_octets_is_left_alone(self):
        relay, peer = self.relay_to_peer()
        body = message(body="z" * 998 + "\r\n")
        relay.send(body=body)
        self.assertTrue(eventually(lambda: peer.received)[0].data.endswith(body))

    def test_a_long_line_late_in_a_large_message_is_encoded_as_well(self):
        relay, peer = self.relay_to_peer()
        short = "".join(f"{i:06} a line like others\r\n" for i in range(80_000))
        for kind in ("plain", "mixed"):
            with self.subTest(kind=kind):
                peer.transactions.clear()
                if kind == "plain":
                    body = message(body=f"{short}{LONG}\r\n{short}", MIME_Version="1.0",
                                   Content_Type="text/plain; charset=utf-8")
                else:
                    parts = "".join(f"--b\r\nContent-Type: text/plain\r\n\r\n{part}\r\n"
                                    for part in (short, LONG, "end"))
                    body = message(body=f"{parts}--b--\r\n", MIME_Version="1.0",
                                   Content_Type="multipart/mixed; boundary=b")
                relay.send(body=body)
                taken = eventually(lambda: peer.received, 30)[0]
                self.assertLessEqual(max(map(len, taken.data.split(b"\r\n"))), 998)
                mail = email.message_from_bytes(taken.data)
                leaves = [p for p in mail.walk() if not p.is_multipart()]
                texts = [p.get_payload(decode=True).decode().replace("\r\n", "\n").rstrip("\n")
                         for p in leaves]
                lines = "\n".join(texts).split("\n")
                wanted = short.split("\r\n")[:-1]
                self.assertEqual(lines[:80_000], wanted)
                self.assertEqual(lines[80_000], LONG)

    def test_a_large_message_without_long_lines_is_left_alone(self):
        relay, peer = self.relay_to_peer()
        body = message(body=("w" * 997 + "\r\n") * 2200)
        relay.send(body=body)
        self.assertTrue(eventually(lambda: peer.received, 30)[0].data.endswith(body))

    def test_what_cannot_be_mended_is_refused_and_leaves_nothing(self):
        relay, peer = self.relay_to_peer()
        bodies = {"a header without a place to fold": message(X_Blob=LONG),
                  "a large signed part": message(
                      body=f"--b\r\n\r\n{('v' * 900 + chr(13) + chr(10)) * 2500}{LONG}\r\n--b--\r\n",
                      MIME_Version="1.0", Content_Type="multipart/signed; boundary=b")}
        for what, body in bodies.items():
            with self.subTest(what=what):
                wire = relay.wire()
                wire.greet()
                self.assertReply(wire.transaction("a@client.test", ["b@dest.test"], body), 554,
                                 "5.6.0")
        self.assertEqual(peer.received, [])
        eventually(lambda: list((relay.data / "spool" / "large").iterdir()) == [])

    def test_refused_where_asked(self):
        peer = self.peer()
        relay = self.relay()
        relay.settings["listener"][0]["long_lines"] = "refuse"
        relay.route_to(peer.port)
        relay.start()
        wire = relay.wire()
        wire.greet()
        reply = wire.transaction("a@client.test", ["b@dest.test"], message(body=LONG + "\r\n"))
        self.assertIn(reply.code, (500, 550, 552, 554), reply)
        self.assertEqual(peer.received, [])


if __name__ == "__main__":
    support.main()
