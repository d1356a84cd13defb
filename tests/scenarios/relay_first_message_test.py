"""Goal: a message given to a trusted listener arrives unchanged, traced, and is accounted for.
Method: smtplib in, `ekiden sink` or a scripted peer out."""
import support
from support import eventually, message


class RelayFirstMessage(support.Scenario):
    def test_the_octets_arrive_with_one_received_line_in_front(self):
        relay, peer = self.relay_to_peer()
        body = message(body="one\r\n..two dots\r\n\xe3\x81\x82 high octets\r\n\r\n\r\n")
        relay.send(body=body)
        taken = eventually(lambda: peer.received, what="delivery")[0]
        self.assertEqual((taken.sender, taken.addresses), ("a@client.test", ["b@dest.test"]))
        self.assertTrue(taken.data.endswith(body), taken.data)
        trace = taken.data[:-len(body)]
        self.assertTrue(trace.startswith(b"Received: from "), trace)
        self.assertEqual(trace.count(b"Received:"), 1)
        self.assertIn(b"by relay.test", trace)
        self.assertIn(b"[127.0.0.1]", trace)

    def test_the_sink_keeps_what_was_sent(self):
        sink = self.sink()
        relay = self.relay()
        relay.route_to(sink.port)
        relay.start()
        body = message(body=".hidden dot\r\nend\r\n")
        relay.send(recipients=["b@dest.test", "c@dest.test"], body=body)
        file = eventually(sink.files, what="the sink's file")[0]
        self.assertTrue(file.read_bytes().endswith(body))
        envelope = sink.envelope(file)
        self.assertIn("b@dest.test", str(envelope))
        self.assertIn("c@dest.test", str(envelope))

    def test_the_books_balance_and_the_trace_names_the_end(self):
        relay, peer = self.relay_to_peer()
        relay.send()
        eventually(lambda: peer.received)
        eventually(lambda: relay.metric("ekiden_recipients_delivered_total") == 1,
                   what="the delivered count")
        eventually(lambda: relay.metric("ekiden_recipients_queued") == 0)
        events = relay.wait_for_event("b@dest.test", "delivered")
        self.assertEqual([e["kind"] for e in events], ["accepted", "delivered"])
        message_id = eventually(lambda: peer.received)[0].header("Message-ID")
        for name in (events[0]["message"], message_id):
            trace = relay.records("message", "trace", name)
            self.assertEqual([e["kind"] for e in trace], ["accepted", "delivered"])

    def test_a_trace_of_nothing_says_so(self):
        relay, _ = self.relay_to_peer()
        relay.cli("message", "trace", "<nobody@nowhere.test>", status=1)

    def test_what_a_client_left_out_is_added_and_what_it_should_hide_is_removed(self):
        relay, peer = self.relay_to_peer()
        relay.send(body=b"From: a@client.test\r\nBcc: secret@dest.test\r\nSubject: s\r\n\r\nx\r\n")
        taken = eventually(lambda: peer.received)[0]
        self.assertNotIn(b"secret@", taken.data)
        self.assertIsNotNone(taken.header("Date"))
        self.assertRegex(taken.header("Message-ID"), r"^<.+@.+>$")

    def test_a_dead_next_hop_keeps_the_message(self):
        relay = self.relay()
        port = support.free_port()
        relay.route_to(port)
        relay.settings["retry"].update(first="5m")
        relay.start()
        relay.send()
        eventually(lambda: relay.metric("ekiden_attempts_deferred_total") >= 1,
                   what="the deferral")
        eventually(lambda: relay.metric("ekiden_recipients_queued") == 1)
        peer = self.peer(port=port)
        eventually(lambda: peer.received, what="the retry")


if __name__ == "__main__":
    support.main()
