"""Goal: nobody waits longer than the time-outs of RFC 5321 §4.5.3.2, for a client or a next hop.
Method: time-outs of a second, by configuration; clients and peers that fall silent at each step."""
import socket

import support
from support import eventually, message
from peer import HANG


class Inbound(support.Scenario):
    def start(self, listener=None, **limits):
        relay, peer = self.relay_to_peer(start=False)
        relay.settings["limits"] = limits
        relay.settings["listener"][0].update(listener or {})
        return relay.start(), peer

    def test_a_client_that_sends_no_command_is_told_and_let_go(self):
        relay, _ = self.start(command_timeout="1s")
        silent, greeted, in_transaction = (relay.wire() for _ in range(3))
        greeted.greet()
        in_transaction.greet()
        in_transaction.command("MAIL FROM:<a@client.test>")
        self.assertReply(silent.reply(), 220)
        for wire in (silent, greeted, in_transaction):
            self.assertReply(wire.reply(), 421, "4.4.2")
            self.assertTrue(wire.is_closed())
        eventually(lambda: relay.metric("ekiden_inbound_connections") == 0)

    def test_half_a_command_is_none(self):
        relay, _ = self.start(command_timeout="1s")
        wire = relay.wire()
        wire.greet()
        wire.send("NOO")
        self.assertReply(wire.reply(), 421, "4.4.2")

    def test_a_client_that_stops_inside_its_message_is_let_go_and_nothing_kept(self):
        relay, peer = self.start(data_timeout="1s")
        wire = relay.wire()
        wire.greet()
        for command in ("MAIL FROM:<a@client.test>", "RCPT TO:<b@dest.test>", "DATA"):
            reply = wire.command(command)
        self.assertReply(reply, 354)
        wire.send(message()[:60])
        self.assertReply(wire.reply(), 421, "4.4.2")
        self.assertTrue(wire.is_closed())
        self.assertEqual(peer.received, [])
        self.assertEqual(relay.metric("ekiden_spool_messages"), 0)

    def test_chunks_have_the_same_time(self):
        relay, _ = self.start(data_timeout="1s")
        wire = relay.wire()
        wire.greet()
        wire.command("MAIL FROM:<a@client.test>")
        wire.command("RCPT TO:<b@dest.test>")
        wire.send("BDAT 1000 LAST\r\nSubject: half")
        self.assertReply(wire.reply(), 421, "4.4.2")

    def test_short_time_outs_are_long_enough_for_who_speaks(self):
        relay, peer = self.start(command_timeout="2s", data_timeout="2s")
        for _ in range(5):
            relay.send()
        eventually(lambda: len(peer.received) == 5)

    def test_a_delayed_greeting_shows_who_speaks_early(self):
        relay, peer = self.start(listener={"greeting_delay": "1s"})
        early = relay.wire()
        early.send("EHLO spam.test\r\n")
        self.assertReply(early.reply(), 554, "5.5.1")
        self.assertTrue(early.is_closed())
        relay.send()
        self.assertEqual(eventually(lambda: peer.recipients()), ["b@dest.test"])

    def test_a_reload_changes_them_for_new_sessions(self):
        relay, _ = self.start()
        relay.settings["limits"] = {"command_timeout": "1s"}
        relay.reload()
        wire = relay.wire()
        self.assertReply(wire.reply(), 220)
        self.assertReply(wire.reply(), 421, "4.4.2")

    def test_what_the_rfc_finds_too_short_is_said(self):
        relay, _ = self.relay_to_peer()
        relay.settings["limits"] = {"command_timeout": "4m", "data_timeout": "1m"}
        relay.settings["delivery"].update(command_timeout="1m", data_timeout="1m",
                                          final_dot_timeout="1m")
        relay.write()
        done = relay.run("config", "check")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for key in ("limits.command_timeout", "limits.data_timeout", "delivery.command_timeout",
                    "delivery.data_timeout", "delivery.final_dot_timeout"):
            self.assertRegex(done.stdout + done.stderr, f"warning: {key} is below .*RFC 5321")


class Outgoing(support.Scenario):
    """A peer falls silent once; the attempt ends in time, and the next one delivers."""

    def attempt(self, verb, **delivery):
        relay, peer = self.relay_to_peer(start=False)
        peer.on(verb, [HANG])
        relay.settings["delivery"].update(delivery)
        relay.start()
        relay.send()
        self.assertEqual(eventually(lambda: peer.recipients()[-1:], 20), ["b@dest.test"])
        events = relay.wait_for_event("b@dest.test", "delivered")
        return peer, [e for e in events if e["kind"] == "deferred"]

    def test_a_reply_that_does_not_come(self):
        for verb in ("CONNECT", "EHLO", "MAIL", "RCPT"):
            with self.subTest(verb=verb):
                peer, deferred = self.attempt(verb, command_timeout="1s")
                self.assertEqual(len(peer.received), 1)
                self.assertEqual([e["enhanced_code"] for e in deferred], ["4.4.2"], deferred)

    def test_no_leave_to_send_the_message(self):
        peer, deferred = self.attempt("DATA", data_timeout="1s")
        self.assertEqual(len(peer.received), 1)
        self.assertEqual([e["enhanced_code"] for e in deferred], ["4.4.2"], deferred)

    def test_no_answer_to_a_whole_message_may_make_one_duplicate(self):
        peer, deferred = self.attempt("EOD", final_dot_timeout="1s")
        self.assertEqual(len(peer.received), 2, "it had taken the message before it fell silent")
        self.assertEqual(len(deferred), 1)

    def test_other_time_outs_leave_a_slow_answer_alone(self):
        peer = self.peer().on("EOD", [HANG])
        relay = self.relay()
        relay.settings["delivery"].update(command_timeout="1s", data_timeout="1s")
        relay.settings["node"]["shutdown_timeout"] = "1s"
        relay.route_to(peer.port)
        relay.start()
        relay.send()
        eventually(lambda: peer.received)
        # Ten minutes are its time: another message goes meanwhile, on a connection of its own.
        relay.send(recipients=["c@dest.test"])
        eventually(lambda: peer.recipients() == ["b@dest.test", "c@dest.test"])
        self.assertEqual(relay.metric("ekiden_attempts_deferred_total"), 0)

    def test_a_host_that_does_not_answer_at_all_gives_way_to_the_next(self):
        # Its queue of connections is full, so that Linux drops what else comes.
        deaf = socket.socket()
        self.addCleanup(deaf.close)
        deaf.bind((support.LOOPBACK, 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        for _ in range(4):
            filler = socket.socket()
            self.addCleanup(filler.close)
            filler.setblocking(False)
            filler.connect_ex((support.LOOPBACK, port))
        peer = self.peer()
        relay = self.relay()
        relay.settings["delivery"]["connect_timeout"] = "1s"
        relay.route("*", next_hop=[f"127.0.0.1:{port}", f"127.0.0.1:{peer.port}"])
        relay.start()
        relay.send()
        self.assertEqual(eventually(lambda: peer.recipients()), ["b@dest.test"])


if __name__ == "__main__":
    support.main()
