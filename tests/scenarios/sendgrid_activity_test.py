"""Goal: what became of a message is asked by SendGrid's Email Activity, in its query language, and
fetched as CSV; custom_args come back, in webhooks too; ip_pool_name chooses the sources.
Method: http.client against the real relay before a scripted peer, with loopback addresses as
sources."""
import csv
import io
import json
import urllib.parse

import support
from httpapi import Client
from receiver import Receiver
from sendgrid_compat_test import SendGrid
from support import eventually

MESSAGES = "/v3/messages"


def query(text, limit=None):
    asked = {"query": text, **({"limit": limit} if limit else {})}
    return MESSAGES + "?" + urllib.parse.urlencode(asked)


class Activity(SendGrid):
    def found(self, client, text):
        answer = client.get(query(text))
        self.assertEqual(answer.status, 200, answer)
        return [m["to_email"] for m in answer.json["messages"]]

    def sent(self):
        """A delivered message with everything in it, a bounced one, a suppressed one."""
        relay, peer, client = self.node()
        group = client.post("/v3/asm/groups", {"name": "News", "description": "d"}).json["id"]
        good = self.mail(client, "good@dest.test", subject="春の\"お知らせ\"", asm={"group_id": group},
                         categories=["spring", "news"], custom_args={"order": "7", "n": 3})
        self.assertEqual(good.status, 202, good)
        self.assertEqual(self.mail(client, "gone@dest.test", subject="lost").status, 202)
        relay.cli("suppression", "add", "left@dest.test")
        self.assertEqual(self.mail(client, "left@dest.test").status, 202)
        relay.wait_for_event("good@dest.test", "delivered")
        relay.wait_for_event("gone@dest.test", "bounced")
        relay.wait_for_event("left@dest.test", "suppressed")
        return relay, client, good.headers["X-Message-Id"], group

    def test_the_query_language_finds_messages_and_one_tells_its_events(self):
        relay, client, good, group = self.sent()
        newest = client.get(MESSAGES).json["messages"]
        self.assertEqual({m["to_email"] for m in newest},
                         {"good@dest.test", "gone@dest.test", "left@dest.test"})
        times = [m["last_event_time"] for m in newest]
        self.assertEqual(times, sorted(times, reverse=True))
        (one,) = client.get(query('to_email="good@dest.test"', 5)).json["messages"]
        self.assertEqual(one, {
            "from_email": "a@client.test", "msg_id": good + ".0", "subject": "春の\"お知らせ\"",
            "to_email": "good@dest.test", "status": "delivered", "opens_count": 0,
            "clicks_count": 0, "last_event_time": one["last_event_time"]})
        self.assertEqual(len(client.get(query("", 2)).json["messages"]), 2)
        day = one["last_event_time"][:10]
        for text in ('status="delivered"', "status = 'Delivered' AND opens=0",
                     'Contains(events,"delivered")', 'subject="春の\\"お知らせ\\""',
                     'subject LIKE "春%"', '(unique_args["order"]="7")', "unique_args['n']='3'",
                     'categories="news" AND from_email="a@client.test"', f"asm_group_id={group}",
                     f'msg_id="{good}"', f'msg_id LIKE "{good}%"',
                     'NOT (status="not_delivered" OR to_email LIKE "l%")',
                     f'status="delivered" AND last_event_time BETWEEN TIMESTAMP "{day}T00:00:00Z" '
                     f'AND TIMESTAMP "{day}T23:59:59.999Z"'):
            self.assertEqual(self.found(client, text), ["good@dest.test"], text)
        self.assertEqual(set(self.found(client, 'status="not_delivered"')),
                         {"gone@dest.test", "left@dest.test"})
        self.assertEqual(self.found(client, 'Contains(events,"bounce")'), ["gone@dest.test"])
        for text in ('last_event_time < TIMESTAMP "2020-01-01T00:00:00Z"', 'msg_id="none of ours"',
                     'to_email="nobody@dest.test"', 'template_id="d-1"'):
            self.assertEqual(self.found(client, text), [], text)
        told = client.get(f"{MESSAGES}/{one['msg_id']}").json
        self.assertEqual([e["event_name"] for e in told["events"]], ["processed", "delivered"])
        self.assertEqual((told["unique_args"], told["categories"], told["asm_group_id"]),
                         ({"order": "7", "n": 3}, ["spring", "news"], group))
        self.assertEqual((told["originating_ip"], told["status"]), ("127.0.0.1", "delivered"))
        self.assertEqual(client.get(f"{MESSAGES}/{good}").json, told, "by X-Message-Id")
        (lost,) = client.get(query('subject="lost"')).json["messages"]
        bounce = client.get(f"{MESSAGES}/{lost['msg_id']}").json["events"][-1]
        self.assertEqual((bounce["event_name"], bounce["bounce_type"]), ("bounce", "hard"))
        self.assertIn("no such user", bounce["reason"])
        # What cannot be read says where; another tenant sees nothing.
        for text in ('nonsense="x"', 'status="x', "status=", '(status="x"'):
            self.assertError(client.get(query(text)), 400, "query")
        for limit in ("0", "1001", "x"):
            self.assertError(client.get(f"{MESSAGES}?limit={limit}"), 400, "limit")
        for unknown in ("x", good + ".9", good + ".x"):
            self.assertError(client.get(f"{MESSAGES}/{unknown}"), 404)
        relay.cli("tenant", "add", "other")
        other = Client(relay.http, self.key(relay, "other", "--tenant", "other"))
        eventually(lambda: other.get("/v3/scopes").status == 200)
        self.assertEqual(other.get(MESSAGES).json, {"messages": []})
        self.assertError(other.get(f"{MESSAGES}/{good}.0"), 404)
        order = client.post(query("").replace(MESSAGES, MESSAGES + "/download")).json
        path = f"{MESSAGES}/download/{order['download_uuid']}"
        for asked in (path, path + "/csv", path[:-1] + "x", MESSAGES + "/download/1"):
            self.assertError(other.get(asked), 404)
        sender = Client(relay.http, self.key(relay, "sender", "--scope", "messages:send"))
        eventually(lambda: sender.get("/v3/scopes").status == 200)
        self.assertError(sender.get(MESSAGES), 403)

    def test_a_csv_is_ordered_and_fetched(self):
        relay, client, good, _ = self.sent()
        asked = urllib.parse.urlencode({"query": 'status="delivered" OR subject="lost"'})
        ordered = client.post(f"{MESSAGES}/download?{asked}")
        self.assertEqual((ordered.status, ordered.json["status"]), (202, "pending"), ordered)
        path = ordered.headers["Location"]
        relay.kill()
        relay.start()
        link = client.get(path).json["presigned_url"]
        answer = client.get(link)
        self.assertEqual(answer.headers["Content-Type"], "text/csv; charset=utf-8")
        rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
        self.assertEqual({(r["to_email"], r["status"]) for r in rows},
                         {("good@dest.test", "delivered"), ("gone@dest.test", "not_delivered")})
        self.assertIn(good + ".0", [r["msg_id"] for r in rows])
        self.assertIn("春の\"お知らせ\"", [r["subject"] for r in rows])
        self.assertError(client.post(f"{MESSAGES}/download?query=x"), 400, "query")
        self.assertError(client.get(f"{MESSAGES}/download/656b6964-656e-4000-8000-ffffffffffff"), 404)

    def test_custom_args_come_back_in_events_and_webhooks(self):
        receiver = Receiver()
        self.addCleanup(receiver.stop)
        relay, peer, client = self.node()
        relay.settings["webhooks"] = {"allow_networks": ["127.0.0.0/8"]}
        relay.restart()
        made = client.ask("PATCH", "/v3/user/webhooks/event/settings", {
            "enabled": True, "url": receiver.url, "delivered": True, "processed": True})
        self.assertEqual(made.status, 200, made)
        sent = self.mail(client, custom_args={"order": "7", "email": "not@yours.test"})
        self.assertEqual(sent.status, 202, sent)

        def posted():
            events = [e for post in receiver.posts for e in json.loads(post.body)]
            return {e["event"]: e for e in events}
        events = eventually(lambda: (e := posted()).keys() >= {"processed", "delivered"} and e)
        for event in events.values():
            self.assertEqual((event["order"], event["email"]), ("7", "b@dest.test"))
            self.assertEqual(event["sg_message_id"], sent.headers["X-Message-Id"] + ".0")
        native = relay.wait_for_event("b@dest.test", "delivered")[-1]
        self.assertEqual(native["metadata"], {"order": "7", "email": "not@yours.test"})
        # SendGrid's limit is 10 KB; past it the request is refused, and nothing is sent.
        self.assertEqual(self.mail(client, "long@dest.test",
                                   custom_args={"k": "v" * 9000}).status, 202)
        self.assertEqual(relay.wait_for_event("long@dest.test", "delivered")[-1]["metadata"],
                         {"k": "v" * 9000})
        self.assertEqual(self.mail(client, custom_args={"k": "v" * 11000}).status, 400)

    def test_ip_pool_name_chooses_where_mail_leaves_from(self):
        relay, peer, client = self.node()
        relay.settings["source"] = [
            {"name": name, "ipv4": f"127.0.0.{i}", "hostname": f"{name}.relay.test"}
            for i, name in enumerate(("one", "two", "three"), 2)]
        relay.settings["pool"] = [
            {"name": "marketing", "sources": ["one"], "by_name": "only", "streams": ["bulk"]},
            {"name": "reset", "sources": ["two"], "by_name": "only", "tenants": ["default"]},
            {"name": "rest", "sources": ["three"]}]
        relay.cli("tenant", "add", "other")
        other = Client(relay.http, self.key(relay, "other", "--tenant", "other"))
        relay.restart()
        clients = lambda: {t.addresses[0]: t.client for t in peer.received}
        self.assertEqual(self.mail(client, "plain@dest.test").status, 202)
        self.assertEqual(self.mail(client, "named@dest.test", ip_pool_name="reset").status, 202)
        self.assertEqual(client.send(to="native@dest.test", pool="marketing",
                                     stream="bulk").status, 202)
        got = eventually(lambda: len(c := clients()) == 3 and c)
        self.assertEqual(got, {"plain@dest.test": "127.0.0.4", "named@dest.test": "127.0.0.3",
                               "native@dest.test": "127.0.0.2"})
        # Not of this stream, not there, not to be named, another tenant's.
        for name in ("marketing", "nonsense", "rest"):
            self.assertError(self.mail(client, ip_pool_name=name), 400, "ip_pool_name")
        eventually(lambda: other.get("/v3/scopes").status == 200)
        self.assertError(self.mail(other, ip_pool_name="reset"), 400, "ip_pool_name")
        refused = client.send(to="x@dest.test", pool="nonsense")
        self.assertEqual((refused.status, refused.json["errors"][0]["pointer"]), (422, "#/pool"))
        # The pool is kept over a restart, while the mail waits.
        peer.on("RCPT", lambda *_: "450 4.2.0 later")
        self.assertEqual(self.mail(client, "kept@dest.test", ip_pool_name="reset").status, 202)
        relay.wait_for_event("kept@dest.test", "deferred")
        relay.kill()
        peer.on("RCPT", lambda *_: None)
        relay.start()
        relay.cli("queue", "retry", "--recipient", "kept@dest.test")
        eventually(lambda: clients().get("kept@dest.test") == "127.0.0.3", what="the pool is kept")


if __name__ == "__main__":
    support.main()
