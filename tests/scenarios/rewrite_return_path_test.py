"""Goal: next hops see a signed return path, its bounces are recognized, our own reports go to the
sender that the client gave. Method: real binary, a scripted next hop that bounces what it took."""
import support
from support import eventually, message

BOUNCES = "bounces.relay.test"


class RewriteReturnPath(support.Scenario):
    def start(self, rule, peer=None):
        peer = peer or self.peer()
        relay = self.relay()
        relay.route_to(peer.port)
        self.mailbox = self.peer()
        relay.settings["inbound_domain"] = [
            {"name": BOUNCES, "recipients": "verify",
             "next_hop": f"127.0.0.1:{self.mailbox.port}"},
            {"name": "own.test", "recipients": "any",
             "next_hop": f"127.0.0.1:{self.mailbox.port}"}]
        self.inbound = relay.listener("inbound", "off")
        relay.settings["rewrite"] = [{"bounce_domain": BOUNCES, **rule}]
        relay.start()
        return relay, peer

    def bounce(self, relay, address, sender=""):
        wire = relay.wire(self.inbound)
        wire.greet()
        return wire.transaction(sender, [address], message(From="MAILER-DAEMON@far.test"))

    def test_one_recipient_each_and_the_same_address_at_every_attempt(self):
        peer = self.peer().on("EOD", ["450 4.2.0 later"])
        relay, peer = self.start({"return_path": "verp"}, peer)
        relay.send(recipients=["b@dest.test", "c@dest.test"])
        eventually(lambda: len(peer.received) == 2)
        senders = {t.sender for t in peer.received}
        self.assertEqual(len(senders), 2)
        for t in peer.received:
            self.assertEqual(len(t.addresses), 1)
            self.assertRegex(t.sender, rf"^bounce-[a-z2-7]{{50}}@{BOUNCES}$")
        asked = {line.split("<")[1].split(">")[0] for line in peer.commands()
                 if line.upper().startswith("MAIL")}
        self.assertEqual(asked, senders, "a retry has the same return path")

    def test_many_recipients_all_go_one_by_one(self):
        relay, peer = self.start({"return_path": "verp"})
        relay.send(recipients=[f"u{i}@dest.test" for i in range(120)])
        eventually(lambda: len(peer.received) == 120, 30)
        self.assertEqual(len({t.sender for t in peer.received}), 120)

    def test_a_bounce_back_is_known_and_kept_apart(self):
        relay, peer = self.start({"return_path": "verp"})
        relay.send(recipients=["b@dest.test", "c@dest.test"])
        eventually(lambda: len(peer.received) == 2)
        sent = next(t for t in peer.received if t.addresses == ["c@dest.test"])
        self.assertReply(self.bounce(relay, sent.sender.upper()), 250)
        got = eventually(lambda: self.mailbox.received and self.mailbox.received[0])
        self.assertEqual(got.addresses[0].lower(), sent.sender)
        event = relay.wait_for_event("c@dest.test", "delivered")[0]
        trace = eventually(lambda: (found := relay.run("message", "trace", event["message"],
                                                       "--json").stdout) and
                           '"returned"' in found and found)
        self.assertIn("bounced after delivery", trace)
        decoded = relay.json("rewrite", "decode", sent.sender)
        self.assertEqual((decoded["message"], decoded["recipient_index"]), (event["message"], 1))

    def test_a_forged_one_is_refused_and_so_is_another_address(self):
        self_signed = "bounce-" + "a" * 50
        relay, peer = self.start({"return_path": "verp"})
        self.mailbox.on("RCPT", lambda s, line: "550 5.1.1 no" if "nobody" in line else None)
        self.assertReply(self.bounce(relay, f"{self_signed}@{BOUNCES}"), 550, "5.1.1")
        self.assertReply(self.bounce(relay, f"bounce-x@{BOUNCES}"), 550, "5.1.1")
        self.assertReply(self.bounce(relay, f"nobody@{BOUNCES}"), 550, "5.1.1")
        self.assertReply(self.bounce(relay, f"postmaster@{BOUNCES}"), 250)
        self.assertEqual(relay.run("rewrite", "decode", f"{self_signed}@{BOUNCES}").returncode, 1)

    def test_our_own_report_goes_to_the_sender_that_the_client_gave(self):
        peer = self.peer().on("RCPT", lambda s, line: "550 5.1.1 no" if "dead" in line else None)
        relay, peer = self.start({"return_path": "verp"}, peer)
        relay.send("shop@client.test", ["dead@dest.test", "fine@dest.test"])
        report = eventually(lambda: [t for t in peer.received if not t.sender])[0]
        self.assertEqual(report.addresses, ["shop@client.test"])
        self.assertEqual(support.Dsn(report.data).field("Final-Recipient"), "rfc822; dead@dest.test")
        self.assertNotIn(BOUNCES.encode(), report.data)

    def test_a_forward_leaves_with_srs_and_its_bounce_goes_back(self):
        relay, peer = self.start(
            {"return_path": "srs", "aliases": {"me@own.test": ["me@far.test", "copy@own.test"]}})
        wire = relay.wire(self.inbound)
        wire.greet()
        self.assertReply(wire.transaction("friend@else.test", ["me@own.test"], message()), 250)
        sent = eventually(lambda: peer.received and peer.received[0])
        self.assertEqual(sent.addresses, ["me@far.test"])
        self.assertRegex(sent.sender, rf"^SRS0=[a-z2-7]{{8}}=[a-z2-7]{{2}}=else.test=friend@{BOUNCES}$")
        copy = eventually(lambda: self.mailbox.received and self.mailbox.received[0])
        self.assertEqual((copy.sender, copy.addresses), ("friend@else.test", ["copy@own.test"]))
        self.assertReply(self.bounce(relay, sent.sender.lower()), 250)
        back = eventually(lambda: [t for t in peer.received if t.addresses == ["friend@else.test"]])
        self.assertEqual(back[0].sender, "")
        forged = sent.sender.replace("=friend", "=victim")
        self.assertReply(self.bounce(relay, forged), 550, "5.1.1")

    def test_bounces_of_the_null_sender_stay_null(self):
        relay, peer = self.start({"return_path": "verp"})
        relay.send("")
        self.assertEqual(eventually(lambda: peer.received)[0].sender, "")

    def test_a_rule_of_one_route_leaves_the_others_alone(self):
        other = self.peer()
        peer = self.peer()
        relay = self.relay()
        relay.route_to(other.port, "other.test")
        relay.route_to(peer.port)
        relay.settings["rewrite"] = [{"routes": [f"127.0.0.1:{other.port}"],
                                      "return_path": "bounces@relay.test",
                                      "header_from": "noreply@relay.test",
                                      "remove_headers": ["X-Internal"]}]
        relay.start()
        relay.send(recipients=["a@other.test", "b@dest.test"], body=message(X_Internal="1"))
        one = eventually(lambda: other.received)[0]
        two = eventually(lambda: peer.received)[0]
        self.assertEqual((one.sender, one.header("From"), one.header("X-Internal")),
                         ("bounces@relay.test", "noreply@relay.test", None))
        self.assertEqual(one.header("X-Original-From"), "a@client.test")
        self.assertEqual((two.sender, two.header("From"), two.header("X-Internal")),
                         ("a@client.test", "a@client.test", "1"))

    def test_a_next_hop_without_8bitmime_gets_the_rewritten_header_converted(self):
        peer = self.peer(extensions=("PIPELINING",))
        relay, peer = self.start({"add_headers": {"X-To": "{recipient}"}, "return_path": "verp"},
                                 peer)
        body = message(body="こんにちは\r\n", MIME_Version="1.0",
                       Content_Type="text/plain; charset=utf-8",
                       Content_Transfer_Encoding="8bit")
        relay.send(body=body, options=["BODY=8BITMIME"])
        got = eventually(lambda: peer.received)[0]
        self.assertEqual(got.header("X-To"), "b@dest.test")
        import email
        self.assertEqual(email.message_from_bytes(got.data).get_payload(decode=True).decode(),
                         "こんにちは\r\n")
        self.assertTrue(got.data.isascii())


if __name__ == "__main__":
    support.main()
