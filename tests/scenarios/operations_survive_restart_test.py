"""Goal: what an operator has begun is known after a restart, and goes on when it was cut short.
Method: a live node's file of operations, read and changed while the node is down; a bad one."""
import json

import support
from support import eventually


class Operations(support.Scenario):
    def setUp(self):
        super().setUp()
        self.relay_, self.peer_ = self.relay_to_peer(relay_settings={"retry": {"time_scale": 1.0}})
        self.peer_.on("RCPT", ["450 4.2.1 later"] * 100)
        for user in ("a", "b", "c"):
            self.relay_.send(recipients=[f"{user}@dest.test"])
        eventually(lambda: len([r for r in self.relay_.queue() if r["state"] == "waiting"]) == 3)

    def file(self):
        return self.relay_.data / "operations.json"

    def states(self):
        return sorted(row["state"] for row in self.relay_.queue())

    def operations(self):
        return self.relay_.json("operation", "list")["operations"]

    def test_one_that_has_ended_is_shown_after_a_restart(self):
        self.relay_.cli("queue", "hold", "--recipient", "a@dest.test")
        before = eventually(lambda: [o for o in self.operations() if o["state"] == "done"])
        eventually(lambda: '"state":"done"' in self.file().read_text())
        self.relay_.restart()
        self.assertEqual(self.operations(), before)
        self.relay_.cli("queue", "release", "--recipient", "a@dest.test")
        self.assertEqual([o["operation"] for o in self.operations()], [2, 1])

    def test_one_that_was_cut_short_goes_on_and_means_what_it_meant(self):
        self.relay_.cli("queue", "hold", "--recipient", "a@dest.test")
        eventually(lambda: '"state":"done"' in self.file().read_text())
        self.relay_.stop()
        # As a crash would have left it between the first recipient and the others.
        book = json.loads(self.file().read_text())
        book["operations"][0]["state"] = "running"
        book["operations"][0]["filter"] = {"domain": "dest.test"}
        del book["operations"][0]["ended_us"]
        self.file().write_text(json.dumps(book))
        self.relay_.start()
        eventually(lambda: self.states() == ["held"] * 3)
        ended = eventually(lambda: [o for o in self.operations() if o["state"] == "done"])[0]
        self.assertEqual((ended["operation"], ended["done"], ended["skipped"]), (1, 3, 1))
        # What came later was not meant.
        self.relay_.send(recipients=["d@dest.test"])
        eventually(lambda: len(self.relay_.queue()) == 4)
        self.relay_.restart()
        self.assertEqual(self.states().count("held"), 3)

    def test_a_damaged_file_keeps_the_relay_from_acting_on_what_nobody_meant(self):
        self.relay_.stop()
        for octets in ('{"operations": [{"oper',
                       '{"operations":[{"operation":1,"action":"delete","state":"running",'
                       '"began_us":1,"filter":{"domian":"dest.test"}}]}'):
            self.file().write_text(octets)
            done = self.relay_.run("serve")
            self.assertEqual(done.returncode, 3)
            self.assertIn("operations.json", done.stderr)


if __name__ == "__main__":
    support.main()
