"""Goal: deliveries leave from the sources of their pool, under each source's own name; a source that
is not there rests, and a deferral that looks like greylisting keeps its source.
Method: loopback addresses as sources, a peer that writes down where each session comes from."""
import collections

import support
from support import eventually


class SourcePools(support.Scenario):
    def setUp(self):
        super().setUp()
        self.relay_, self.peer_ = self.relay_to_peer(start=False)
        self.relay_.settings["source"] = [
            {"name": "one", "ipv4": "127.0.0.2", "hostname": "one.relay.test"},
            {"name": "two", "ipv4": "127.0.0.3", "hostname": "two.relay.test"},
            {"name": "three", "ipv4": "127.0.0.4", "hostname": "three.relay.test"}]
        self.relay_.settings["pool"] = [
            {"name": "bulk", "sources": {"one": 3, "two": 1}, "streams": ["bulk"]},
            {"name": "rest", "sources": ["three"]}]
        self.bulk = self.relay_.listener("relay", "off", trusted_networks=["127.0.0.0/8"],
                                         stream="bulk")

    def arrived(self, count):
        eventually(lambda: len(self.peer_.received) >= count, 20, f"{count} messages")
        return collections.Counter(t.client for t in self.peer_.received)

    def test_streams_keep_to_their_pools_and_say_the_sources_name(self):
        self.relay_.start()
        self.relay_.send(recipients=["t@dest.test"])
        self.assertEqual(self.arrived(1), {"127.0.0.4": 1})
        self.assertEqual(self.peer_.sessions[0].commands[0], "EHLO three.relay.test")
        for i in range(10):
            self.relay_.send(recipients=[f"b{i}@dest.test"], port=self.bulk)
        clients = self.arrived(11)
        self.assertEqual(clients["127.0.0.4"], 1)
        names = {s.client: s.commands[0] for s in self.peer_.sessions}
        self.assertEqual(names["127.0.0.2"], "EHLO one.relay.test")
        event = self.relay_.wait_for_event("t@dest.test", "delivered")[-1]
        self.assertEqual(event["source"], "three")

    def test_shares_follow_the_weights(self):
        self.relay_.start()
        for i in range(80):
            self.relay_.send(recipients=[f"b{i}@dest.test"], port=self.bulk)
        clients = self.arrived(80)
        self.assertGreaterEqual(clients["127.0.0.2"], 50, clients)
        self.assertGreaterEqual(clients["127.0.0.3"], 10, clients)

    def test_an_address_that_is_not_here_rests_and_the_others_take_its_share(self):
        self.relay_.settings["source"][0]["ipv4"] = "192.0.2.77"
        self.relay_.start()
        for i in range(10):
            self.relay_.send(recipients=[f"b{i}@dest.test"], port=self.bulk)
        self.assertEqual(self.arrived(10), {"127.0.0.3": 10})
        self.assertIn("its address is not on this machine: 192.0.2.77", self.relay_.log())
        alerts = self.relay_.json("queue", "explain", "dest.test")
        self.assertIn("192.0.2.77", str(alerts))
        # Nobody paid an attempt for it.
        self.assertEqual(self.relay_.metric("ekiden_attempts_deferred_total"), 0)

    def test_a_suspended_source_sends_nothing_until_it_is_resumed(self):
        self.relay_.start()
        self.relay_.cli("queue", "suspend", "--source", "three")
        self.relay_.send(recipients=["t@dest.test"])
        held = eventually(lambda: [r for r in self.relay_.records("queue", "explain", "dest.test")
                                   if r.get("reasons")])
        self.assertIn("an operator suspended it", str(held))
        self.assertEqual(self.peer_.received, [])
        self.relay_.cli("queue", "resume", "--source", "three")
        self.assertEqual(self.arrived(1), {"127.0.0.4": 1})

    def test_a_greylisted_recipient_comes_back_from_its_source(self):
        seen = {}

        def greylist(session, line):
            address = line.split("<")[1].split(">")[0]
            first = seen.setdefault(address, session.client)
            self.tries[address].append(session.client)
            if len(self.tries[address]) == 1:
                return "451 4.7.1 Greylisted, please try again in 5 minutes"
            return None if session.client == first else "451 4.7.1 Greylisted, try again later"

        self.tries = collections.defaultdict(list)
        self.peer_.on("RCPT", greylist)
        self.relay_.settings["pool"][0]["sources"] = ["one", "two"]
        self.relay_.start()
        for i in range(12):
            self.relay_.send(recipients=[f"g{i}@dest.test"], port=self.bulk)
        self.arrived(12)
        for address, clients in self.tries.items():
            self.assertEqual(len(set(clients)), 1, f"{address} came from {clients}")
        self.assertEqual(len({clients[0] for clients in self.tries.values()}), 2)
        event = self.relay_.wait_for_event("g0@dest.test", "delivered")
        deferred = [e for e in event if e["kind"] == "deferred"][0]
        self.assertEqual(deferred["reason"], "greylisted")
        self.assertEqual(deferred["fault"], "provider")

    def test_a_pool_that_a_reload_takes_away_leaves_no_mail_behind(self):
        self.relay_.start()
        self.relay_.cli("queue", "suspend", "--domain", "dest.test")
        self.relay_.send(recipients=["b@dest.test"], port=self.bulk)
        eventually(lambda: self.relay_.queue())
        self.relay_.settings["pool"] = [{"name": "rest", "sources": ["three"]}]
        self.relay_.reload()
        self.relay_.cli("queue", "resume", "--domain", "dest.test")
        self.assertEqual(self.arrived(1), {"127.0.0.4": 1})

    def test_mistakes_are_refused(self):
        self.relay_.settings["pool"][0]["sources"] = ["onr"]
        self.relay_.write()
        done = self.relay_.run("config", "check")
        self.assertEqual(done.returncode, 1)
        self.assertIn('did you mean "one"?', done.stdout + done.stderr)


if __name__ == "__main__":
    support.main()
