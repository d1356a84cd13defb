"""Goal: 8-bit mail is converted for a peer without 8BITMIME, and untouched for one with it.
Method: quoted-printable and base64 looked at through Python's email."""
import email

import support
from support import eventually

TEXT = "日本語の本文。\r\nSecond line — with a dash.\r\n"


def mail(content_type="text/plain; charset=utf-8"):
    return ("From: a@client.test\r\nTo: b@dest.test\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
            "Message-ID: <8@client.test>\r\nDate: Sun, 22 Nov 2026 06:00:00 +0000\r\n"
            f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
            + TEXT).encode()


class EightBit(support.Scenario):
    def test_untouched_for_a_peer_that_has_it(self):
        relay, peer = self.relay_to_peer(extensions=["8BITMIME"])
        relay.send(body=mail(), options=["BODY=8BITMIME"])
        taken = eventually(lambda: peer.received)[0]
        self.assertTrue(taken.data.endswith(mail()))
        self.assertIn("BODY=8BITMIME", taken.parameters)

    def test_encoded_for_a_peer_that_has_not(self):
        relay, peer = self.relay_to_peer(extensions=[])
        relay.send(body=mail(), options=["BODY=8BITMIME"])
        taken = eventually(lambda: peer.received)[0]
        self.assertTrue(all(octet < 128 for octet in taken.data), taken.data)
        self.assertNotIn("BODY", taken.parameters)
        parsed = email.message_from_bytes(taken.data)
        self.assertIn(parsed["Content-Transfer-Encoding"], ("quoted-printable", "base64"))
        self.assertEqual(parsed.get_payload(decode=True).decode().rstrip(), TEXT.rstrip())

    def test_each_part_of_a_multipart_is_encoded(self):
        body = ("From: a@client.test\r\nMIME-Version: 1.0\r\n"
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
                "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
                + TEXT + "--b\r\nContent-Type: text/plain\r\n\r\nascii\r\n--b--\r\n").encode()
        relay, peer = self.relay_to_peer(extensions=[])
        relay.send(body=body, options=["BODY=8BITMIME"])
        parts = email.message_from_bytes(eventually(lambda: peer.received)[0].data).get_payload()
        self.assertEqual(parts[0].get_payload(decode=True).decode().rstrip(), TEXT.rstrip())
        self.assertEqual(parts[1].get_payload().rstrip(), "ascii")

    def test_8_bit_headers_without_smtputf8_do_no_harm(self):
        relay, peer = self.relay_to_peer(extensions=["8BITMIME"])
        body = "Subject: 日本語\r\nFrom: a@client.test\r\n\r\nx\r\n".encode()
        wire = relay.wire()
        wire.greet()
        reply = wire.transaction("a@client.test", ["b@dest.test"], body)
        self.assertIn(reply.code, (250, 550, 554))
        if reply.code == 250:
            self.assertIn("日本語".encode(), eventually(lambda: peer.received)[0].data)


if __name__ == "__main__":
    support.main()
