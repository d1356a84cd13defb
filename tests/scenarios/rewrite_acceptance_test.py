"""Goal: sender maps, masquerades, headers, aliases and forwards change mail as it is accepted.
Method: real binary, rules in the file, what a scripted next hop gets; maps changed under a reload."""
import json

import support
from support import eventually, message


class RewriteAcceptance(support.Scenario):
    def start(self, *rules, **more):
        peer = self.peer()
        relay = self.relay()
        relay.route_to(peer.port)
        relay.settings["rewrite"] = list(rules)
        relay.settings.update(more)
        relay.start()
        return relay, peer

    def got(self, peer, number=0):
        return eventually(lambda: peer.received[number:] and peer.received[number])

    def test_a_sender_has_one_face_in_envelope_and_header(self):
        relay, peer = self.start(
            {"name": "people", "sender_map": {"t.sato@corp.example": "taro@example.jp"},
             "masquerade": {"*.corp.example": "example.jp"}, "masquerade_except": ["root"]})
        relay.send("t.sato@corp.example", body=message(From='"Sato, T" <T.Sato@corp.example> (x)'))
        first = self.got(peer)
        self.assertEqual(first.sender, "taro@example.jp")
        self.assertEqual(first.header("From"), '"Sato, T" <taro@example.jp> (x)')
        relay.send("app@web1.corp.example", body=message(From="app@web1.corp.example"))
        self.assertEqual(self.got(peer, 1).sender, "app@example.jp")
        relay.send("root@web1.corp.example", body=message(From="root@web1.corp.example"))
        self.assertEqual(self.got(peer, 2).sender, "root@web1.corp.example")
        event = relay.wait_for_event("b@dest.test", "delivered")[0]
        self.assertEqual(event["detail"], "rewritten by people")

    def test_a_body_never_changes(self):
        relay, peer = self.start(
            {"sender_map": {"@a.test": "@b.test"}, "add_headers": {"X-A": "b"}})
        body = "From: x@a.test\r\n\r\n..x@a.test\r\n" * 1000
        relay.send("x@a.test", body=message(body=body, From="x@a.test"))
        got = self.got(peer)
        self.assertEqual(got.body.decode(), body)
        self.assertEqual(got.header("From"), "x@b.test")

    def test_a_body_in_a_file_never_changes_either(self):
        relay, peer = self.start(
            {"sender_map": {"@a.test": "@b.test"}, "remove_headers": ["X-Mailer"]},
            {"routes": ["mx"], "add_headers": {"X-Other": "route"}},
            {"add_headers": {"X-To": "{recipient}"}})
        body = "0123456789 x@a.test\r\n" * 100_000
        relay.send("x@a.test", body=message(body=body, From="x@a.test", X_Mailer="m"))
        got = self.got(peer)
        self.assertEqual(got.body.decode(), body)
        self.assertEqual(got.header("From"), "x@b.test")
        self.assertIsNone(got.header("X-Mailer"))
        self.assertEqual(got.header("X-To"), "b@dest.test")
        self.assertIsNone(got.header("X-Other"))

    def test_headers_are_added_removed_and_replaced(self):
        relay, peer = self.start(
            {"streams": ["transactional"], "remove_headers": ["X-Originating-IP"],
             "add_headers": {"X-Tenant": "{tenant}/{stream}"},
             "replace_headers": {"Organization": "Example K.K."}, "feedback_id": "examplejp",
             "list_unsubscribe": ["https://mail.example.jp/u/{token}"]},
            {"streams": ["bulk"], "add_headers": {"X-Bulk": "yes"}})
        relay.send(body=message(X_Originating_IP="10.0.0.1", Organization="Old",
                                X_Ekiden_Tag="spring"))
        got = self.got(peer)
        self.assertIsNone(got.header("X-Originating-IP"))
        self.assertEqual(got.header("X-Tenant"), "default/transactional")
        self.assertEqual(got.header("Organization"), "Example K.K.")
        self.assertEqual(got.header("Feedback-ID"), "spring:default:transactional:examplejp")
        self.assertRegex("".join(got.header("List-Unsubscribe").split()),
                         r"^<https://mail\.example\.jp/u/[a-z2-7]{50}>$")
        self.assertEqual(got.header("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click")
        self.assertIsNone(got.header("X-Bulk"))

    def test_a_client_cannot_inject_through_a_variable(self):
        relay, peer = self.start({"add_headers": {"X-Tag": "{tag} {from}"}})
        relay.send(body=message(X_Ekiden_Tag="a", From="=?utf-8?Q?=0D=0ABcc:_evil@x?= <a@b.test>"))
        got = self.got(peer)
        self.assertEqual(got.header("X-Tag"), "a a@b.test")
        self.assertIsNone(got.header("Bcc"))

    def test_an_alias_becomes_several_and_the_sender_learns_of_it(self):
        relay, peer = self.start(
            {"aliases": {"all@dest.test": ["a@dest.test", "b@dest.test", "team@dest.test"],
                         "team@dest.test": ["b@dest.test", "c@dest.test"]}})
        relay.send(recipients=["all@dest.test"],
                   rcpt_options=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;every@dest.test"])
        self.assertEqual(sorted(eventually(lambda: len(peer.recipients()) >= 4 and
                                           peer.recipients())),
                         ["a@client.test", "a@dest.test", "b@dest.test", "c@dest.test"])
        mail = next(t for t in peer.received if t.sender)
        self.assertEqual(mail.header("Delivered-To"), "all@dest.test")
        for _, parameters in mail.recipients:
            self.assertIn("NOTIFY=FAILURE", parameters)
            self.assertIn("ORCPT=rfc822;every@dest.test", parameters)
        report = support.Dsn(next(t for t in peer.received if not t.sender).data)
        self.assertEqual(report.field("Action"), "expanded")
        self.assertEqual(report.field("Final-Recipient"), "rfc822; all@dest.test")
        metrics = relay.metrics()
        self.assertEqual(metrics["ekiden_inbound_recipients_total"] +
                         metrics["ekiden_recipients_generated_total"], 4)

    def test_a_circle_of_aliases_is_refused_at_rcpt_and_others_are_taken(self):
        relay, peer = self.start(
            {"aliases": {"a@dest.test": ["b@dest.test"], "b@dest.test": ["a@dest.test"]}})
        wire = relay.wire()
        wire.greet()
        wire.command("MAIL FROM:<x@client.test>")
        self.assertReply(wire.command("RCPT TO:<a@dest.test>"), 550, "5.4.6")
        self.assertReply(wire.command("RCPT TO:<c@dest.test>"), 250)
        self.assertHealthy(relay)

    def test_mail_that_was_forwarded_from_here_before_is_refused(self):
        relay, peer = self.start({"aliases": {"fwd@dest.test": ["x@far.test"]}})
        relay.send(recipients=["fwd@dest.test"])
        got = self.got(peer)
        self.assertEqual(got.addresses, ["x@far.test"])
        wire = relay.wire()
        wire.greet()
        self.assertReply(wire.transaction("a@client.test", ["fwd@dest.test"], got.data), 554,
                         "5.4.6")

    def test_a_stranger_learns_nothing_of_aliases_and_cannot_relay_by_them(self):
        relay = self.relay()
        peer = self.peer()
        relay.route_to(peer.port)
        relay.settings["inbound_domain"] = [
            {"name": "own.test", "recipients": str(self.folder / "list"),
             "next_hop": f"127.0.0.1:{peer.port}"}]
        (self.folder / "list").write_text("real@own.test\n")
        port = relay.listener("inbound", "off")
        relay.settings["rewrite"] = [{"aliases": {"sales@own.test": ["real@own.test", "x@far.test"],
                                                  "a@foreign.test": ["real@own.test"]}}]
        relay.start()
        wire = relay.wire(port)
        wire.greet()
        wire.command("MAIL FROM:<x@client.test>")
        self.assertReply(wire.command("RCPT TO:<a@foreign.test>"), 550, "5.7.1")
        self.assertReply(wire.command("RCPT TO:<nobody@own.test>"), 550, "5.1.1")
        self.assertReply(wire.command("RCPT TO:<sales@own.test>"), 250)
        wire.command("DATA")
        wire.send(message() + b"\r\n.\r\n")
        self.assertReply(wire.reply(), 250)
        self.assertEqual(sorted(eventually(lambda: len(peer.recipients()) == 2 and
                                           peer.recipients())), ["real@own.test", "x@far.test"])

    def test_a_changed_map_is_in_force_after_a_reload_or_refused_with_its_line(self):
        names = self.folder / "senders"
        names.write_text("# people\na@client.test one@example.jp\n")
        relay, peer = self.start({"sender_map_file": str(names)})
        relay.send()
        self.assertEqual(self.got(peer).sender, "one@example.jp")
        names.write_text("a@client.test two@example.jp\n")
        relay.reload()
        relay.send()
        self.assertEqual(self.got(peer, 1).sender, "two@example.jp")
        names.write_text("a@client.test three@example.jp\n\nb@client.test\n")
        done = relay.run("reload")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn(f"{names}:3:1: \"b@client.test\" stands alone", done.stdout + done.stderr)
        relay.send()
        self.assertEqual(self.got(peer, 2).sender, "two@example.jp")

    def test_a_rule_that_makes_no_sense_is_refused_with_file_line_and_a_hint(self):
        relay = self.relay()
        relay.settings["rewrite"] = [
            {"sender_maps": {"a@b": "c@d"}, "feedback_id": "x"},
            {"return_path": "vrep", "bounce_domain": "b.test"},
            {"routes": ["mx"], "aliases": {"a@b.test": ["c@d.test"]}},
            {"add_headers": {"From": "x"}}, {"add_headers": {"X-A": "{tenat}"}},
            {"listeners": ["127.0.0.1:1"], "feedback_id": "x"}, {"tenants": ["x"]},
            {"remove_headers": ["Received"]}, {"return_path": "srs"}]
        relay.write()
        done = relay.run("config", "check")
        self.assertEqual(done.returncode, 1)
        for words in ('unknown key "sender_maps" in [rewrite]; did you mean "sender_map"',
                      'did you mean "verp"', "no effect with routes",
                      '"From" cannot be written by a rule; did you mean "header_from"',
                      'no variable {tenat}; did you mean "tenant"', "no [[listener]] has the address",
                      "this [[rewrite]] does nothing", '"Received" cannot be removed',
                      'needs rewrite.bounce_domain'):
            self.assertIn(words, done.stderr)

    def test_rewrite_test_shows_what_a_message_would_become(self):
        relay = self.relay()
        relay.settings["rewrite"] = [
            {"name": "hosts", "masquerade": {"*.corp.example": "example.jp"}},
            {"name": "team", "aliases": {"team@example.jp": ["a@x.test", "b@y.test"]}},
            {"name": "bounces", "return_path": "verp", "bounce_domain": "bounces.example.jp"}]
        relay.write()
        said = relay.json("rewrite", "test", "--from", "root@web1.corp.example", "--to",
                          "team@example.jp", stdin="From: R <root@web1.corp.example>\nTo: x\n\nhi\n")
        self.assertEqual(said["reverse_path"], "root@example.jp")
        self.assertEqual(said["recipients"], ["a@x.test", "b@y.test"])
        self.assertIn("From: R <root@example.jp>\r\n", said["header"])
        self.assertEqual({act["rule"] for act in said["acts"]}, {"hosts", "team"})
        self.assertEqual([one["acts"][0]["rule"] for one in said["leaving"]], ["bounces"] * 2)
        self.assertFalse(said["has_own_key"])
        text = relay.cli("rewrite", "test", "--from", "", "--to", "x@y.test", stdin="Subject: x\n\n")
        self.assertIn("no rule acts", text)
        done = relay.run("rewrite", "test", "--from", "nonsense", "--to", "x@y.test")
        self.assertEqual(done.returncode, 2)
        relay.settings["rewrite"] = []
        relay.write()
        self.assertEqual(relay.run("rewrite", "test", "--to", "x@y.test").returncode, 1)


if __name__ == "__main__":
    support.main()
