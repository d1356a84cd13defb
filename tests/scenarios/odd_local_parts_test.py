"""Goal: addresses with dots that lead, trail or double, which Japanese carriers gave out, are taken
for those carriers under strict syntax too, go out in the form that the carrier's file names, and in
the other form once after 501 or 553.
Method: a profile of one's own beside the shipped ones, a peer that refuses one form."""
import support
from support import eventually

CARRIER = """
mx = ["*.carrier.test"]
domains = ["carrier.test"]

[transport]
tls = "opportunistic"
odd_local_parts = "%s"
"""


class OddLocalParts(support.Scenario):
    def setUp(self):
        super().setUp()
        self.dns_ = self.dns()
        self.dns_.mx("carrier.test", "mx.carrier.test")
        self.dns_.mx("dest.test", "mx.dest.test")
        self.peer_ = self.peer()
        self.relay_ = self.relay(self.dns_)
        for host in ("mx.carrier.test", "mx.dest.test"):
            self.relay_.map_mx(host, self.peer_.port)
        self.strict = self.relay_.listener("relay", "off", trusted_networks=["127.0.0.0/8"],
                                           strict_syntax=True)
        self.rules = self.relay_.folder / "rules"
        self.rules.mkdir()
        self.relay_.settings["shaping"] = {"rules_dir": self.rules}
        self.form("quoted")

    def form(self, wish):
        (self.rules / "carrier.toml").write_text(CARRIER % wish)

    def rcpts(self):
        return [c for c in self.peer_.commands() if c.startswith("RCPT")]

    def test_strict_syntax_takes_them_for_their_carrier_only(self):
        self.relay_.start()
        wire = self.relay_.wire(self.strict)
        wire.greet()
        self.assertReply(wire.command("MAIL FROM:<a@client.test>"), 250)
        for local in ("a..b", ".abc", "abc.", '"a..b"'):
            self.assertReply(wire.command(f"RCPT TO:<{local}@carrier.test>"), 250)
            self.assertReply(wire.command(f"RCPT TO:<{local}@docomo.ne.jp>"), 250)
            self.assertReply(wire.command(f"RCPT TO:<{local}@dest.test>"),
                             250 if local.startswith('"') else 501)
        self.assertReply(wire.command("RCPT TO:<a b@carrier.test>"), 501)
        self.assertReply(wire.command(f"RCPT TO:<{'a' * 63}..@carrier.test>"), 501)
        self.assertReply(wire.command("MAIL FROM:<a..b@carrier.test>"), (501, 503))

    def test_the_file_says_how_they_are_written_and_others_stay_as_they_came(self):
        self.relay_.start()
        self.relay_.send(recipients=["a..b@carrier.test"], port=self.strict)
        self.relay_.send(recipients=["a..b@dest.test"])
        eventually(lambda: len(self.peer_.received) == 2, 20)
        self.assertEqual({c.split(">")[0] + ">" for c in self.rcpts()},
                         {'RCPT TO:<"a..b"@carrier.test>', "RCPT TO:<a..b@dest.test>"})
        self.assertTrue(self.relay_.wait_for_event("a..b@carrier.test", "delivered"),
                        "events have the address as it came")

    def test_the_other_form_is_tried_once(self):
        self.form("bare")
        self.peer_.on("RCPT", lambda session, line:
                      "553 5.1.3 bad syntax" if "<c." in line or "none" in line else None)
        self.relay_.start()
        self.relay_.send(recipients=["c.@carrier.test"])
        eventually(lambda: self.peer_.received, 20)
        self.assertEqual([c.split(">")[0] for c in self.rcpts()],
                         ["RCPT TO:<c.@carrier.test", 'RCPT TO:<"c."@carrier.test'])
        self.assertEqual(self.relay_.metric("ekiden_attempts_deferred_total"), 0)
        self.relay_.send(sender="", recipients=["none..x@carrier.test"])
        self.relay_.wait_for_event("none..x@carrier.test", "bounced")
        self.assertEqual([c.split(">")[0] for c in self.rcpts()][2:],
                         ["RCPT TO:<none..x@carrier.test", 'RCPT TO:<"none..x"@carrier.test'])


if __name__ == "__main__":
    support.main()
