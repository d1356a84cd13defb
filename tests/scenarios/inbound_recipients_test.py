"""Goal: for our own domains unknown recipients are refused at RCPT, never bounced later.
Method: verification at a scripted next hop, a list, and next hops that are down, refuse us or hang."""
import support
from support import eventually, message


class InboundRecipients(support.Scenario):
    def listen(self, recipients, next_hop):
        relay = self.relay()
        relay.settings["inbound_domain"] = [
            {"name": "own.test", "recipients": recipients, "next_hop": next_hop}]
        self.port = relay.listener("inbound", "off")
        return relay.start()

    def rcpt(self, relay, recipient):
        wire = relay.wire(self.port)
        wire.greet()
        wire.command("MAIL FROM:<x@client.test>")
        return wire.command(f"RCPT TO:<{recipient}>")

    def test_the_next_hop_is_asked_and_its_answer_remembered(self):
        peer = self.peer().on("RCPT", lambda s, line: "550 5.1.1 no" if "nobody" in line else None)
        relay = self.listen("verify", f"127.0.0.1:{peer.port}")
        self.assertReply(self.rcpt(relay, "nobody@own.test"), 550, "5.1.1")
        self.assertReply(self.rcpt(relay, "somebody@own.test"), 250)
        asked = sum(c.startswith("RCPT") for c in peer.commands())
        self.assertReply(self.rcpt(relay, "nobody@own.test"), 550, "5.1.1")
        self.assertReply(self.rcpt(relay, "somebody@own.test"), 250)
        self.assertEqual(sum(c.startswith("RCPT") for c in peer.commands()), asked)
        self.assertEqual(peer.received, [], "asking sends nothing")

    def test_a_list_decides_without_asking(self):
        peer = self.peer()
        names = self.folder / "recipients"
        names.write_text("alice@own.test\nbob@own.test\n")
        relay = self.listen(names, f"127.0.0.1:{peer.port}")
        self.assertReply(self.rcpt(relay, "alice@own.test"), 250)
        self.assertReply(self.rcpt(relay, "mallory@own.test"), 550, "5.1.1")
        self.assertEqual(peer.sessions, [])

    def test_who_was_verified_gets_the_mail(self):
        peer = self.peer()
        relay = self.listen("verify", f"127.0.0.1:{peer.port}")
        wire = relay.wire(self.port)
        wire.greet()
        self.assertReply(wire.transaction("x@client.test", ["me@own.test"], message()), 250)
        self.assertEqual(eventually(lambda: peer.recipients()), ["me@own.test"])

    def test_a_next_hop_that_is_down_is_a_temporary_failure(self):
        port = support.free_port()
        relay = self.listen("verify", f"127.0.0.1:{port}")
        self.assertReply(self.rcpt(relay, "somebody@own.test"), 451, "4.4.3")
        # Doubt is not remembered.
        self.peer(port=port)
        self.assertReply(self.rcpt(relay, "somebody@own.test"), 250)

    def test_a_next_hop_that_refuses_us_says_nothing_about_the_mailbox(self):
        peer = self.peer().on("RCPT", lambda s, line: "554 5.7.1 relay access denied")
        relay = self.listen("verify", f"127.0.0.1:{peer.port}")
        self.assertReply(self.rcpt(relay, "somebody@own.test"), 451, "4.4.3")

    def test_stopping_does_not_wait_for_a_next_hop_that_hangs(self):
        from peer import HANG
        peer = self.peer().on("RCPT", lambda s, line: HANG)
        relay = self.listen("verify", f"127.0.0.1:{peer.port}")
        wire = relay.wire(self.port)
        wire.greet()
        wire.command("MAIL FROM:<x@client.test>")
        wire.send("RCPT TO:<somebody@own.test>\r\n")
        eventually(lambda: any(c.startswith("RCPT") for c in peer.commands()))
        relay.stop()
        self.assertEqual(relay.process.child.returncode, 0)

    def test_mail_for_our_domain_arrives_there(self):
        peer = self.peer()
        relay = self.listen("any", f"127.0.0.1:{peer.port}")
        wire = relay.wire(self.port)
        wire.greet()
        self.assertReply(wire.transaction("x@client.test", ["me@OWN.test"], message()), 250)
        self.assertEqual(eventually(lambda: peer.recipients()), ["me@OWN.test"])

    def test_the_next_of_several_hosts_is_asked_and_gets_the_mail(self):
        peer = self.peer().on("RCPT", lambda s, line: "550 5.1.1 no" if "nobody" in line else None)
        down = support.free_port()
        relay = self.listen("verify", [f"127.0.0.1:{down}", f"127.0.0.1:{peer.port}"])
        self.assertReply(self.rcpt(relay, "nobody@own.test"), 550, "5.1.1")
        wire = relay.wire(self.port)
        wire.greet()
        self.assertReply(wire.transaction("x@client.test", ["me@own.test"], message()), 250)
        self.assertEqual(eventually(lambda: peer.recipients()), ["me@own.test"])
        # The first comes first once it is there.
        first = self.peer(port=down)
        self.assertReply(self.rcpt(relay, "other@own.test"), 250)
        self.assertIn("RCPT TO:<other@own.test>", " ".join(first.commands()))

    def test_two_domains_share_a_message_and_each_goes_its_own_way(self):
        peers = {name: self.peer() for name in ("one.test", "two.test", "two-b.test")}
        relay = self.relay()
        hops = {name: f"127.0.0.1:{peer.port}" for name, peer in peers.items()}
        relay.settings["inbound_domain"] = [
            {"name": "one.test", "recipients": "verify", "next_hop": hops["one.test"]},
            {"name": "two.test", "recipients": "any",
             "next_hop": [hops["two.test"], hops["two-b.test"]]}]
        self.port = relay.listener("inbound", "off")
        relay.start()
        peers["two.test"].stop()
        wire = relay.wire(self.port)
        wire.greet()
        reply = wire.transaction("x@client.test", ["a@one.test", "b@two.test", "c@one.test"],
                                 message("shared"))
        self.assertReply(reply, 250)
        self.assertEqual(eventually(lambda: peers["one.test"].recipients()),
                         ["a@one.test", "c@one.test"])
        self.assertEqual(eventually(lambda: peers["two-b.test"].recipients()), ["b@two.test"])

    def test_routes_of_a_shared_message_survive_a_restart(self):
        up, down = self.peer(), support.free_port()
        relay = self.relay()
        relay.settings["inbound_domain"] = [
            {"name": "one.test", "recipients": "any", "next_hop": f"127.0.0.1:{up.port}"},
            {"name": "two.test", "recipients": "any", "next_hop": f"127.0.0.1:{down}"}]
        self.port = relay.listener("inbound", "off")
        relay.start()
        wire = relay.wire(self.port)
        wire.greet()
        self.assertReply(wire.transaction("x@client.test", ["a@one.test", "b@two.test"],
                                          message()), 250)
        relay.wait_for_event("b@two.test", "deferred")
        self.assertEqual(eventually(lambda: up.recipients()), ["a@one.test"])
        relay.stop()
        late = self.peer(port=down)
        relay.start()
        self.assertEqual(eventually(lambda: late.recipients()), ["b@two.test"])
        self.assertEqual(up.recipients(), ["a@one.test"])


if __name__ == "__main__":
    support.main()
