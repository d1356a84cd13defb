"""Goal: connections are limited in all and per address, say so, and cost little while idle.
Method: small limits; addresses announced with PROXY, because loopback is exempt; hundreds of idlers."""
import support
from support import eventually


class ConnectionLimits(support.Scenario):
    def banner(self, port, address):
        wire = self.relay_.wire(port)
        wire.send(f"PROXY TCP4 {address} 127.0.0.1 1 25\r\n")
        try:
            return wire, wire.reply().code
        except support.Closed:
            return wire, 0

    def test_per_address(self):
        self.relay_ = self.relay()
        port = self.relay_.listener("inbound", "off", proxy_networks=["127.0.0.0/8"])
        self.relay_.settings["inbound_domain"] = [
            {"name": "own.test", "recipients": "any", "next_hop": "127.0.0.1:1"}]
        self.relay_.settings["limits"] = {"connections_per_address": 3}
        self.relay_.start()
        wires = [self.banner(port, "192.0.2.1") for _ in range(3)]
        self.assertEqual([code for _, code in wires], [220] * 3)
        self.assertIn(self.banner(port, "192.0.2.1")[1], (421, 0))
        self.assertEqual(self.banner(port, "192.0.2.2")[1], 220)
        wires[0][0].close()
        eventually(lambda: self.banner(port, "192.0.2.1")[1] == 220, what="room again")

    def test_in_all(self):
        self.relay_, _ = self.relay_to_peer(relay_settings={"limits": {"connections": 10}})
        wires = []
        for _ in range(10):
            wires.append(self.relay_.wire())
            self.assertReply(wires[-1].reply(), 220)
        extra = self.relay_.wire()
        try:
            self.assertReply(extra.reply(), 421)
        except support.Closed:
            pass
        wires[0].command("QUIT")
        def room():
            try:
                return self.relay_.wire().reply().code == 220
            except support.Closed:
                return False
        eventually(room)

    def test_idle_connections_are_cheap(self):
        self.relay_, _ = self.relay_to_peer()
        before = self.memory()
        wires = []
        for _ in range(800):
            wires.append(self.relay_.wire())
            wires[-1].greet()
        # 10,000 in 300 MiB are 30 KiB each; the kernel's share is not in here.
        self.assertLess((self.memory() - before) / len(wires), 30 * 1024)

    def test_idle_connections_under_tls_are_cheap(self):
        self.relay_ = self.relay()
        self.relay_.use_tls(self.certificates())
        ports = [self.relay_.listener("relay", tls, trusted_networks=["127.0.0.0/8"])
                 for tls in ("implicit", "starttls")]
        self.relay_.route_to(1)
        self.relay_.start()
        wires = []

        def idle(count):
            for i in range(count):
                wire = self.relay_.wire(ports[i % 2])
                if i % 2:
                    wire.greet()
                    self.assertReply(wire.command("STARTTLS"), 220)
                    wire.start_tls()
                    wire.ehlo()
                else:
                    wire.start_tls()
                    wire.greet()
                wires.append(wire)

        # What OpenSSL keeps once, for all connections, is no connection's.
        idle(50)
        before = self.memory()
        idle(500)
        # 10,000 in 600 MiB are 60 KiB each.
        self.assertLess((self.memory() - before) / 500, 60 * 1024)
        # They are not dead, only idle.
        for wire in wires[::50]:
            self.assertReply(wire.command("NOOP"), 250)

    def memory(self):
        with open(f"/proc/{self.relay_.process.child.pid}/status") as file:
            text = file.read()
        return int(support.re.search(r"VmRSS:\s+(\d+)", text).group(1)) * 1024


if __name__ == "__main__":
    support.main()
