"""Goal: what happens to mail is posted, signed, filtered, in the format asked for, and again when
asked. Method: a relay, a peer that takes and refuses, and an endpoint on loopback."""
import json

import support
from receiver import Receiver
from support import LOOPBACK, eventually


class Webhooks(support.Scenario):
    def hooked(self, start=True, **options):
        relay, peer = self.relay_to_peer(start=False)
        peer.on("RCPT", lambda s, line: "550 5.1.1 no such user" if "bad" in line else None)
        relay.settings["webhooks"] = {"allow_networks": ["127.0.0.0/8"]}
        receiver = Receiver(**options)
        self.addCleanup(receiver.stop)
        if start:
            relay.start()
        return relay, receiver

    def kinds(self, receiver):
        return [event["kind"] for post in receiver.posts for event in post.events]

    def pause(self, relay):
        relay.cli("webhook", "set", 1, "--state", "paused")
        eventually(lambda: relay.metric('ekiden_webhooks{state="paused"}') == 1, what="the pause")

    def test_events_arrive_signed_and_name_their_mail(self):
        relay, receiver = self.hooked()
        added = relay.json("webhook", "add", receiver.url)
        relay.send(recipients=["good@dest.test"])
        eventually(lambda: "delivered" in self.kinds(receiver), what="the event delivered")
        for post in receiver.posts:
            self.assertTrue(post.is_signed_with(added["secret"]), post.headers.as_string())
            self.assertEqual(post.headers["content-type"], "application/json")
        events = [event for post in receiver.posts for event in post.events]
        self.assertEqual([e["kind"] for e in events], ["accepted", "delivered"])
        self.assertEqual({e["recipient"] for e in events}, {"good@dest.test"})
        stored = relay.events("good@dest.test")
        self.assertEqual([e["id"] for e in events], [e["id"] for e in stored])
        shown = relay.json("webhook", "show", added["id"])
        self.assertEqual((shown["delivered"], shown["failures"]), (2, 0))
        self.assertEqual(shown["url"], receiver.url)
        attempts = relay.json("webhook", "attempts", added["id"])["attempts"]
        self.assertTrue(all(a["is_taken"] and a["status"] == 200 for a in attempts), attempts)
        self.assertGreaterEqual(relay.metric("ekiden_webhook_events_total"), 2)

    def test_a_batch_of_one_is_the_event_itself(self):
        relay, receiver = self.hooked()
        relay.cli("webhook", "add", receiver.url, "--batch", 1, "--kind", "bounced")
        relay.send(recipients=["bad@dest.test", "good@dest.test"])
        (post,) = eventually(lambda: receiver.posts, what="the bounce")
        self.assertEqual(post.json["type"], "mail.bounced")
        self.assertEqual(post.json["data"]["recipient"], "bad@dest.test")
        self.assertEqual(post.headers["webhook-id"], post.json["data"]["id"])
        relay.wait_for_event("good@dest.test", "delivered")
        relay.cli("webhook", "test", 1)
        self.assertEqual(len(receiver.posts), 2, "one bounce and one test, nothing else")

    def test_tenants_and_streams_are_kept_apart(self):
        relay, receiver = self.hooked(start=False)
        other = relay.listener(service="relay", tls="off", trusted_networks=["127.0.0.0/8"],
                               tenant="shop", stream="bulk")
        relay.start()
        relay.cli("tenant", "add", "shop")
        relay.cli("webhook", "add", receiver.url, "--tenant", "shop", "--stream", "bulk")
        relay.cli("webhook", "add", receiver.url + "/none", "--tenant", "shop", "--stream", "news")
        relay.send(recipients=["default@dest.test"])
        relay.send(recipients=["shop@dest.test"], port=other)
        eventually(lambda: "delivered" in self.kinds(receiver), what="the event delivered")
        self.assertEqual({e["recipient"] for p in receiver.posts for e in p.events},
                         {"shop@dest.test"})
        self.assertEqual({p.path for p in receiver.posts}, {"/hook"})

    def test_a_rotated_secret_has_its_predecessor_beside_it(self):
        relay, receiver = self.hooked()
        first = relay.json("webhook", "add", receiver.url)["secret"]
        second = relay.json("webhook", "rotate", 1)["secret"]
        relay.cli("webhook", "test", 1)
        self.assertTrue(receiver.posts[0].is_signed_with(first))
        self.assertTrue(receiver.posts[0].is_signed_with(second))
        third = relay.json("webhook", "rotate", 1, "--keep", "0s")["secret"]
        relay.cli("webhook", "test", 1)
        self.assertTrue(receiver.posts[1].is_signed_with(third))
        self.assertEqual(len(receiver.posts[1].signatures()), 1, "the old one is over")
        given = "whsec_" + "QUJD" * 8
        relay.cli("webhook", "rotate", 1, "--secret-stdin", stdin=given + "\n")
        relay.cli("webhook", "test", 1)
        self.assertTrue(receiver.posts[2].is_signed_with(given))
        relay.cli("webhook", "rotate", 1, "--secret-stdin", stdin="hunter2\n", status=2)
        for secret in (first, second, third):
            for file in relay.data.glob("*.db*"):
                self.assertNotIn(secret.encode(), file.read_bytes(), "sealed at rest")

    def test_a_test_event_tells_what_was_answered(self):
        relay, receiver = self.hooked()
        relay.cli("webhook", "add", receiver.url, "--kind", "complained")
        taken = relay.json("webhook", "test", 1)
        self.assertTrue(taken["is_taken"], taken)
        self.assertEqual(receiver.posts[0].events[0]["id"], taken["event"])
        self.assertEqual(receiver.posts[0].events[0]["kind"], "complained")
        receiver.answer = lambda post: (403, {}, b"go away\x1b[31m")
        refused = json.loads(relay.cli("webhook", "test", 1, "--json", status=1))
        self.assertEqual(refused["outcome"], "answered 403: go away\\x1b[31m")
        relay.stop()
        relay.cli("webhook", "test", 1, status=3)

    def test_a_replay_posts_the_same_events_again(self):
        relay, receiver = self.hooked()
        relay.cli("webhook", "add", receiver.url)
        relay.send(recipients=["good@dest.test"])
        eventually(lambda: "delivered" in self.kinds(receiver), what="the event delivered")
        before = [e["id"] for p in receiver.posts for e in p.events]
        count = len(receiver.posts)
        relay.cli("webhook", "replay", 1, "--from", "1h")
        eventually(lambda: len([e for p in receiver.posts[count:] for e in p.events]) >= 2,
                   what="the replay")
        self.assertEqual([e["id"] for p in receiver.posts[count:] for e in p.events], before)
        relay.cli("webhook", "replay", 1, "--from", "1h", "--until", "2h", status=2)
        audit = [p for p in relay.json("webhook", "attempts", 1)["attempts"]
                 if p["kind"] == "replay"]
        self.assertTrue(audit)

    def test_paused_it_keeps_what_comes_and_may_leave_it_out(self):
        relay, receiver = self.hooked()
        relay.cli("webhook", "add", receiver.url, "--kind", "delivered")
        self.pause(relay)
        relay.send(recipients=["one@dest.test"])
        relay.wait_for_event("one@dest.test", "delivered")
        relay.cli("webhook", "test", 1)
        self.assertEqual(len(receiver.posts), 1, "only the test")
        relay.cli("webhook", "set", 1, "--state", "active")
        eventually(lambda: len(receiver.posts) == 2, what="what had waited")
        self.pause(relay)
        relay.send(recipients=["two@dest.test"])
        relay.wait_for_event("two@dest.test", "delivered")
        relay.cli("webhook", "set", 1, "--skip-waiting")
        eventually(lambda: not relay.json("webhook", "show", 1)["orders"], what="the skip")
        relay.cli("webhook", "set", 1, "--state", "active")
        relay.send(recipients=["three@dest.test"])
        eventually(lambda: len(receiver.posts) == 3, what="the next")
        self.assertEqual([e["recipient"] for p in receiver.posts[1:] for e in p.events],
                         ["one@dest.test", "three@dest.test"])
        relay.cli("webhook", "remove", 1)
        self.assertEqual(relay.json("webhook", "list")["webhooks"], [])
        eventually(lambda: relay.metric('ekiden_webhooks{state="active"}') == 0, what="its end")
        relay.send(recipients=["four@dest.test"])
        relay.wait_for_event("four@dest.test", "delivered")
        self.assertEqual(len(receiver.posts), 3)

    def test_the_other_formats(self):
        relay, receiver = self.hooked()
        url = receiver.url
        relay.cli("webhook", "add", url + "/sg", "--format", "sendgrid")
        relay.cli("webhook", "add", url + "/be", "--format", "blastengine")
        for name in ("slack", "teams", "lineworks"):
            relay.cli("webhook", "add", f"{url}/{name}", "--format", name, "--kind", "bounced")
        relay.cli("webhook", "add", url + "/cw", "--format", "chatwork", "--kind", "bounced",
                  "--secret-stdin", stdin="token1\n")
        relay.send(recipients=["bad@dest.test", "good@dest.test"],
                   body=support.message(subject="<!channel> [To:1] hi"))

        def posted(name):
            return [p for p in receiver.posts if p.path.endswith(name)]
        for name in ("be", "slack", "teams", "lineworks", "cw"):
            eventually(lambda: posted(name), what=f"the post to {name}")

        def sendgrid():
            return {(e["event"], e["email"]): e for p in posted("sg") for e in p.json}
        wanted = {("processed", "good@dest.test"), ("delivered", "good@dest.test"),
                  ("processed", "bad@dest.test"), ("bounce", "bad@dest.test")}
        eventually(lambda: wanted <= sendgrid().keys(), what="SendGrid's events")
        bounce = sendgrid()[("bounce", "bad@dest.test")]
        self.assertEqual((bounce["type"], bounce["status"]), ("bounce", "5.1.1"))
        self.assertEqual(bounce["reason"], "550 5.1.1 no such user")
        self.assertTrue(bounce["smtp-id"].startswith("<"))

        (event,) = [e["event"] for p in posted("be") for e in p.json["events"]]
        self.assertEqual(event["type"], "HARDERROR")
        self.assertEqual(event["detail"]["mailaddress"], "bad@dest.test")
        self.assertEqual(event["detail"]["error_code"], "550(errors)")
        self.assertTrue(event["datetime"].endswith("+09:00"))

        self.assertIn("&lt;!channel&gt;", posted("slack")[0].json["text"])
        card = posted("teams")[0].json["attachments"][0]["content"]
        self.assertEqual(card["body"][0]["type"], "RichTextBlock")
        self.assertIn("bad@dest.test", card["body"][0]["inlines"][0]["text"])
        self.assertIn("bad@dest.test", posted("lineworks")[0].json["body"]["text"])
        self.assertEqual(posted("cw")[0].headers["X-ChatWorkToken"], "token1")
        self.assertNotIn(b"%5BTo", posted("cw")[0].body)

    def test_the_command_refuses_what_makes_no_sense(self):
        relay, receiver = self.hooked()
        for url in ("ftp://x.test/", "https://x.test:25/", "https://0x7f000001/", "x.test",
                    "https://u@v@x.test/", "https://127.1/", "https://x test/"):
            relay.cli("webhook", "add", url, status=2)
        for url in ("https://10.0.0.1/", "https://[::1]/", "https://[::ffff:10.0.0.1]/",
                    "http://93.184.216.34/", "https://169.254.169.254/latest/meta-data"):
            relay.cli("webhook", "add", url, status=1)
        relay.cli("webhook", "add", receiver.url, "--kind", "nonsense", status=2)
        relay.cli("webhook", "add", receiver.url, "--format", "slack", status=2)
        relay.cli("webhook", "add", receiver.url, "--format", "blastengine", "--kind", "opened",
                  status=2)
        relay.cli("webhook", "add", receiver.url, "--tenant", "nobody", status=1)
        relay.cli("webhook", "add", receiver.url, "--batch", 5000, status=2)
        relay.cli("webhook", "show", 7, status=1)
        relay.cli("webhook", "set", 7, "--batch", 1, status=1)
        self.assertEqual(relay.json("webhook", "list")["webhooks"], [])


if __name__ == "__main__":
    support.main()
