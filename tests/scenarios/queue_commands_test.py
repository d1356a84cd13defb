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

    def test_retry_sends_the_selection_now(self):
        self.blocked = False
        self.relay_.cli("queue", "retry", "--domain", "one.test")
        eventually(lambda: len(self.peer_.recipients()) == 3)
        self.assertTrue(all(r.endswith("@one.test") for r in self.peer_.recipients()))
        self.assertEqual(len(self.relay_.queue()), 3)

    def test_hold_survives_a_restart_and_release_lets_go(self):
        self.relay_.cli("queue", "hold", "--domain", "one.test")
        self.blocked = False
        self.relay_.restart()
        self.relay_.cli("queue", "retry", "--domain", "two.test")
        eventually(lambda: len(self.peer_.recipients()) == 3)
        self.assertEqual({r["state"] for r in self.relay_.queue()}, {"held"})
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
        self.assertEqual(len(self.relay_.queue()), 4)
        self.relay_.restart()
        self.assertEqual(len(eventually(self.relay_.queue)), 4, "still gone after a restart")

    def test_reroute_moves_the_selection(self):
        other = self.peer()
        self.relay_.cli("queue", "reroute", "--domain", "two.test", "--to",
                        f"127.0.0.1:{other.port}")
        self.relay_.cli("queue", "retry", "--domain", "two.test")
        eventually(lambda: len(other.recipients()) == 3)

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
