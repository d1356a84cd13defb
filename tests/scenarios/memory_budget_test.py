"""Goal: queued octets take `spool.memory_budget` of memory and no more: past it they lie on disk and
are read back when due; past the hard mark new mail is refused for a while, and nothing is lost.
Method: a budget of 16 MiB and a next hop that is down, more than three times as much mail."""
import re

import support
from support import eventually, message

MIB = 1 << 20
BODY = 900_000


class MemoryBudget(support.Scenario):
    def begin(self, budget):
        self.relay_, self.peer_ = self.relay_to_peer(
            relay_settings={"spool": {"memory_budget": budget}})
        # As if it were down, until we say otherwise.
        self.relay_.cli("queue", "suspend", "--domain", "dest.test")

    def resume(self):
        self.relay_.cli("queue", "resume", "--domain", "dest.test")

    def memory(self):
        with open(f"/proc/{self.relay_.process.child.pid}/status") as file:
            status = file.read()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * 1024

    @staticmethod
    def body(number, octets=BODY):
        line = f"{number:08d} " + "x" * 66 + "\r\n"
        return line * (octets // len(line))

    def send(self, count, octets=BODY):
        for i in range(count):
            self.relay_.send("", [f"r{i}@dest.test"], message(body=self.body(i, octets)))

    def arrive_whole(self, count, octets=BODY):
        eventually(lambda: len(self.peer_.received) == count, 60)
        for taken in self.peer_.received:
            number = int(taken.addresses[0][1:].split("@")[0])
            self.assertEqual(taken.body.decode(), self.body(number, octets), "its own octets, all")
        eventually(lambda: self.relay_.metric("ekiden_recipients_queued") == 0)
        self.assertEqual(len(set(self.peer_.recipients())), count)

    def test_what_waits_beyond_the_budget_leaves_memory_and_comes_back_whole(self):
        self.begin("16MiB")
        before = self.memory()
        self.send(60)
        grown = self.memory() - before
        # Kept, they would be 51 MiB and more.
        self.assertLess(grown, 34 * MIB, f"{grown / MIB:.0f} MiB for 60 messages")
        # Read back, refused, and read back once more.
        self.peer_.on("MAIL", ["450 4.3.2 not now"] * 30)
        self.resume()
        self.arrive_whole(60)
        self.assertGreaterEqual(self.relay_.metric("ekiden_attempts_deferred_total"), 30)

    def test_a_smaller_budget_takes_effect_on_reload(self):
        self.begin("64MiB")
        self.relay_.settings["spool"]["memory_budget"] = "1MiB"
        self.relay_.reload()
        before = self.memory()
        self.send(200, 100_000)
        self.assertLess(self.memory() - before, 12 * MIB)
        self.resume()
        self.arrive_whole(200, 100_000)

    def test_past_the_hard_mark_mail_is_refused_until_there_is_room(self):
        self.begin("16MiB")
        self.send(25)
        # Queued octets give way to arriving ones, of which the hard mark, 20 MiB, holds 23.
        taken, full = [], self.relay_.wire()
        full.greet()
        for _ in range(40):
            wire = self.relay_.wire()
            wire.greet()
            reply = wire.command(f"MAIL FROM:<> SIZE={BODY}")
            if reply.code == 250:
                taken.append(wire)
                continue
            self.assertReply(reply, 452, "4.3.1")
            self.assertReply(wire.command("NOOP"), 250)
        self.assertIn(len(taken), (21, 22, 23))
        # Who announces no size is refused when it has come, and the session goes on.
        wire = self.relay_.wire()
        wire.greet()
        reply = wire.transaction("", ["big@dest.test"], message(body=self.body(99)))
        self.assertReply(reply, 452, "4.3.1")
        # A small message needs no more room than there is.
        self.assertReply(wire.transaction("", ["small@dest.test"], message()), 250)
        # One of the others gives up, and there is room.
        self.assertReply(taken[0].command("RSET"), 250)
        reply = wire.transaction("", ["r25@dest.test"], message(body=self.body(25)))
        self.assertReply(reply, 250)
        self.resume()
        eventually(lambda: len(self.peer_.received) == 27, 60)
        self.assertNotIn("big@dest.test", self.peer_.recipients())
        eventually(lambda: self.relay_.metric("ekiden_recipients_queued") == 0)
        for one in taken[1:]:
            self.assertReply(one.command("RSET"), 250)
        self.assertReply(full.command(f"MAIL FROM:<> SIZE={BODY}"), 250)


if __name__ == "__main__":
    support.main()
