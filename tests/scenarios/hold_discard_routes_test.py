"""Goal: `hold` keeps mail until released, `discard` ends it, both accounted for.
Method: routes with each; the books; a release."""
import support
from support import eventually


class HoldDiscard(support.Scenario):
    def test_held_mail_waits_and_leaves_when_released(self):
        peer = self.peer()
        relay = self.relay()
        relay.route("held.test", next_hop="hold")
        relay.route_to(peer.port)
        relay.start()
        relay.send(recipients=["x@held.test"])
        relay.send(recipients=["x@free.test"])
        eventually(lambda: peer.recipients() == ["x@free.test"])
        self.assertEqual([r["state"] for r in relay.queue()], ["held"])
        relay.settings["route"] = []
        relay.route_to(peer.port)
        relay.reload()
        relay.cli("queue", "release", "--domain", "held.test")
        eventually(lambda: "x@held.test" in peer.recipients())

    def test_discarded_mail_is_accepted_counted_and_gone(self):
        relay = self.relay()
        relay.route("*", next_hop="discard")
        relay.start()
        relay.send()
        eventually(lambda: relay.metric("ekiden_recipients_cancelled_total") == 1)
        eventually(lambda: relay.metric("ekiden_recipients_queued") == 0)
        self.assertEqual(relay.metric("ekiden_recipients_generated_total"), 0)

    def test_the_first_matching_route_wins_and_a_star_matches_below_only(self):
        first, second = self.peer(), self.peer()
        relay = self.relay()
        relay.route_to(first.port, "*.dest.test")
        relay.route_to(second.port, "*")
        relay.start()
        relay.send(recipients=["x@sub.dest.test"])
        relay.send(recipients=["x@dest.test"])
        eventually(lambda: first.recipients() == ["x@sub.dest.test"])
        eventually(lambda: second.recipients() == ["x@dest.test"])


if __name__ == "__main__":
    support.main()
