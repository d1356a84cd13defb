"""Goal: ekiden never sends mail round in circles, to itself, or into private space that a stranger's
DNS names.
Method: an MX with our own name, too many Received lines, MX addresses in loopback."""
import support
from support import eventually, message


class MxLoop(support.Scenario):
    def test_we_as_the_best_mx_is_a_loop(self):
        dns = self.dns()
        dns.mx("dest.test", "relay.test")
        relay = self.relay(dns)
        relay.map_mx("relay.test", relay.port)
        relay.start().send(sender="")
        eventually(lambda: relay.metric("ekiden_recipients_bounced_total") == 1)
        self.assertEqual(relay.metric("ekiden_inbound_messages_total"), 1)

    def test_we_as_a_lesser_mx_means_only_better_ones_are_tried(self):
        dns = self.dns()
        dns.mx("dest.test", "mx1.dest.test", "relay.test", "mx3.dest.test")
        better, lesser = self.peer(), self.peer()
        better.on("CONNECT", ["421 4.3.2 later"])
        relay = self.relay(dns)
        relay.map_mx("mx1.dest.test", better.port)
        relay.map_mx("mx3.dest.test", lesser.port)
        relay.start().send()
        eventually(lambda: better.received)
        self.assertEqual(lesser.sessions, [])

    def test_a_message_that_went_round_is_refused(self):
        relay, peer = self.relay_to_peer(relay_settings={"limits": {"received_max": 10}})
        wire = relay.wire()
        wire.greet()
        received = b"Received: from x by y; Sun, 22 Nov 2026 06:00:00 +0000\r\n"
        self.assertReply(wire.transaction("a@client.test", ["b@dest.test"],
                                          received * 11 + message()), 554, "5.4.6")
        self.assertReply(wire.transaction("a@client.test", ["b@dest.test"],
                                          received * 9 + message()), 250)
        eventually(lambda: peer.received)

    def test_a_relay_routed_to_itself_stops(self):
        relay = self.relay()
        relay.settings["limits"] = {"received_max": 10}
        relay.route_to(relay.port)
        relay.start().send(sender="")
        eventually(lambda: relay.metric("ekiden_recipients_bounced_total") >= 1, 30)
        support.time.sleep(0.5)
        self.assertLessEqual(relay.metric("ekiden_inbound_messages_total"), 12)
        eventually(lambda: relay.metric("ekiden_recipients_queued") == 0)

    def test_an_mx_in_loopback_is_refused_by_default(self):
        dns = self.dns()
        dns.mx("dest.test", "mx1.dest.test")
        peer = self.peer()
        relay = self.relay(dns)
        relay.settings["delivery"].update(private_next_hops="refuse", port=peer.port)
        relay.settings["delivery"].pop("connect_map")
        relay.start().send(sender="")
        eventually(lambda: relay.metric("ekiden_recipients_bounced_total") +
                   relay.metric("ekiden_attempts_deferred_total") >= 1)
        self.assertEqual(peer.sessions, [])


if __name__ == "__main__":
    support.main()
