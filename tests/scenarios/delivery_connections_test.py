"""Goal: delivery.connections caps the outgoing connections of all sites together, and every site
gets its turn; delivery.connections_per_site caps those to one set of hosts.
Method: peers that answer only when the test lets them, a cap below their number, an endless queue
for one of them."""
import threading

import support
from support import eventually, message


class DeliveryConnections(support.Scenario):
    def start(self, sites, **delivery):
        """A relay with a route to a peer of its own for each of `sites` domains."""
        self.gate = threading.Event()
        self.waiting = 0
        self.lock = threading.Lock()
        relay = self.relay()
        self.peers = []
        for i in range(sites):
            self.peers.append(self.peer().on("MAIL", self.wait))
            relay.route_to(self.peers[-1].port, f"site{i}.test")
        relay.settings["delivery"].update(delivery)
        relay.start()
        self.addCleanup(self.gate.set)  # before anything is stopped
        return relay

    def wait(self, session, line):
        with self.lock:
            self.waiting += 1
        self.gate.wait(20 * support.SLOW)

    def waits(self, relay):
        return relay.metric("ekiden_delivery_connection_waits_total")

    def test_the_cap_holds_and_all_mail_arrives(self):
        relay = self.start(6, connections=2)
        relay.send(recipients=[f"a@site{i}.test" for i in range(6)])
        eventually(lambda: self.waiting == 2 and self.waits(relay) >= 1)
        self.assertEqual(sum(len(peer.sessions) for peer in self.peers), 2)
        self.assertEqual(relay.metric("ekiden_delivery_connections"), 2)
        items = str([relay.records("queue", "explain", f"site{i}.test") for i in range(6)])
        self.assertIn("all 2 connections that delivery.connections allows are open", items)
        self.gate.set()
        eventually(lambda: all(peer.received for peer in self.peers))
        self.assertEqual(relay.metric("ekiden_attempts_deferred_total"), 0)

    def test_a_site_with_much_mail_gives_its_connection_away(self):
        relay = self.start(2, connections=1)
        with relay.smtp() as client:
            for i in range(100):
                client.sendmail("a@client.test", [f"a{i}@site0.test"], message())
        eventually(lambda: self.waiting == 1)
        relay.send(recipients=["b@site1.test"])
        eventually(lambda: self.waits(relay) >= 1)
        before = []
        self.peers[1].on("RCPT", lambda session, line: before.append(len(self.peers[0].received)))
        self.gate.set()
        eventually(lambda: len(self.peers[0].received) == 100 and self.peers[1].received)
        self.assertLess(before[0], 100, "it did not wait for all of them")
        self.assertEqual(relay.metric("ekiden_attempts_deferred_total"), 0)

    def test_a_site_that_hangs_keeps_no_other_from_room_that_is_there(self):
        relay = self.start(2, connections=2)
        self.peers[1].on("MAIL", None)
        relay.send(recipients=["a@site0.test"])
        eventually(lambda: self.waiting == 1)
        for i in range(3):
            relay.send(recipients=[f"b{i}@site1.test"])
        eventually(lambda: len(self.peers[1].received) == 3)
        self.assertEqual(self.peers[0].received, [])

    def test_a_reload_makes_room(self):
        relay = self.start(3, connections=1)
        relay.send(recipients=[f"a@site{i}.test" for i in range(3)])
        eventually(lambda: self.waiting == 1 and self.waits(relay) >= 1)
        relay.settings["delivery"]["connections"] = 3
        relay.reload()
        eventually(lambda: self.waiting == 3)

    def test_routes_to_the_same_host_share_its_connections(self):
        self.gate, self.waiting, self.lock = threading.Event(), 0, threading.Lock()
        self.addCleanup(self.gate.set)
        relay, peer = self.relay(), self.peer().on("MAIL", self.wait)
        relay.route_to(peer.port, "plain.test")
        relay.route_to(peer.port, "bdat.test", bdat=True)  # a site of its own
        relay.settings["delivery"]["connections_per_site"] = 1
        relay.start()
        relay.send(recipients=["a@plain.test"])
        eventually(lambda: self.waiting == 1)
        relay.send(recipients=["b@bdat.test"])

        def is_explained():
            items = relay.records("queue", "explain", "bdat.test")
            return items and "delivery.connections_per_site" in str(items)
        eventually(is_explained)
        self.assertEqual(len(peer.sessions), 1)
        self.gate.set()
        eventually(lambda: len(peer.received) == 2)

    def test_none_at_all_is_refused_by_the_check(self):
        relay = self.start(1)
        relay.settings["delivery"]["connections"] = 0
        relay.write()
        done = relay.run("config", "check")
        self.assertEqual(done.returncode, 1)
        self.assertIn("delivery.connections is below 1", done.stdout + done.stderr)


if __name__ == "__main__":
    support.main()
