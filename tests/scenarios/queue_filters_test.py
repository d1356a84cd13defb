"""Goal: each filter of the queue's commands means exactly its recipients, for looking and for acting,
and what was done to them is so after a restart.
Method: recipients that differ in one thing each, all deferred; held and released by each filter."""
import support
from support import eventually

CARRIER = """
mx = ["*.carrier.test"]

[[reply]]
text = 'blocked here'
reason = "on_hold"
example = "450 4.2.1 blocked here"
"""


class QueueFilters(support.Scenario):
    def setUp(self):
        super().setUp()
        dns = self.dns()
        dns.mx("one.test", "mx.carrier.test")
        dns.mx("two.test", "mx.two.test")
        self.peer_ = self.peer()
        self.peer_.on("RCPT", lambda session, line:
                      "450 4.2.1 blocked here" if "one.test" in line else "451 4.3.0 busy")
        self.relay_ = self.relay(dns)
        for host in ("mx.carrier.test", "mx.two.test"):
            self.relay_.map_mx(host, self.peer_.port)
        rules = self.relay_.folder / "rules"
        rules.mkdir()
        (rules / "carrier.toml").write_text(CARRIER)
        settings = self.relay_.settings
        settings["shaping"] = {"rules_dir": rules}
        settings["retry"] = {"time_scale": 1.0}
        settings["source"] = [{"name": "first", "ipv4": "127.0.0.2"},
                              {"name": "second", "ipv4": "127.0.0.3"}]
        settings["pool"] = [{"name": "bulk", "sources": ["second"], "streams": ["bulk"]},
                            {"name": "rest", "sources": ["first"]}]
        bulk = self.relay_.listener("relay", "off", trusted_networks=["127.0.0.0/8"], stream="bulk")
        shop = self.relay_.listener("relay", "off", trusted_networks=["127.0.0.0/8"], tenant="shop")
        self.relay_.start()
        self.relay_.send(sender="s@a.test", recipients=["r@one.test"])
        self.relay_.send(sender="s@b.test", recipients=["r@two.test"])
        self.relay_.send(sender="s@a.test", recipients=["bulk@one.test"], port=bulk)
        self.relay_.send(sender="s@a.test", recipients=["shop@two.test"], port=shop)
        self.everybody = {"r@one.test", "r@two.test", "bulk@one.test", "shop@two.test"}
        eventually(lambda: sum(r.get("attempts", 0) >= 1 for r in self.relay_.queue()) == 4, 20)

    def of(self, *flags):
        return {r["recipient"] for r in self.relay_.queue(*flags)}

    def held(self):
        return {r["recipient"] for r in self.relay_.queue() if r["state"] == "held"}

    def test_each_means_its_recipients_and_no_others(self):
        queue = {r["recipient"]: r for r in self.relay_.queue()}
        site = queue["r@two.test"]["site"]
        filters = {
            ("--domain", "one.*"): {"r@one.test", "bulk@one.test"},
            ("--tenant", "shop"): {"shop@two.test"},
            ("--stream", "bulk"): {"bulk@one.test"},
            ("--sender", "*@B.test"): {"r@two.test"},
            ("--recipient", "r@*"): {"r@one.test", "r@two.test"},
            ("--message", queue["r@one.test"]["message"]): {"r@one.test"},
            ("--provider", "carrier"): {"r@one.test", "bulk@one.test"},
            ("--source", "second"): {"bulk@one.test"},
            ("--site", site): {"r@two.test", "shop@two.test"},
            ("--reply", "BLOCKED here"): {"r@one.test", "bulk@one.test"},
            ("--older-than", "1h"): set(),
            ("--stream", "bulk", "--domain", "two.test"): set(),
            ("--domain", "*.test", "--reply", "busy", "--tenant", "shop"): {"shop@two.test"}}
        for flags, wanted in filters.items():
            with self.subTest(flags):
                self.assertEqual(self.of(*flags), wanted)
                done = self.relay_.json("queue", "hold", *flags, "--reason", "for a test")
                self.assertEqual((done["matched"], done["done"]), (len(wanted), len(wanted)))
                eventually(lambda: self.held() == wanted)
                shown = self.relay_.json("operation", "show", done["operation"])
                self.assertEqual((shown["state"], shown["matched"]), ("done", len(wanted)))
                # A release by the same filter lets go of the same ones.
                self.relay_.cli("queue", "release", *flags)
                eventually(lambda: self.held() == set())

    def test_what_was_done_is_so_after_a_restart(self):
        self.relay_.cli("queue", "hold", "--provider", "carrier")
        self.relay_.cli("queue", "delete", "--tenant", "shop")
        self.relay_.cli("queue", "reroute", "--sender", "*@b.test", "--to",
                        f"127.0.0.1:{self.peer().port}")
        eventually(lambda: self.of() == {"r@one.test", "bulk@one.test"}, 20)
        self.relay_.restart()
        self.assertEqual(self.held(), {"r@one.test", "bulk@one.test"})
        self.assertEqual(self.of(), self.held())


if __name__ == "__main__":
    support.main()
