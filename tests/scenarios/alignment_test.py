"""Goal: mail that would fail SPF, DKIM and DMARC is warned of, held or refused, and never waits for
the DNS. Method: a name server on loopback that knows, does not know, or keeps silent; the real
binary with a public address."""
import json
import time

import support
from support import LOOPBACK, eventually, message

GOOD = '"v=spf1 ip4:192.0.2.1 -all"'
OURS = "client.test"


class Alignment(support.Scenario):
    def build(self, mode=None, zone=True, sources=True):
        self.zone = self.dns()
        if zone:
            self.zone.set(OURS, "A", ["192.0.2.9"])
        self.peer_ = self.peer()
        relay = self.relay_ = self.relay(self.zone)
        relay.route_to(self.peer_.port)
        if sources:
            relay.settings["source"] = [{"name": "one", "ipv4": "127.0.0.1", "public_ipv4": "192.0.2.1"}]
        if mode:
            relay.settings["alignment"] = [{"tenant": "*", "mode": mode}]
        relay.start()
        return relay

    def say(self, sender=f"a@{OURS}", recipients=("b@dest.test",), body=None):
        wire = self.relay_.wire()
        wire.greet()
        return wire.transaction(sender, list(recipients), body or message())

    def events(self, kind):
        out = self.relay_.run("events", "tail", "--once", "-n", "1000", "--json").stdout
        return [e for e in map(json.loads, out.splitlines()) if e["kind"] == kind]

    def know(self):
        """Facts of the domain are there: the relay refuses by them at once."""
        eventually(lambda: self.say().code == 550, 20, "the domain to be known")

    def test_warned_by_default_and_delivered(self):
        relay = self.build()
        self.assertReply(self.say(), 250)
        eventually(lambda: self.peer_.received, 20)
        warned = eventually(lambda: self.events("warned"), 20, "the warning")[0]
        self.assertIn("publish TXT", warned["detail"])
        self.assertIn("ekiden dkim keygen client.test", warned["detail"])
        shown = lambda: relay.json("check", "alignment", "--header-from", OURS, "--ip", "192.0.2.1",
                                   "--dns", f"{LOOPBACK}:{self.zone.port}")
        self.assertEqual(shown()["result"], "unaligned")
        self.zone.set(OURS, "TXT", [GOOD])
        self.assertEqual(shown()["result"], "aligned")

    def test_refused_with_what_to_publish_and_taken_once_it_is(self):
        self.build("refuse")
        self.assertReply(self.say(), 250)
        self.know()
        refused = self.say()
        self.assertReply(refused, 550, "5.7.26")
        self.assertIn('publish TXT "v=spf1 ip4:192.0.2.1 -all" there', refused.text)
        self.assertEqual(self.peer_.received, [], "what was unknown at first was held, not sent")
        self.assertTrue(eventually(lambda: self.events("held"), 20))
        self.assertEqual(self.events("bounced"), [])
        self.zone.set(OURS, "TXT", [GOOD])
        self.relay_.restart()  # what the resolver keeps has its time to live
        eventually(lambda: self.say().code == 250 and self.peer_.received, 20, "aligned mail")

    def test_held_and_released(self):
        relay = self.build("hold")
        self.assertReply(self.say(), 250)
        held = eventually(lambda: self.events("held"), 20, "the hold")[0]
        self.assertIn("will not align", held["detail"])
        # By now the domain is known, and the next one is held when it is accepted.
        self.assertReply(self.say(recipients=["c@dest.test", "d@dest.test"]), 250)
        eventually(lambda: len(self.events("held")) == 3, 20)
        relay.restart()
        self.assertEqual(self.peer_.received, [])
        relay.cli("queue", "release", "--recipient", "b@dest.test")
        relay.cli("queue", "release", "--recipient", "c@dest.test")
        eventually(lambda: len(self.peer_.received) == 2, 20, "what was released")
        self.assertEqual(sorted(t.addresses[0] for t in self.peer_.received),
                         ["b@dest.test", "c@dest.test"])
        shown = relay.json("message", "show", self.events("held")[-1]["message"])
        self.assertIn("unaligned", shown["alignment"])

    def test_a_silent_dns_delays_no_reply(self):
        self.build("refuse")
        self.zone.silent.update([OURS, f"_dmarc.{OURS}", "_dmarc.test"])
        begun = time.monotonic()
        self.assertReply(self.say(), 250)
        self.assertLess(time.monotonic() - begun, 5 * support.SLOW)

    def test_signed_mail_aligns_and_asks_nobody_twice(self):
        relay = self.build("refuse")
        key = relay.json("dkim", "keygen", OURS)
        text = key["record"]
        self.zone.set(key["record_name"], "TXT",
                      [" ".join(f'"{text[at:at + 255]}"' for at in range(0, len(text), 255))])
        eventually(lambda: relay.json("dkim", "list", OURS)["keys"][0]["state"] == "active", 40)
        self.assertReply(self.say("bounce@provider.test"), 250)
        eventually(lambda: self.peer_.received, 20)
        shown = relay.json("message", "show", relay.wait_for_event("b@dest.test",
                                                                  "delivered")[0]["message"])
        self.assertNotIn("unaligned", json.dumps(shown))
        self.assertEqual(self.events("warned") + self.events("held"), [])

    def test_carriers_are_stricter(self):
        relay = self.build("hold", zone=False)
        relay.settings["alignment"] = [{"tenant": "*", "mode": "hold"}]
        self.zone.set("bounces.client.test", "TXT", [GOOD])
        self.zone.set(f"_dmarc.{OURS}", "TXT", ['"v=DMARC1; p=none"'])
        self.assertReply(self.say("x@bounces.client.test",
                                  ["b@dest.test", "taro@docomo.ne.jp"]), 250)
        eventually(lambda: self.peer_.received, 20)
        self.assertEqual([t.addresses for t in self.peer_.received], [["b@dest.test"]])
        held = eventually(lambda: self.events("held"), 20)
        self.assertEqual(held[0]["recipient"], "taro@docomo.ne.jp")
        self.assertIn("docomo and SoftBank", held[0]["detail"])

    def test_off_asks_nothing(self):
        self.build("off")
        self.assertReply(self.say(), 250)
        eventually(lambda: self.peer_.received, 20)
        self.assertEqual(self.events("warned"), [])

    def test_without_sources_spf_is_unknown_and_nobody_is_warned(self):
        relay = self.build("refuse", sources=False)
        self.zone.set(OURS, "TXT", [GOOD])
        self.assertReply(self.say(), 250)
        eventually(lambda: self.peer_.received, 20)
        self.assertEqual(self.events("held"), [])
        said = relay.json("check", "alignment", "--header-from", OURS, "--dns",
                          f"{LOOPBACK}:{self.zone.port}")
        self.assertEqual(said["result"], "unknown")
        self.assertIn("[[source]]", json.dumps(said))

    def test_wrong_usage(self):
        relay = self.build()
        self.assertEqual(relay.run("check", "alignment").returncode, 2)
        self.assertEqual(relay.run("check", "alignment", "--header-from", "a b").returncode, 2)
        self.assertEqual(relay.run("check", "alignment", "--header-from", "a.test", "--ip",
                                   "x").returncode, 2)
        relay.settings["alignment"] = [{"tenant": "a", "mode": "hold"},
                                       {"tenant": "a", "mode": "warn"}]
        relay.write()
        self.assertEqual(relay.run("config", "check").returncode, 1)


if __name__ == "__main__":
    support.main()
