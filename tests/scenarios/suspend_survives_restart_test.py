"""Goal: what an operator suspends waits, costs nothing, survives a restart, and goes on when it is
resumed or its time is over.
Method: each kind of suspension on a live node, across a restart; a bad file of suspensions."""
import support
from support import eventually


class Suspensions(support.Scenario):
    def setUp(self):
        super().setUp()
        self.relay_, self.peer_ = self.relay_to_peer(relay_settings={"retry": {"time_scale": 1.0}})

    def names(self):
        return [(s["kind"], s["name"])
                for s in self.relay_.json("queue", "suspend")["suspensions"]]

    def send(self, recipient, **headers):
        self.relay_.send(recipients=[recipient], body=support.message(**headers))

    def assertWaits(self, recipient, reason):
        row = eventually(lambda: self.relay_.queue("--recipient", recipient))[0]
        self.assertEqual(row["attempts"], 0)
        why = self.relay_.cli("queue", "explain", row["message"])
        self.assertIn(f"an operator suspended {reason}", why)
        self.assertNotIn(recipient, self.peer_.recipients())

    def arrives(self, recipient):
        return lambda: recipient in self.peer_.recipients()

    def over_a_restart(self, kind, name, held, free, **headers):
        self.relay_.cli("queue", "suspend", f"--{kind}", name, "--reason", "for a test")
        for _ in range(2):
            self.send(held, **headers)
            self.send(free)
            eventually(self.arrives(free))
            self.assertWaits(held, f"{kind} {name}: for a test")
            self.peer_.received.clear()
            self.relay_.restart()
            self.assertEqual(self.names(), [(kind, name)])
        self.assertWaits(held, f"{kind} {name}: for a test")
        self.relay_.cli("queue", "resume", f"--{kind}", name)
        eventually(lambda: self.peer_.recipients().count(held) == 2)
        self.assertEqual(self.names(), [])

    def test_a_domain(self):
        self.over_a_restart("domain", "held.test", "a@held.test", "a@free.test")

    def test_a_stream(self):
        self.over_a_restart("stream", "bulk", "b@dest.test", "t@dest.test", X_Ekiden_Stream="bulk")

    def test_a_tenant_holds_what_was_ready_before(self):
        self.relay_.cli("queue", "suspend", "--tenant", "default")
        self.send("x@dest.test")
        self.assertWaits("x@dest.test", "tenant default")
        self.relay_.restart()
        self.assertWaits("x@dest.test", "tenant default")
        self.relay_.cli("queue", "resume", "--tenant", "default")
        eventually(self.arrives("x@dest.test"))

    def test_a_site_and_a_source(self):
        self.send("first@dest.test")
        eventually(self.arrives("first@dest.test"))
        self.peer_.on("RCPT", ["450 4.2.1 later"])
        self.send("second@dest.test")
        row = eventually(lambda: [r for r in self.relay_.queue() if r["state"] == "waiting"])[0]
        self.relay_.cli("queue", "suspend", "--site", row["site"])
        self.relay_.cli("queue", "suspend", "--source", row["source"])
        self.relay_.cli("queue", "retry")
        self.relay_.restart()
        self.relay_.cli("queue", "retry")
        self.send("third@dest.test")
        self.assertWaits("third@dest.test", f"site {row['site']}")
        self.assertNotIn("second@dest.test", self.peer_.recipients())
        self.relay_.cli("queue", "resume", "--site", row["site"])
        self.assertWaits("third@dest.test", f"source {row['source']}")
        self.relay_.cli("queue", "resume", "--source", row["source"])
        self.relay_.cli("queue", "retry")
        eventually(self.arrives("third@dest.test"))
        eventually(self.arrives("second@dest.test"))

    def test_a_time_limit_ends_it(self):
        self.relay_.cli("queue", "suspend", "--domain", "held.test", "--for", "2s")
        self.send("x@held.test")
        self.assertWaits("x@held.test", "domain held.test")
        self.relay_.restart()
        eventually(self.arrives("x@held.test"))
        eventually(lambda: self.names() == [])

    def test_what_is_not_suspended_cannot_be_resumed(self):
        self.relay_.cli("queue", "resume", "--domain", "held.test", status=1)
        self.relay_.cli("queue", "suspend", "--domain", "no domain", status=2)

    def test_a_damaged_file_keeps_the_relay_from_sending_what_should_wait(self):
        self.relay_.stop()
        file = self.relay_.data / "suspensions.json"
        file.write_text('{"suspensions": [{"kind": "dom')
        done = self.relay_.run("serve")
        self.assertEqual(done.returncode, 3)
        self.assertIn("suspensions.json", done.stderr)


if __name__ == "__main__":
    support.main()
