"""Goal: a provider's limits are obeyed, its replies teach, and an operator is told what holds.
Method: profiles of one's own in rules_dir, MX hosts behind connect_map, a peer that counts."""
import json
import threading
import time

import support
from support import eventually

CARRIER = """
mx = ["*.carrier.test"]
domains = ["carrier.test"]

[limits]
connections = 2
messages_per_connection = 5
recipients_per_transaction = 2
%s

[warm_up]
days = [5, 10]

[[reply]]
text = 'too fast'
code = "4xx"
reason = "rate_limited"
example = "421 4.7.0 too fast"

[[reply]]
text = 'go away for an hour'
reason = "rate_limited"
action = "suspend"
for = "1h"
example = "421 4.7.0 go away for an hour"

[[reply]]
code = 554
text = 'too much in this session'
reason = "rate_limited"
example = "554 too much in this session"

[[reply]]
text = 'your address is listed'
reason = "reputation_ip"
action = "rest_source"
for = "1h"
example = "550 5.7.1 your address is listed"

[[reply]]
text = 'no such user, later'
reason = "user_unknown"
action = "bounce"
example = "450 4.1.1 no such user, later"
"""


class ProviderLimits(support.Scenario):
    def setUp(self):
        super().setUp()
        self.dns_ = self.dns()
        for name in ("one", "two"):
            self.dns_.mx(f"{name}.test", f"mx.{name}.carrier.test")
        self.peer_ = self.peer()
        self.relay_ = self.relay(self.dns_)
        for name in ("one", "two"):
            self.relay_.map_mx(f"mx.{name}.carrier.test", self.peer_.port)
        self.rules = self.relay_.folder / "rules"
        self.rules.mkdir()
        self.relay_.settings["shaping"] = {"rules_dir": self.rules}
        self.profile("rate = \"off\"\nconnection_rate = \"off\"")

    def profile(self, limits):
        (self.rules / "carrier.toml").write_text(CARRIER % limits)

    def sources(self, *addresses, **more):
        self.relay_.settings["source"] = [
            {"name": f"s{i}", "ipv4": address, **more} for i, address in enumerate(addresses)]

    def test_connections_and_messages_hold_for_the_provider_and_not_for_its_sites(self):
        open_now, most = set(), [0]

        def opened(session, line):
            open_now.add(session)
            most[0] = max(most[0], len(open_now))

        self.peer_.on("CONNECT", opened)
        self.peer_.on("QUIT", lambda session, line: open_now.discard(session))
        self.relay_.start()
        for i in range(20):
            self.relay_.send(recipients=[f"u{i}@one.test"])
            self.relay_.send(recipients=[f"u{i}@two.test"])
        eventually(lambda: len(self.peer_.received) == 40, 30)
        self.assertLessEqual(most[0], 2)
        for session in self.peer_.sessions:
            self.assertLessEqual(sum(1 for c in session.commands if c.startswith("MAIL")), 5)

    def test_recipients_of_a_transaction_are_bounded(self):
        self.relay_.start()
        self.relay_.send(recipients=[f"u{i}@one.test" for i in range(7)])
        eventually(lambda: len(self.peer_.recipients()) == 7)
        self.assertLessEqual(max(len(t.addresses) for t in self.peer_.received), 2)

    def test_a_rate_is_never_exceeded_in_any_window(self):
        self.profile('rate = "10/s"\nconnection_rate = "off"')
        times = []
        self.peer_.on("MAIL", lambda session, line: times.append(time.monotonic()))
        self.relay_.start()
        for i in range(20):
            self.relay_.send(recipients=[f"u{i}@one.test"])
            self.relay_.send(recipients=[f"u{i}@two.test"])
        eventually(lambda: len(self.peer_.received) == 40, 30)
        # A machine that sleeps for a tenth of a second makes the peer see them closer together.
        for i in range(12, len(times)):
            self.assertGreater(times[i] - times[i - 12], 0.9, f"MAIL {i}")

    def test_explain_names_the_limit_its_value_its_origin_and_when_it_frees(self):
        self.profile('rate = "1/h"\nrate_floor = "1/h"\nconnection_rate = "off"')
        self.relay_.start()
        for i in range(3):
            self.relay_.send(recipients=[f"u{i}@one.test"])
        eventually(lambda: len(self.peer_.received) == 1)

        def held():
            items = self.relay_.records("queue", "explain", "one.test")
            return [i for i in items if i["reasons"]]
        item = eventually(held)[0]
        self.assertEqual(item["provider"], "carrier")
        reason = [r for r in item["reasons"] if r["kind"] == "limit"][0]
        self.assertIn("the rate that carrier takes is used up (1/h, ", reason["text"])
        self.assertIn("carrier.toml", reason["text"])
        self.assertIn("until", reason)
        limit = [x for x in item["limits"] if x["limit"] == "rate"][0]
        self.assertTrue(limit["holds"])
        queued = self.relay_.queue("--provider", "carrier")
        self.assertEqual(len(queued), 2)
        lines = self.relay_.records("queue", "explain", queued[0]["message"])
        self.assertIn("the rate that carrier takes is used up", json.dumps(lines))
        self.assertIn("HOLDS UNTIL", self.relay_.cli("queue", "explain", "one.test"))

    def test_a_suspension_by_reply_holds_and_survives_a_restart(self):
        self.peer_.on("MAIL", ["421 4.7.0 go away for an hour"])
        self.relay_.start()
        self.relay_.send(recipients=["u0@one.test"])
        eventually(lambda: self.relay_.metric("ekiden_delivery_throttled_total") == 1)
        self.relay_.send(recipients=["u1@two.test"])

        def held():
            items = self.relay_.records("queue", "explain", "two.test")
            return any("asked for a pause" in r["text"] for i in items for r in i["reasons"])
        eventually(held)
        self.relay_.restart()
        eventually(held)
        self.assertEqual(self.peer_.received, [])

    def test_a_listed_source_rests_and_the_other_delivers(self):
        self.sources("127.0.0.2", "127.0.0.3")
        self.peer_.on("CONNECT", lambda session, line:
                      "550 5.7.1 your address is listed" if session.client == "127.0.0.2" else None)
        self.relay_.start()
        for i in range(12):
            self.relay_.send(recipients=[f"u{i}@one.test"])
        eventually(lambda: len(self.peer_.received) == 12, 20)
        self.assertEqual({t.client for t in self.peer_.received}, {"127.0.0.3"})
        self.assertIn("reputation_ip", self.relay_.log())
        status = self.relay_.json("top", "--once")
        self.assertTrue([a for a in status["alerts"] if a.startswith("source s0 rests until")])

    def test_a_rule_makes_a_transient_reply_permanent_and_the_event_says_why(self):
        self.peer_.on("RCPT", ["450 4.1.1 no such user, later"])
        self.relay_.start()
        self.relay_.send(sender="", recipients=["u@one.test"])
        event = self.relay_.wait_for_event("u@one.test", "bounced")[-1]
        self.assertEqual((event["reason"], event["fault"]), ("user_unknown", "recipient"))

    def test_throttling_slows_down_and_everything_arrives(self):
        self.peer_.on("MAIL", [None] * 5 + ["421 4.7.0 too fast"])
        self.relay_.start()
        for i in range(12):
            self.relay_.send(recipients=[f"u{i}@one.test"])
        eventually(lambda: len(self.peer_.received) == 12, 40)
        items = self.relay_.records("queue", "explain", "one.test")
        learnt = [x for i in items for x in i["limits"] if x["limit"] == "learnt_rate"]
        self.assertEqual([x["from"] for x in learnt], ["learnt"])
        # Of this source towards this provider, and kept over a restart.
        kept = self.relay_.data / "egress.json"
        eventually(lambda: kept.exists() and "carrier" in kept.read_text(), 20, "what is kept")
        self.relay_.restart()
        self.relay_.send(recipients=["again@one.test"])
        eventually(lambda: len(self.peer_.received) == 13, 40)
        items = self.relay_.records("queue", "explain", "one.test")
        again = [x for i in items for x in i["limits"] if x["limit"] == "learnt_rate"]
        self.assertEqual([x["from"] for x in again], ["learnt"])

    def test_who_asks_for_less_with_a_permanent_code_loses_no_mail(self):
        self.peer_.on("MAIL", ["554 too much in this session"])
        self.relay_.start()
        self.relay_.send(recipients=["u@one.test"])
        events = self.relay_.wait_for_event("u@one.test", "delivered")
        self.assertEqual([e["kind"] for e in events], ["accepted", "deferred", "delivered"])
        self.assertEqual((events[1]["reason"], events[1]["reply_code"]), ("rate_limited", 554))

    def test_a_reload_reads_the_rules_again_and_refuses_bad_ones_whole(self):
        self.profile('rate = "1/h"\nrate_floor = "1/h"\nconnection_rate = "off"')
        self.relay_.start()
        for i in range(4):
            self.relay_.send(recipients=[f"u{i}@one.test"])
        eventually(lambda: len(self.peer_.received) == 1)

        def rates():
            return {x["value"] for i in self.relay_.records("queue", "explain", "one.test")
                    for x in i["limits"] if x["limit"] == "rate"}
        eventually(lambda: rates() == {"1/h"})
        self.profile('rate = "1/x"')
        refused = self.relay_.run("reload")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("carrier.toml", refused.stdout + refused.stderr)
        self.assertEqual(rates(), {"1/h"})
        # Nobody waits for the rest of the old limit's hour.
        self.profile('rate = "1000/h"\nconnection_rate = "off"')
        self.relay_.cli("reload")
        eventually(lambda: len(self.peer_.received) == 4, 40)

    def test_a_reply_to_what_began_before_a_reload_is_read_by_the_new_rules(self):
        began, goes_on = threading.Event(), threading.Event()

        def answer(session, line):
            if "later" not in line:
                return None
            began.set()
            goes_on.wait(60)
            return "450 4.2.1 no such user, later"
        self.peer_.on("RCPT", answer)
        self.relay_.start()
        self.relay_.send(sender="", recipients=["later@one.test"])
        eventually(began.is_set)
        self.relay_.cli("reload")
        goes_on.set()
        event = self.relay_.wait_for_event("later@one.test", "bounced")[-1]
        self.assertEqual(event["reason"], "user_unknown")

    def test_a_new_source_warms_up_and_its_overflow_leaves_from_a_warm_one(self):
        self.relay_.settings["source"] = [
            {"name": "new", "ipv4": "127.0.0.2", "warm_up": True},
            {"name": "old", "ipv4": "127.0.0.3"}]
        self.relay_.start()
        for i in range(6):
            self.relay_.send(recipients=[f"u{i}@one.test", f"v{i}@one.test"])
        eventually(lambda: len(self.peer_.recipients()) == 12, 20)
        clients = [t.client for t in self.peer_.received for _ in t.addresses]
        self.assertEqual(clients.count("127.0.0.2"), 1, "the next is hours away")
        shown = self.relay_.records("warmup", "show")
        self.assertEqual([(s["source"], s["provider"], s["sent"], s["allowance"]) for s in shown],
                         [("new", "carrier", 1, 5)])
        self.assertEqual(self.relay_.metric("ekiden_warmup_allowance"), 5)
        self.relay_.cli("warmup", "pause", "new", "--provider", "carrier")
        self.assertTrue(self.relay_.records("warmup", "show")[0]["paused"])
        self.relay_.restart()
        self.relay_.send(recipients=["w@one.test"])
        eventually(lambda: len(self.peer_.recipients()) == 13, 20)
        again = self.relay_.records("warmup", "show")[0]
        self.assertEqual((again["sent"], again["paused"]), (1, True))
        self.relay_.cli("warmup", "resume", "new")
        self.assertFalse(self.relay_.records("warmup", "show")[0]["paused"])
        self.relay_.cli("warmup", "pause", "old", status=1)

    def test_named_hosts_have_no_provider_unless_their_route_says_so(self):
        self.profile('rate = "1/h"\nrate_floor = "1/h"\nconnection_rate = "off"')
        self.relay_.settings["route"] = [
            {"domains": ["free.test"], "next_hop": f"127.0.0.1:{self.peer_.port}"},
            {"domains": ["held.test"], "next_hop": f"127.0.0.1:{self.peer_.port}",
             "provider": "carrier"}]
        self.relay_.start()
        for i in range(5):
            self.relay_.send(recipients=[f"u{i}@free.test"])
            self.relay_.send(recipients=[f"u{i}@held.test"])
        eventually(lambda: len(self.peer_.received) == 6)
        self.assertEqual(len(self.relay_.queue("--domain", "held.test")), 4)

    def test_an_unknown_provider_is_refused_with_the_nearest(self):
        self.relay_.settings["route"] = [{"domains": ["x.test"], "next_hop": "mx",
                                          "provider": "carier"}]
        self.relay_.write()
        done = self.relay_.run("config", "check")
        self.assertEqual(done.returncode, 1)
        self.assertIn('did you mean "carrier"?', done.stdout + done.stderr)

    def test_limits_can_be_turned_off(self):
        self.profile('rate = "1/h"\nrate_floor = "1/h"\nconnection_rate = "off"')
        self.relay_.settings["shaping"]["limits"] = False
        self.relay_.start()
        for i in range(5):
            self.relay_.send(recipients=[f"u{i}@one.test"])
        eventually(lambda: len(self.peer_.received) == 5)


if __name__ == "__main__":
    support.main()
