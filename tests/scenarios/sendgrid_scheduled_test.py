"""Goal: scheduled mail of one batch is paused, cancelled and let go by SendGrid's paths, over kill -9
too; mail passes the suppression list over where its sender says so and its key may.
Method: http.client against the real relay before a scripted peer; a batch is stopped before its mail
comes, so that nothing waits for a clock, and one message has its time a moment ahead."""
import json
import time

import support
from httpapi import Client
from sendgrid_compat_test import SendGrid
from support import eventually

SENDS = "/v3/user/scheduled_sends"


class Scheduled(SendGrid):
    def batch(self, client):
        made = client.post("/v3/mail/batch")
        self.assertEqual(made.status, 201, made)
        return made.json["batch_id"]

    def stop(self, client, batch, status):
        answer = client.post(SENDS, {"batch_id": batch, "status": status})
        self.assertEqual((answer.status, answer.json),
                         (201, {"batch_id": batch, "status": status}), answer)

    def test_a_pause_holds_over_kill_9_until_it_is_taken_back(self):
        relay, peer, client = self.node()
        batch, other = self.batch(client), self.batch(client)
        self.stop(client, batch, "pause")
        self.assertEqual(self.mail(client, "now@dest.test", batch_id=batch).status, 202)
        self.assertEqual(self.mail(client, "later@dest.test", batch_id=batch,
                                   send_at=int(time.time()) + 4).status, 202)
        self.assertEqual(self.mail(client, "other@dest.test", batch_id=other).status, 202)
        relay.wait_for_event("now@dest.test", "held")
        relay.kill()
        relay.start()
        relay.wait_for_event("other@dest.test", "delivered")
        held = relay.wait_for_event("later@dest.test", "held")[-1]
        self.assertIn("paused with its batch", json.dumps(held))
        self.assertEqual(client.get(SENDS).json, [{"batch_id": batch, "status": "pause"}])
        self.assertEqual(client.get(f"{SENDS}/{batch}").json,
                         [{"batch_id": batch, "status": "pause"}])
        self.assertEqual(client.ask("DELETE", f"{SENDS}/{batch}").status, 204)
        for to in ("now@dest.test", "later@dest.test"):
            relay.wait_for_event(to, "delivered")
        self.assertEqual(client.get(SENDS).json, [])
        self.assertEqual(sorted(peer.recipients()),
                         ["later@dest.test", "now@dest.test", "other@dest.test"])

    def test_a_cancel_counts_when_the_time_comes(self):
        relay, peer, client = self.node()
        batch, back = self.batch(client), self.batch(client)
        for one in (batch, back):
            self.stop(client, one, "cancel")
        relay.kill()
        relay.start()
        at = int(time.time()) + 3
        self.mail(client, "gone1@dest.test", batch_id=batch, send_at=at)
        self.mail(client, "back@dest.test", batch_id=back, send_at=at)
        # Until then it can be taken back.
        self.assertEqual(client.ask("DELETE", f"{SENDS}/{back}").status, 204)
        relay.wait_for_event("gone1@dest.test", "cancelled")
        relay.wait_for_event("back@dest.test", "delivered")
        self.assertEqual(peer.recipients(), ["back@dest.test"])

    def test_a_cancel_counts_where_nobody_answers(self):
        relay, peer, client = self.node()
        relay.settings["route"].insert(0, {"domains": ["down.test"],
                                           "next_hop": f"{support.LOOPBACK}:1"})
        relay.restart()
        batch = self.batch(client)
        self.stop(client, batch, "cancel")
        self.mail(client, "b@down.test", batch_id=batch)
        self.mail(client, "waits@down.test")
        relay.wait_for_event("b@down.test", "cancelled")
        relay.wait_for_event("waits@down.test", "deferred")
        self.assertEqual([r["recipient"] for r in relay.queue()], ["waits@down.test"])

    def test_what_is_held_is_cancelled_by_a_change_and_nothing_else_is_released(self):
        relay, peer, client = self.node()
        batch = self.batch(client)
        self.stop(client, batch, "pause")
        for i in range(20):
            self.mail(client, f"m{i}@dest.test", batch_id=batch)
        for i in range(20):
            relay.wait_for_event(f"m{i}@dest.test", "held")
        # An operator's hold is not the sender's to end.
        self.mail(client, "operator@dest.test", send_at=int(time.time()) + 3600)
        relay.cli("queue", "hold", "--recipient", "operator@dest.test")
        relay.wait_for_event("operator@dest.test", "held")
        changed = client.ask("PATCH", f"{SENDS}/{batch}", {"status": "cancel"})
        self.assertEqual(changed.status, 204, changed)
        for i in range(20):
            relay.wait_for_event(f"m{i}@dest.test", "cancelled")
        self.assertEqual([r["state"] for r in relay.queue()], ["held"])
        self.assertEqual(peer.received, [])
        self.assertEqual(client.get(SENDS).json, [{"batch_id": batch, "status": "cancel"}])

    def test_smtp_clients_name_a_batch_too(self):
        relay, peer, client, smtp = self.session()
        batch = self.batch(client)
        self.stop(client, batch, "cancel")
        smtp.sendmail("a@client.test", ["b@dest.test"],
                      support.message(X_SMTPAPI=json.dumps({"batch_id": batch})))
        relay.wait_for_event("b@dest.test", "cancelled")

    def test_nonsense_is_answered_precisely(self):
        relay, peer, client = self.node()
        batch = self.batch(client)
        self.assertEqual(client.get(f"/v3/mail/batch/{batch}").json, {"batch_id": batch})
        wrong = ("0" if batch[0] != "0" else "1") + batch[1:]
        for id in (wrong, "x", "0" * 40):
            self.assertError(client.get(f"/v3/mail/batch/{id}"), 400, "batch_id")
            self.assertError(client.post(SENDS, {"batch_id": id, "status": "pause"}), 400,
                             "batch_id")
            self.assertError(self.mail(client, batch_id=id), 400, "batch_id")
        for status in ("stop", "resuming", "", None, 1):
            self.assertError(client.post(SENDS, {"batch_id": batch, "status": status}), 400,
                             "status")
            self.assertError(client.ask("PATCH", f"{SENDS}/{batch}", {"status": status}), 400,
                             "status")
        for method, body in (("GET", None), ("DELETE", None), ("PATCH", {"status": "pause"})):
            self.assertError(client.ask(method, f"{SENDS}/{batch}", body), 404)
        self.stop(client, batch, "pause")
        again = client.post(SENDS, {"batch_id": batch, "status": "cancel"})
        self.assertError(again, 400, "batch_id")
        self.assertIn("PATCH", again.json["errors"][0]["message"])
        # Another tenant neither sees nor changes it, and its own mail goes on.
        relay.cli("tenant", "add", "other")
        other = Client(relay.http, self.key(relay, "theirs", "--tenant", "other"))
        self.assertEqual(other.get(SENDS).json, [])
        self.assertError(other.ask("DELETE", f"{SENDS}/{batch}"), 404)
        self.mail(other, "theirs@dest.test", batch_id=batch)
        relay.wait_for_event("theirs@dest.test", "delivered")
        reader = Client(relay.http, self.key(relay, "reader", "--read-only"))
        self.assertError(reader.post(SENDS, {"batch_id": batch, "status": "pause"}), 403)
        self.assertEqual(reader.get(SENDS).status, 200)


class Bypass(SendGrid):
    SETTINGS = {"bypass_list_management": "all", "bypass_spam_management": "complaint",
                "bypass_bounce_management": "bounce", "bypass_unsubscribe_management": "left"}

    def settings(self, *names):
        return {"mail_settings": {name: {"enable": True} for name in names}}

    def test_each_setting_passes_its_own_entries_over(self):
        relay, peer, client = self.node()
        group = client.post("/v3/asm/groups", {"name": "News", "description": "x"}).json["id"]
        relay.cli("suppression", "add", "bounce@dest.test", "--reason", "bounce")
        relay.cli("suppression", "add", "complaint@dest.test", "--reason", "complaint")
        relay.cli("suppression", "add", "left@dest.test", "--reason", "unsubscribe")
        client.post(f"/v3/asm/groups/{group}/suppressions",
                    {"recipient_emails": ["group@dest.test"]})
        reasons = ("bounce", "complaint", "left", "group")
        for name, passed in self.SETTINGS.items():
            for reason in reasons:
                to = f"{reason}@dest.test"
                seen = len(relay.events(to))
                self.mail(client, to, asm={"group_id": group}, **self.settings(name))
                want = "delivered" if passed in ("all", reason) else "suppressed"
                kinds = eventually(lambda: (k := self.kinds(relay, to)[seen:])[1:] and k,
                                   what=f"{name} {reason}")
                self.assertEqual(kinds, ["accepted", want], (name, reason))
        accepted = [e for e in relay.events("bounce@dest.test") if e["kind"] == "accepted"]
        self.assertIn("suppression passed over: bounce", [e.get("detail") for e in accepted])

    def test_a_key_must_be_allowed_to_and_settings_exclude_each_other(self):
        relay, peer, client = self.node()
        relay.cli("suppression", "add", "b@dest.test", "--reason", "bounce")
        sender = Client(relay.http, self.key(relay, "sender", "--scope", "messages:send"))
        refused = self.mail(sender, **self.settings("bypass_bounce_management"))
        self.assertEqual(refused.status, 403, refused)
        self.assertIn("suppressions:write", refused.body.decode())
        both = self.settings("bypass_list_management", "bypass_spam_management")
        self.assertError(self.mail(client, **both), 400,
                         "mail_settings.bypass_list_management")
        off = {"mail_settings": {"bypass_list_management": {"enable": False}}}
        self.assertEqual(self.mail(sender, **off).status, 202)
        relay.wait_for_event("b@dest.test", "suppressed")
        # The same in the API's own words.
        native = client.send(bypass_suppressions=["bounce"])
        self.assertEqual(native.status, 202, native)
        relay.wait_for_event("b@dest.test", "delivered")
        self.assertProblem(sender.send(bypass_suppressions=["all"]), 403, "forbidden")
        self.assertProblem(client.send(bypass_suppressions=["some"]), 422, "invalid-request",
                           "/bypass_suppressions")
        self.assertProblem(client.post("/v1/messages/batch", {
            "content": {"from": "a@client.test", "subject": "s", "text": "t",
                        "bypass_suppressions": ["all"]}, "recipients": [{"to": "b@dest.test"}]}),
            422, "invalid-request", "/content/bypass_suppressions")

    def test_footers_stand_at_the_end(self):
        relay, peer, client = self.node()
        footer = {"mail_settings": {"footer": {"enable": True, "text": "FOOT", "html": "<i>F</i>"}}}
        answer = self.mail(client, content=[
            {"type": "text/plain", "value": "body"},
            {"type": "text/html", "value": "<html><body>body</body></html>"}], **footer)
        self.assertEqual(answer.status, 202, answer)
        data = eventually(lambda: peer.received, what="the mail")[0].data
        self.assertIn(b"bodyFOOT", data)
        self.assertIn(b"body<i>F</i></body>", data)
        self.assertError(self.mail(client, reply_to={"email": "r@client.test"},
                                   reply_to_list=[{"email": "s@client.test"}]), 400, "reply_to.email")


if __name__ == "__main__":
    support.main()
