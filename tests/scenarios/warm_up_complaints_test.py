"""Goal: a complaint about a message counts against the warm-up of the source that sent it, towards
the provider that took it, once, and across restarts.
Method: a new source and a warm one, return paths of the relay's own, a feedback report as providers
send it."""
import support
from support import eventually
from feedback_test import BOUNCES, COMPLAINT

CARRIER = """
mx = ["*.carrier.test"]

[warm_up]
days = [500, 1000]
"""


class WarmUpComplaints(support.Scenario):
    def test_a_complaint_reaches_its_sources_warm_up(self):
        dns = self.dns()
        dns.mx("one.test", "mx.one.carrier.test")
        peer = self.peer()
        relay = self.relay(dns)
        relay.map_mx("mx.one.carrier.test", peer.port)
        rules = relay.folder / "rules"
        rules.mkdir()
        (rules / "carrier.toml").write_text(CARRIER)
        relay.settings["shaping"] = {"rules_dir": rules}
        relay.settings["source"] = [{"name": "new", "ipv4": "127.0.0.2", "warm_up": True}]
        relay.settings["inbound_domain"] = [
            {"name": BOUNCES, "recipients": "any", "next_hop": f"127.0.0.1:{peer.port}"}]
        inbound = relay.listener("inbound", "off")
        relay.settings["rewrite"] = [{"bounce_domain": BOUNCES, "return_path": "verp"}]
        relay.start()
        relay.send(recipients=["b@one.test"])
        taken = eventually(lambda: peer.received, 20)[0]
        relay.wait_for_event("b@one.test", "delivered")

        def complaints():
            return [(s["source"], s["provider"], s["complaints"])
                    for s in relay.records("warmup", "show")]
        self.assertEqual(complaints(), [("new", "carrier", 0)])
        wire = relay.wire(inbound)
        wire.greet()
        self.assertReply(wire.transaction("", [taken.sender], COMPLAINT.removesuffix(b"\r\n")), 250)
        eventually(lambda: complaints() == [("new", "carrier", 1)], 20, "the complaint")
        relay.restart()
        relay.send(recipients=["c@one.test"])  # so that the provider is known again
        eventually(lambda: complaints() == [("new", "carrier", 1)], 20, "the same after a restart")


if __name__ == "__main__":
    support.main()
