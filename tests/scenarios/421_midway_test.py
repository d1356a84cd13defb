"""Goal: 421 at any point ends the connection, not the mail.
Method: 421 once at each command; several messages on one connection; every one arrives once."""
import support
from support import eventually


class Midway(support.Scenario):
    def test_421_at_each_command(self):
        for verb in ("EHLO", "MAIL", "RCPT", "DATA", "EOD"):
            with self.subTest(verb):
                relay, peer = self.relay_to_peer()
                peer.on(verb, ["421 4.3.2 closing"])
                relay.send()
                eventually(lambda: peer.received)
                support.time.sleep(0.3)
                self.assertEqual(len(peer.received), 1)
                relay.stop()

    def test_421_between_messages_of_one_connection(self):
        relay, peer = self.relay_to_peer()
        peer.on("MAIL", lambda s, line: "421 4.7.0 enough" if s.transactions >= 3 else None)
        for i in range(10):
            relay.send(recipients=[f"r{i}@dest.test"])
        eventually(lambda: len(peer.recipients()) == 10)
        self.assertEqual(sorted(peer.recipients()), sorted(f"r{i}@dest.test" for i in range(10)))

    def test_a_connection_closed_while_idle_is_no_failure(self):
        relay, peer = self.relay_to_peer(relay_settings={"retry": {"time_scale": 1.0}})
        relay.send(recipients=["one@dest.test"])
        eventually(lambda: peer.received)

        def close_all():
            for writer in list(peer._writers):
                writer.close()
        peer._loop.call_soon_threadsafe(close_all)
        relay.send(recipients=["two@dest.test"])
        eventually(lambda: len(peer.received) == 2, what="delivery without a deferral")


if __name__ == "__main__":
    support.main()
