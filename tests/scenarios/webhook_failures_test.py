"""Goal: whatever an endpoint does, mail goes on, nothing is skipped, and duplicates have one id.
Method: an endpoint that is down, slow, wrong, too long, elsewhere; waits between attempts are
scaled (5 s are 5 ms), a day of them to a minute and a half."""
import json
import socket

import support
from receiver import Receiver
from support import LOOPBACK, eventually, free_port


class WebhookFailures(support.Scenario):
    def hooked(self, receiver=None, url=None, flags=(), start=True, **settings):
        relay, peer = self.relay_to_peer(start=False, **settings.pop("peer", {}))
        relay.settings["webhooks"] = {"allow_networks": ["127.0.0.0/8"], "timeout": "2s"}
        relay.settings["retry"]["time_scale"] = settings.pop("time_scale", 0.001)
        relay.settings["webhooks"].update(settings)
        if receiver:
            self.addCleanup(receiver.stop)
        relay.start()
        relay.cli("webhook", "add", url or receiver.url, "--kind", "delivered", *flags)
        return relay

    def attempts(self, relay):
        return relay.json("webhook", "attempts", 1, "-n", 200)["attempts"]

    def outcome(self, relay):
        relay.send(recipients=["x@dest.test"])
        return eventually(lambda: self.attempts(relay), what="an attempt")[-1]["outcome"]

    def assertAllCame(self, relay, receiver, recipients):
        eventually(lambda: {e["recipient"] for p in receiver.posts for e in p.events
                            if p.took} == set(recipients), what="every event")
        ids = {}
        for post in receiver.posts:
            for event in post.events:
                ids.setdefault(event["recipient"], set()).add(event["id"])
        self.assertTrue(all(len(one) == 1 for one in ids.values()), ids)

    def answering(self, *answers):
        """Answers in turn, the last one for ever."""
        left = list(answers)

        def answer(post):
            found = left.pop(0) if len(left) > 1 else left[0]
            found = found(post) if callable(found) else found
            post.took = found is not None and 200 <= found[0] < 300
            return found
        return Receiver(answer=answer)

    def test_down_then_up(self):
        port = free_port()
        relay = self.hooked(url=f"http://{LOOPBACK}:{port}/hook")
        relay.send(recipients=["one@dest.test", "two@dest.test"])
        eventually(lambda: len(self.attempts(relay)) >= 3, what="three attempts")
        self.assertIn("connect to", self.attempts(relay)[0]["outcome"])
        relay.wait_for_event("one@dest.test", "delivered")
        eventually(lambda: relay.metric("ekiden_webhooks_failing") == 1, what="the alert")
        receiver = self.answering((200, {}, b""))
        self.addCleanup(receiver.stop)
        relay.cli("webhook", "set", 1, "--url", receiver.url)
        self.assertAllCame(relay, receiver, ["one@dest.test", "two@dest.test"])
        eventually(lambda: relay.metric("ekiden_webhooks_failing") == 0, what="the recovery")

    def test_errors_redirects_and_broken_answers_are_tried_again(self):
        elsewhere = Receiver()
        self.addCleanup(elsewhere.stop)

        def close_mid_body(post):
            post.handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

        def close_at_once(post):
            return None

        def nonsense(post):
            post.handler.wfile.write(b"220 mail.example ESMTP\r\n")
        receiver = self.answering(
            (500, {}, b"oops"), (302, {"Location": elsewhere.url}, b""), close_mid_body,
            close_at_once, nonsense, (404, {}, b""), (200, {}, b""))
        relay = self.hooked(receiver)
        relay.send(recipients=["one@dest.test"])
        self.assertAllCame(relay, receiver, ["one@dest.test"])
        said = [a["outcome"] for a in reversed(self.attempts(relay))]
        self.assertEqual(said[0], "answered 500: oops")
        self.assertEqual(said[1], "answered 302; redirects are not followed")
        self.assertIn("no HTTP reply", said[2])
        self.assertIn("no HTTP reply", said[4])
        self.assertEqual(said[-1], "answered 200")
        self.assertEqual([a["attempt"] for a in reversed(self.attempts(relay))],
                         list(range(1, len(said) + 1)))
        self.assertEqual(elsewhere.posts, [])
        self.assertEqual(len({p.headers["webhook-id"] for p in receiver.posts}), 1)
        self.assertEqual(len({p.body for p in receiver.posts}), 1, "a retry is the same post")

    def test_a_huge_answer_is_cut_off_and_counts(self):
        receiver = self.answering((200, {}, b"x" * 50_000_000))
        relay = self.hooked(receiver)
        relay.send(recipients=["one@dest.test"])
        eventually(lambda: self.attempts(relay), what="the attempt")
        self.assertTrue(self.attempts(relay)[0]["is_taken"])
        relay.send(recipients=["two@dest.test"])
        self.assertAllCame(relay, receiver, ["one@dest.test", "two@dest.test"])
        self.assertEqual(len(receiver.posts), 2)

    def test_a_slow_endpoint_times_out_and_costs_mail_nothing(self):
        receiver = self.answering(lambda post: (receiver.released.wait(60), None)[1])
        relay = self.hooked(receiver)
        for i in range(30):
            relay.send(recipients=[f"r{i}@dest.test"])
        relay.wait_for_event("r29@dest.test", "delivered")
        eventually(lambda: any("TimedOut" in a["outcome"] or "time" in a["outcome"]
                               for a in self.attempts(relay)), what="the time-out")
        self.assertEqual(relay.metric("ekiden_recipients_delivered_total"), 30)
        self.assertEqual(relay.metric("ekiden_events_waiting"), 0, "nothing is pinned")

    def test_retry_after_is_honoured(self):
        receiver = self.answering((429, {"Retry-After": "1"}, b""), (200, {}, b""))
        relay = self.hooked(receiver)
        relay.send(recipients=["one@dest.test"])
        self.assertAllCame(relay, receiver, ["one@dest.test"])
        first, second = (a["time"] for a in reversed(self.attempts(relay)))
        seconds = [int(t[17:19]) + float("0" + t[19:-1]) + 60 * int(t[14:16])
                   for t in (first, second)]
        self.assertGreaterEqual((seconds[1] - seconds[0]) % 3600, 1.0)

    def test_after_a_day_without_success_it_disables_itself_and_can_be_woken(self):
        receiver = self.answering((500, {}, b""))
        relay = self.hooked(receiver, time_scale=0.00001)
        relay.send(recipients=["one@dest.test"])
        shown = eventually(
            lambda: (lambda s: s if s["state"] == "disabled" else None)(
                relay.json("webhook", "show", 1)), what="the end")
        self.assertIn("nothing was taken for a day", shown["reason"])
        self.assertIn("webhook_disabled", relay.log())
        eventually(lambda: relay.metric('ekiden_webhooks{state="disabled"}') == 1, what="the alert")
        count = len(receiver.posts)
        receiver.answer = self.answering((200, {}, b"")).answer
        relay.send(recipients=["two@dest.test"])
        relay.wait_for_event("two@dest.test", "delivered")
        self.assertEqual(len(receiver.posts), count, "disabled means silent")
        relay.cli("webhook", "set", 1, "--state", "active")
        eventually(lambda: {e["recipient"] for p in receiver.posts[count:] for e in p.events} ==
                   {"one@dest.test", "two@dest.test"}, what="what had waited")

    def test_410_disables_at_once(self):
        receiver = self.answering((410, {}, b""))
        relay = self.hooked(receiver)
        relay.send(recipients=["one@dest.test"])
        eventually(lambda: relay.json("webhook", "show", 1)["state"] == "disabled", what="the end")
        self.assertEqual(len(receiver.posts), 1)

    def test_tls_must_verify(self):
        certificates = self.certificates()
        good = Receiver(certificates.server_context("hook.test"))
        wrong = Receiver(certificates.server_context("other.test"))
        names = self.dns({("hook.test", "A"): [LOOPBACK]})
        for receiver in (good, wrong):
            self.addCleanup(receiver.stop)
        peer = self.peer()
        relay = self.relay(dns=names)
        relay.route_to(peer.port)
        relay.settings["webhooks"] = {"allow_networks": ["127.0.0.0/8"]}
        relay.settings["delivery"]["trust_store"] = certificates.ca
        relay.start()
        relay.cli("webhook", "add", f"https://hook.test:{wrong.port}/")
        said = json.loads(relay.cli("webhook", "test", 1, "--json", status=1))["outcome"]
        self.assertIn("TLS", said)
        self.assertEqual(wrong.posts, [])
        relay.cli("webhook", "set", 1, "--url", f"https://hook.test:{good.port}/")
        self.assertTrue(relay.json("webhook", "test", 1)["is_taken"])
        self.assertEqual(good.posts[0].headers["host"], f"hook.test:{good.port}")

    def test_a_name_that_leads_inside_is_refused_when_it_is_used(self):
        inside = Receiver()
        self.addCleanup(inside.stop)
        names = self.dns({
            ("inside.test", "A"): [LOOPBACK], ("zero.test", "A"): ["0.0.0.0"],
            ("linklocal.test", "A"): ["169.254.169.254"], ("shared.test", "A"): ["100.64.0.1"],
            ("several.test", "A"): ["10.0.0.1", LOOPBACK], ("any.test", "AAAA"): ["::"],
            ("mapped.test", "AAAA"): ["::ffff:127.0.0.1"], ("own.test", "AAAA"): ["fd00::1"],
            ("nat64.test", "AAAA"): ["64:ff9b::7f00:1"],
            ("sixtofour.test", "AAAA"): ["2002:7f00:1::1"],
            ("alias.test", "CNAME"): ["inside.test."]})
        relay = self.relay(dns=names)
        relay.start()
        for number, host in enumerate(sorted({name for name, _ in names.records}), 1):
            relay.cli("webhook", "add", f"https://{host}:{inside.port}/")
            said = json.loads(relay.cli("webhook", "test", number, "--json", status=1))["outcome"]
            self.assertIn("is no address of the Internet", said, host)
        relay.cli("webhook", "add", f"http://{LOOPBACK}:{inside.port}/", status=1)
        for host in ("0.0.0.0", "0", "127.1", "2130706433", "017700000001", "0177.0.0.1",
                     "0x7f.0.0.1", "0x7f000001", "127.0.0.1.", "[::]", "[::1]",
                     "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::127.0.0.1]",
                     "[2002:7f00:1::1]", "[fe80::1]", "[fe80::1%25lo]", "[fd00::1]", "169.254.169.254",
                     "inside.test@127.0.0.1", "127.0.0.1#.example.com", "localhost",
                     "１２７.0.0.1", "127。0。0。1"):
            done = relay.run("webhook", "add", f"https://{host}:{inside.port}/")
            if done.returncode == 0:  # a name, which is judged when it is used
                number += 1
                said = json.loads(relay.cli("webhook", "test", number, "--json", status=1))
                self.assertFalse(said["is_taken"], host)
        self.assertEqual(inside.posts, [])

    def test_kill9_between_post_and_cursor_skips_nothing(self):
        receiver = self.answering((200, {}, b""))
        relay = self.hooked(receiver, flags=("--batch", 3))
        recipients = []
        for round_ in range(4):
            for i in range(15):
                recipients.append(f"r{round_}-{i}@dest.test")
                relay.send(recipients=recipients[-1:])
            relay.kill()
            relay.start()
        self.assertAllCame(relay, receiver, recipients)

    def test_a_dead_endpoint_does_not_keep_others_waiting(self):
        dead = socket.socket()
        dead.bind((LOOPBACK, 0))
        dead.listen(0)
        self.addCleanup(dead.close)
        relay = self.hooked(url=f"http://{LOOPBACK}:{dead.getsockname()[1]}/")
        receiver = self.answering((200, {}, b""))
        self.addCleanup(receiver.stop)
        relay.cli("webhook", "add", receiver.url, "--kind", "delivered")
        relay.send(recipients=["one@dest.test"])
        eventually(lambda: receiver.posts, what="the event at the living")


if __name__ == "__main__":
    support.main()
