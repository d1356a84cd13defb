"""Goal: `ekiden top` shows sites, providers, sources and tenants: what waits, what left, what holds,
and the last reply. Method: a relay with a provider of its own, a peer that says no to some."""
import support
from support import eventually

CARRIER = """
mx = ["*.carrier.test"]

[limits]
connections = 1
rate = "5/h"
rate_floor = "1/h"
"""


class TopBy(support.Scenario):
    def setUp(self):
        super().setUp()
        dns = self.dns()
        dns.mx("one.test", "mx.carrier.test")
        dns.mx("dest.test", "mx.dest.test")
        self.peer_ = self.peer()
        self.relay_ = self.relay(dns)
        for host in ("mx.carrier.test", "mx.dest.test"):
            self.relay_.map_mx(host, self.peer_.port)
        rules = self.relay_.folder / "rules"
        rules.mkdir()
        (rules / "carrier.toml").write_text(CARRIER)
        self.relay_.settings["shaping"] = {"rules_dir": rules}
        self.relay_.settings["source"] = [{"name": "mail1", "ipv4": "127.0.0.2"}]

    def rows(self, by):
        answer = self.relay_.json("top", "--once", "--by", by)
        self.assertEqual(answer["by"], by)
        return {row["name"]: row for row in answer["rows"]}

    def test_counts_limits_and_replies_by_each(self):
        self.peer_.on("RCPT", lambda session, line:
                      "550 5.1.1 no such user" if "nobody" in line else None)
        self.relay_.start()
        for i in range(7):
            self.relay_.send(recipients=[f"u{i}@one.test"])
        self.relay_.send(recipients=["ok@dest.test"])
        self.relay_.send(sender="", recipients=["nobody@dest.test"])
        eventually(lambda: len(self.peer_.received) >= 2, 20)
        self.relay_.wait_for_event("nobody@dest.test", "bounced")

        def held():
            row = self.rows("provider").get("carrier", {})
            return row if row.get("delivered", 0) >= 1 and row.get("holds") else None
        row = eventually(held, 20, "the rate that holds")
        self.assertIn("mail1 rate 5/h", str(row["holds"]))
        self.assertEqual(row["delivered"] + row["ready"] + row["in_flight"], 7)
        source = self.rows("source")["mail1"]
        self.assertEqual((source["bounced"], source["delivered"]), (1, row["delivered"] + 1))
        self.assertIn("no such user", source["last_reply"])
        sites = self.rows("site")
        self.assertEqual(sum(row["bounced"] for row in sites.values()), 1, sites)
        self.assertTrue(any("mx.carrier.test" in name for name in sites), sites)
        self.assertEqual(self.rows("tenant")["default"]["delivered"], source["delivered"])
        for by in ("site", "provider", "source", "tenant"):
            out = self.relay_.cli("top", "--once", "--by", by)
            self.assertIn(by.upper(), out)
            self.assertIn("LIMITS AND THE LAST REPLY", out)
        self.relay_.cli("top", "--once", "--by", "moon", status=2)


if __name__ == "__main__":
    support.main()
