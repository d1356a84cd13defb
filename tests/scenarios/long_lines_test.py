"""Goal: a line no receiver would take is re-encoded, or refused where the listener says so.
Method: a line of 5,000 octets in plain text and in a part; the `refuse` setting."""
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
