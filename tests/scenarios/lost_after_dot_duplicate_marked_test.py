"""Goal: a connection lost after the final dot loses nothing, and at most one duplicate is marked.
Method: a peer that takes the message and drops the connection instead of answering."""
import support
from peer import DROP
from support import eventually


class LostAfterDot(support.Scenario):
    def test_the_message_is_sent_again_and_the_event_says_it_may_be_twice(self):
        relay, peer = self.relay_to_peer()
        peer.on("EOD", [DROP])
        relay.send()
        eventually(lambda: len(peer.received) == 2, what="the second delivery")
        eventually(lambda: relay.metric("ekiden_recipients_delivered_total") == 1)
        events = relay.wait_for_event("b@dest.test", "delivered")
        self.assertTrue(any(e.get("may_be_duplicate") for e in events), events)
        support.time.sleep(0.5)
        self.assertEqual(len(peer.received), 2, "one duplicate, not more")

    def test_lost_inside_the_octets_is_an_ordinary_deferral(self):
        relay, peer = self.relay_to_peer()
        peer.on("DATA", [DROP])
        relay.send()
        eventually(lambda: peer.received)
        events = relay.wait_for_event("b@dest.test", "delivered")
        self.assertFalse(any(e.get("may_be_duplicate") for e in events), events)


if __name__ == "__main__":
    support.main()
