"""Goal: CHUNKING and BINARYMIME (RFC 3030): octets arrive as sent, absurd sizes do no harm.
Method: chunks in one burst, binary octets to a peer with and without BINARYMIME."""
import email

import support
from support import eventually

BINARY = bytes(range(256)) * 8 + b"\r\n.\r\n\n\r" + b"x" * 3000


def mime(octets):
    return (b"From: a@client.test\r\nTo: b@dest.test\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
            b"Message-ID: <1@client.test>\r\nDate: Sun, 22 Nov 2026 06:00:00 +0000\r\n"
            b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
            + octets)


class Bdat(support.Scenario):
    def begin(self, relay, parameters=""):
        wire = relay.wire()
        extensions = wire.greet()
        self.assertIn("CHUNKING", extensions)
        self.assertIn("BINARYMIME", extensions)
        self.assertReply(wire.command(f"MAIL FROM:<a@client.test>{parameters}"), 250)
        self.assertReply(wire.command("RCPT TO:<b@dest.test>"), 250)
        return wire

    def test_chunks_sent_in_one_burst_are_one_message(self):
        relay, peer = self.relay_to_peer()
        wire = self.begin(relay)
        wire.send(b"BDAT 15\r\nSubject: x\r\n\r\na" b"BDAT 5\r\n\r\n.\r\n" b"BDAT 0\r\n"
                  b"BDAT 3 LAST\r\nb\r\n")
        for _ in range(4):
            self.assertReply(wire.reply(), 250)
        taken = eventually(lambda: peer.received)[0]
        self.assertTrue(taken.data.endswith(b"\r\n\r\na\r\n.\r\nb\r\n"), taken.data)

    def test_binary_octets_pass_to_a_peer_that_takes_them(self):
        relay, peer = self.relay_to_peer(
            extensions=["PIPELINING", "8BITMIME", "CHUNKING", "BINARYMIME"])
        wire = self.begin(relay, " BODY=BINARYMIME")
        body = mime(BINARY)
        wire.send(b"BDAT %d LAST\r\n" % len(body) + body)
        self.assertReply(wire.reply(), 250)
        taken = eventually(lambda: peer.received)[0]
        self.assertTrue(taken.used_bdat)
        self.assertIn("BODY=BINARYMIME", taken.parameters)
        self.assertTrue(taken.data.endswith(body))

    def test_binary_octets_are_encoded_for_a_peer_that_does_not(self):
        relay, peer = self.relay_to_peer(extensions=["PIPELINING"])
        wire = self.begin(relay, " BODY=BINARYMIME")
        body = mime(BINARY)
        wire.send(b"BDAT %d LAST\r\n" % len(body) + body)
        self.assertReply(wire.reply(), 250)
        taken = eventually(lambda: peer.received)[0]
        self.assertTrue(all(octet < 128 for octet in taken.data))
        self.assertTrue(all(len(line) <= 998 for line in taken.data.split(b"\r\n")))
        self.assertEqual(email.message_from_bytes(taken.data).get_payload(decode=True), BINARY)

    def test_binarymime_needs_bdat(self):
        relay, _ = self.relay_to_peer()
        wire = self.begin(relay, " BODY=BINARYMIME")
        self.assertReply(wire.command("DATA"), 503)

    def test_data_after_bdat_is_refused(self):
        relay, _ = self.relay_to_peer()
        wire = self.begin(relay)
        wire.send(b"BDAT 3\r\nabc")
        self.assertReply(wire.reply(), 250)
        self.assertReply(wire.command("DATA"), 503)

    def test_absurd_sizes_are_refused_and_nothing_is_allocated_for_them(self):
        relay, _ = self.relay_to_peer()
        for size in ("99999999999999999999999", "-1", "0x10", "", "18446744073709551615 LAST",
                     "4294967296", "1 FIRST", "1 LAST LAST"):
            with self.subTest(size=size):
                wire = self.begin(relay)
                reply = wire.command(f"BDAT {size}")
                self.assertIn(reply.code, (500, 501, 503, 552, 554, 521), reply)
                wire.close()
        self.assertHealthy(relay)

    def test_chunks_without_a_transaction_are_swallowed_not_obeyed(self):
        relay, _ = self.relay_to_peer()
        wire = relay.wire()
        wire.greet()
        wire.send(b"BDAT 28 LAST\r\nMAIL FROM:<x@client.test>\r\n\r\nNOOP\r\n")
        self.assertReply(wire.reply(), 503)
        reply = wire.reply()  # to NOOP, not to the MAIL inside the chunk
        self.assertReply(reply, (250, 500))
        self.assertNotEqual(reply.enhanced, "2.1.0")

    def test_a_connection_lost_inside_a_chunk_leaves_nothing(self):
        relay, peer = self.relay_to_peer()
        wire = self.begin(relay)
        wire.send(b"BDAT 1000 LAST\r\nonly this")
        wire.close()
        relay.send()
        eventually(lambda: len(peer.received) == 1)
        self.assertNotIn(b"only this", peer.received[0].data)


if __name__ == "__main__":
    support.main()
