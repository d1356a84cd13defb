"""Goal: the sink refuses, defers and dawdles as asked, so that a trial shows the relay's answer.
Method: a relay in front of a sink with --reject, --defer and --latency; wrong flags."""
import support
from support import BINARY, eventually


class SinkMisbehaves(support.Scenario):
    def pair(self, *flags):
        sink = self.sink(*flags)
        relay = self.relay()
        relay.route_to(sink.port)
        return sink, relay.start()

    def test_rejected_recipients_bounce_and_others_arrive(self):
        sink, relay = self.pair("--reject", "bad*@dest.test")
        relay.send(sender="", recipients=["bad1@dest.test", "good@dest.test"])
        eventually(lambda: relay.metric("ekiden_recipients_bounced_total") == 1)
        eventually(lambda: len(sink.files()) == 1)

    def test_half_deferred_arrives_all_the_same(self):
        sink, relay = self.pair("--defer", "50%")
        for i in range(20):
            relay.send(recipients=[f"r{i}@dest.test"])
        eventually(lambda: len(sink.files()) == 20, 40)

    def test_latency_slows_and_loses_nothing(self):
        sink, relay = self.pair("--latency", "200ms")
        relay.send()
        eventually(lambda: len(sink.files()) == 1)

    def test_wrong_flags_are_wrong_usage(self):
        for flags in (["--no-such"], ["--listen", "nowhere"], ["--reject"]):
            done = support.subprocess.run([BINARY, "sink", *flags], capture_output=True,
                                          timeout=30)
            self.assertEqual(done.returncode, 2, flags)


if __name__ == "__main__":
    support.main()
