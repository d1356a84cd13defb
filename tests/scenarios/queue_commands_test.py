"""Goal: an operator sees what waits and why, and acts on a selection, on a live node.
Method: recipients of two domains that defer; every `queue` command with filters and --json."""
import support
from support import Dsn, eventually


class QueueCommands(support.Scenario):
    def setUp(self):
        super().setUp()
        self.relay_, self.peer_ = self.relay_to_peer(
            relay_settings={"retry": {"time_scale": 1.0}})
        self.blocked = True
        self.peer_.on("RCPT", lambda s, line: "450 4.2.1 blocked by the test"
                      if self.blocked and "client.test" not in line else None)
        for domain in ("one.test", "two.test"):
            for i in range(3):
                self.relay_.send(sender=f"s{i}@client.test", recipients=[f"r{i}@{domain}"])
        eventually(lambda: sum(r.get("attempts", 0) >= 1 for r in self.relay_.queue()) == 6)

    def domains(self, *filters):
        return sorted(r["recipient"] for r in self.relay_.queue(*filters))

    def test_list_filters(self):
        self.assertEqual(len(self.relay_.queue()), 6)
        self.assertEqual(self.domains("--domain", "one.test"),
                         [f"r{i}@one.test" for i in range(3)])
        self.assertEqual(self.domains("--sender", "s1@client.test"), ["r1@one.test", "r1@two.test"])
        self.assertEqual(self.domains("--recipient", "r2@two.test"), ["r2@two.test"])
        self.assertEqual(self.domains("--recipient", "r2@*"), ["r2@one.test", "r2@two.test"])
        self.assertEqual(len(self.domains("--reply", "blocked by the test")), 6)
        self.assertEqual(self.domains("--reply", "something else"), [])
        self.assertEqual(self.domains("--older-than", "1h"), [])
        message = self.relay_.queue("--recipient", "r0@one.test")[0]["message"]
        self.assertEqual(self.domains("--message", message), ["r0@one.test"])

    def test_summary_show_and_explain(self):
        summary = self.relay_.json("queue", "summary")
        self.assertEqual(summary["queued"], 6)
        one = self.relay_.queue("--recipient", "r0@one.test")[0]
        self.assertIn("r0@one.test", self.relay_.cli("queue", "show", one["message"]))
        self.assertIn("r0@one.test", self.relay_.cli("message", "show", one["message"]))
        why = self.relay_.cli("queue", "explain", one["message"])
        self.assertIn("blocked by the test", why)

    def states(self, message, *command):
        shown = self.relay_.json(*(command or ("message", "show")), message)
        return {r["recipient"]: r["state"] for r in shown["recipients"]}

    def test_show_names_the_final_disposition_of_each_recipient(self):
        everybody = ["fine@one.test", "never@one.test", "later@one.test", "gone@two.test",
                     "elsewhere@two.test"]
        other = self.peer()
        self.peer_.on("RCPT", lambda s, line: None if "fine@" in line or "client.test" in line
                      else "550 5.1.1 no such user" if "never@" in line
                      else "450 4.2.1 blocked by the test")
        self.relay_.send(recipients=everybody)
        eventually(lambda: "fine@one.test" in self.peer_.recipients())
        eventually(lambda: self.relay_.queue("--recipient", "later@one.test", "--reply", "blocked"))
        message = self.relay_.queue("--recipient", "later@one.test")[0]["message"]
        eventually(lambda: self.relay_.queue("--recipient", "gone@two.test", "--reply", "blocked"))
        self.relay_.cli("queue", "delete", "--recipient", "gone@two.test")
        self.relay_.cli("queue", "reroute", "--recipient", "elsewhere@two.test", "--to",
                        f"127.0.0.1:{other.port}")
        expected = {"fine@one.test": "delivered", "never@one.test": "bounced",
                    "later@one.test": "waiting", "gone@two.test": "cancelled",
                    "elsewhere@two.test": "expanded"}
        eventually(lambda: self.states(message) == expected, what=str(expected))
        self.assertEqual(self.states(message, "queue", "show"), expected)
        self.relay_.restart()
        self.assertEqual(eventually(lambda: self.states(message)), expected)
        # The last one ends: the spool forgets the message, the event store does not.
        self.relay_.cli("queue", "bounce", "--recipient", "later@one.test")
        expected["later@one.test"] = "bounced"
        eventually(lambda: self.states(message) == expected, what=str(expected))
        self.assertIn("expanded", self.relay_.cli("queue", "show", message))
        trace = self.relay_.cli("message", "trace", message)
        for state in set(expected.values()):
            self.assertIn(state, trace)
        self.relay_.cli("message", "show", "0" * 26, status=1)

    def test_a_search_reads_back_what_only_the_disk_has(self):
        # Past the memory budget octets and envelopes are dropped; a restart drops all of them.
        with self.relay_.smtp() as client:
            for n in range(120):
                client.sendmail(f"from{n % 10}@client.test", [f"to{n}@one.test"], support.message())
        eventually(lambda: len(self.relay_.queue("--limit", 0)) == 126)
        self.relay_.restart()
        eventually(lambda: len(self.relay_.queue("--limit", 0)) == 126)
        found = self.relay_.queue("--sender", "from3@*", "--limit", 0)
        self.assertEqual(sorted(r["recipient"] for r in found),
                         sorted(f"to{n}@one.test" for n in range(3, 120, 10)))
        self.assertEqual(len({r["message"] for r in found}), 12)
        self.assertEqual(len(self.relay_.queue("--sender", "from3@*", "--limit", 5)), 5)
        self.assertEqual(len(self.relay_.queue("--recipient", "to1?@*", "--limit", 0)), 0)
        self.assertEqual(len(self.relay_.queue("--recipient", "TO11*@*", "--limit", 0)), 11)
        summary = self.relay_.json("queue", "summary", "--sender", "from7@*", "--by", "domain")
        self.assertEqual((summary["queued"], summary["messages"]), (12, 12))
        done = self.relay_.json("queue", "delete", "--sender", "from7@client.test")
        self.assertEqual((done["matched"], done["done"]), (12, 12))
        self.assertEqual(len(self.relay_.queue("--limit", 0)), 114)

    def test_retry_sends_the_selection_now(self):
        self.blocked = False
        self.relay_.cli("queue", "retry", "--domain", "one.test")
        eventually(lambda: len(self.peer_.recipients()) == 3)
        self.assertTrue(all(r.endswith("@one.test") for r in self.peer_.recipients()))
        eventually(lambda: len(self.relay_.queue()) == 3)

    def test_hold_survives_a_restart_and_release_lets_go(self):
        self.relay_.cli("queue", "hold", "--domain", "one.test")
        self.blocked = False
        self.relay_.restart()
        self.relay_.cli("queue", "retry", "--domain", "two.test")
        eventually(lambda: len(self.peer_.recipients()) == 3)
        eventually(lambda: {r["state"] for r in self.relay_.queue()} == {"held"})
        self.relay_.cli("queue", "release", "--domain", "one.test")
        eventually(lambda: len(self.peer_.recipients()) == 6)

    def test_suspend_a_domain_survives_a_restart(self):
        self.blocked = False
        self.relay_.cli("queue", "suspend", "--domain", "three.test")
        self.relay_.restart()
        self.relay_.send(recipients=["x@three.test"])
        self.relay_.send(recipients=["x@four.test"])
        eventually(lambda: "x@four.test" in self.peer_.recipients())
        self.assertNotIn("x@three.test", self.peer_.recipients())
        self.relay_.cli("queue", "resume", "--domain", "three.test")
        eventually(lambda: "x@three.test" in self.peer_.recipients())

    def test_delete_is_silent_and_bounce_is_not(self):
        self.relay_.cli("queue", "delete", "--recipient", "r0@one.test")
        eventually(lambda: self.relay_.metric("ekiden_recipients_cancelled_total") == 1)
        self.relay_.cli("queue", "bounce", "--recipient", "r1@one.test")
        taken = eventually(lambda: self.peer_.received)[0]
        self.assertEqual(taken.addresses, ["s1@client.test"])
        self.assertIn("r1@one.test", Dsn(taken.data).field("Final-Recipient"))
        eventually(lambda: len(self.relay_.queue()) == 4)
        self.relay_.restart()
        self.assertEqual(len(eventually(self.relay_.queue)), 4, "still gone after a restart")

    def test_reroute_moves_the_selection(self):
        other = self.peer()
        self.relay_.cli("queue", "reroute", "--domain", "two.test", "--to",
                        f"127.0.0.1:{other.port}")
        self.relay_.cli("queue", "retry", "--domain", "two.test")
        eventually(lambda: len(other.recipients()) == 3)
        eventually(lambda: len(self.relay_.queue()) == 3)
        self.assertEqual(self.relay_.metric("ekiden_recipients_expanded_total"), 3)
        self.assertEqual(self.relay_.metric("ekiden_recipients_added_total"), 3)

    def test_a_rerouted_message_keeps_its_next_hop_over_a_restart(self):
        other = self.peer()
        held = other.on("RCPT", lambda s, line: "450 4.2.1 not yet" if held_back[0] else None)
        held_back = [True]
        self.relay_.cli("queue", "reroute", "--domain", "two.test", "--to",
                        f"127.0.0.1:{held.port}")
        eventually(lambda: all(r["attempts"] >= 2 for r in self.relay_.queue("--domain", "two.test"))
                   and len(self.relay_.queue("--domain", "two.test")) == 3)
        self.relay_.restart()
        held_back[0] = False
        eventually(lambda: len(self.relay_.queue("--domain", "two.test")) == 3)
        self.relay_.cli("queue", "retry", "--domain", "two.test")
        eventually(lambda: len(other.recipients()) == 3)
        self.assertEqual(self.peer_.recipients(), [])

    def test_pages_show_everybody_once(self):
        with self.relay_.smtp() as client:
            for n in range(5):
                client.sendmail("bulk@client.test", [f"p{n}-{i}@one.test" for i in range(90)],
                                support.message())
        eventually(lambda: len(self.relay_.queue("--limit", 0)) == 456)
        everybody = [r["recipient"] for r in self.relay_.queue("--limit", 0)]
        self.assertEqual(len(set(everybody)), 456)
        self.assertEqual(len(self.relay_.queue("--limit", 7)), 7)
        self.assertEqual(len(self.relay_.queue("--sender", "bulk@*", "--limit", 0)), 450)
        done = self.relay_.json("queue", "hold", "--sender", "bulk@client.test", "--reason", "why")
        self.assertEqual((done["state"], done["matched"], done["done"]), ("done", 450, 450))
        summary = self.relay_.json("queue", "summary", "--by", "domain")
        self.assertEqual((summary["queued"], summary["held"]), (456, 450))
        self.assertEqual({g["name"]: g["queued"] for g in summary["groups"]},
                         {"one.test": 453, "two.test": 3})
        why = self.relay_.cli("queue", "explain",
                              self.relay_.queue("--sender", "bulk@*", "--limit", 1)[0]["message"])
        self.assertIn("held until an operator releases it", why)
        done = self.relay_.json("queue", "delete", "--sender", "bulk@client.test")
        self.assertEqual(done["done"], 450)
        self.assertEqual(len(self.relay_.queue("--limit", 0)), 6, "done means durable")
        operations = self.relay_.records("operation", "list")
        self.assertEqual([o["done"] for o in operations], [450, 450])

    def test_what_is_in_a_transaction_is_left_to_its_outcome(self):
        import threading
        for address, answer, ends in (("slow@one.test", "450 4.2.1 not now", "cancelled"),
                                      ("fine@one.test", None, "delivered")):
            release = threading.Event()
            self.addCleanup(release.set)
            self.peer_.on("RCPT", lambda s, line: (release.wait(20), answer)[1]
                          if address in line else None)
            self.relay_.send(recipients=[address])
            eventually(lambda: [r["state"] for r in self.relay_.queue("--recipient", address)]
                       == ["in_flight"])
            done = self.relay_.json("queue", "delete", "--recipient", address)
            self.assertEqual((done["matched"], done["done"], done["skipped"]), (1, 0, 1))
            release.set()
            eventually(lambda: self.relay_.queue("--recipient", address) == [])
            self.assertEqual(self.relay_.metric(f"ekiden_recipients_{ends}_total"), 1)
        self.assertEqual(self.peer_.recipients(), ["fine@one.test"])

    def test_status_says_how_the_node_is(self):
        status = self.relay_.json("top", "--once")
        text = str(status)
        self.assertIn("relay.test", text)

    def test_spool_verify_needs_the_relay_to_be_down_and_finds_nothing_wrong(self):
        self.assertEqual(self.relay_.run("spool", "verify").returncode, 3)
        self.relay_.stop()
        report = self.relay_.json("spool", "verify")
        self.assertTrue(report["ok"])
        self.assertEqual(report["recipients"], 6)

    def test_wrong_usage_and_empty_selections_say_so(self):
        self.relay_.cli("queue", "list", "--no-such-flag", status=2)
        self.relay_.cli("queue", "list", "--message", "nonsense", status=2)
        self.relay_.cli("queue", "delete", status=2)  # everything needs --all
        self.assertEqual(len(self.relay_.queue()), 6)

    def test_a_node_that_is_down_is_named(self):
        self.relay_.stop()
        done = self.relay_.run("queue", "list")
        self.assertIn(done.returncode, (0, 3))
        if done.returncode == 3:
            self.assertIn("running", done.stderr)


if __name__ == "__main__":
    support.main()
