"""Goal: what commands do on the control store and the queue, an API key does over HTTP: within its
tenant and its scopes, audited, once for an Idempotency-Key.
Method: http.client against the real relay; every answer is held to the document that it serves."""
import json
import sqlite3
import unittest

import support
from httpapi import Client, Document, HeldClient, HttpApi, is_of_sending, jsonschema
from receiver import Receiver
from support import LOOPBACK, eventually


class Admin(HttpApi):
    def node(self, **more):
        """A relay with two tenants; an operator's client, the shop's and the other's."""
        self.peer_, self.names = self.peer(), self.dns({})
        relay = self.relay(dns=self.names)
        relay.settings["http"][0]["services"] = ["api", "metrics"]
        relay.settings["webhooks"] = {"allow_networks": ["127.0.0.0/8"]}
        relay.settings.update(more)
        relay.route_to(self.peer_.port)
        relay.write()
        for tenant in ("shop", "other"):
            relay.cli("tenant", "add", tenant)
        keys = {name: self.key(relay, name, *flags) for name, flags in {
            "root": ["--scope", "admin"], "shop": ["--tenant", "shop"],
            "other": ["--tenant", "other"], "reader": ["--tenant", "shop", "--read-only"]}.items()}
        relay.start()
        self.document = Document(relay.http)
        self.clients = {name: HeldClient(self.document, relay.http, key)
                        for name, key in keys.items()}
        return relay, self.clients["root"], self.clients["shop"], self.clients["other"]

    def audit(self, relay, action):
        return [e for e in relay.records("audit", "list") if e["action"] == action]


class Suppressions(Admin):
    def test_they_are_added_found_refused_and_released(self):
        relay, root, shop, other = self.node()
        added = shop.post("/v1/suppressions", {"addresses": ["Gone@Dest.test", "b@dest.test"],
                                               "reason": "manual", "note": "by phone"})
        self.assertEqual((added.status, added.json), (200, {"added": 2, "renewed": 0}))
        sent = shop.send(to="gone@dest.test").json["id"]
        eventually(lambda: shop.get("/v1/messages/" + sent).json["recipients"][0]["status"] ==
                   "suppressed", what="the suppression")
        one = shop.get("/v1/suppressions/GONE@dest.test").json
        self.assertTrue(one["suppressed"])
        self.assertEqual(one["entries"][0]["note"], "by phone")
        page = shop.get("/v1/suppressions?limit=1").json
        rest = shop.get("/v1/suppressions?limit=5&cursor=" + page["next"]).json
        self.assertEqual([e["address"] for e in page["suppressions"] + rest["suppressions"]],
                         ["gone@dest.test", "b@dest.test"])
        self.assertIsNone(rest["next"])
        self.assertEqual(shop.get("/v1/suppressions?reason=bounce").json["suppressions"], [])
        # Nobody else's.
        self.assertEqual(other.get("/v1/suppressions").json["suppressions"], [])
        self.assertFalse(other.get("/v1/suppressions/gone@dest.test").json["suppressed"])
        self.assertProblem(other.ask("DELETE", "/v1/suppressions/gone@dest.test"), 404,
                           "no-such-object")
        self.assertProblem(other.get("/v1/suppressions?tenant=shop"), 403, "forbidden")
        self.assertEqual(len(root.get("/v1/suppressions?tenant=shop").json["suppressions"]), 2)
        self.assertEqual(len(root.get("/v1/suppressions").json["suppressions"]), 2)
        # Released: mail goes out again.
        self.assertProblem(shop.ask("DELETE", "/v1/suppressions"), 422, "invalid-request", "/all")
        self.assertEqual(shop.ask("DELETE", "/v1/suppressions/gone@dest.test").json,
                         {"removed": 1})
        self.assertEqual(shop.ask("DELETE", "/v1/suppressions?domain=dest.test").json,
                         {"removed": 1})
        shop.send(to="gone@dest.test")
        eventually(lambda: self.peer_.received, what="the mail")
        entry = self.audit(relay, "suppression.add")[0]
        self.assertEqual((entry["author"], entry["origin"]), ("api key shop (2)", LOOPBACK))

    def test_lists_come_and_go(self):
        relay, root, shop, other = self.node()
        sheet = {"Content-Type": "text/csv"}
        path = "/v1/suppressions/import"
        listed = "メールアドレス,理由\r\n".encode("cp932") + b"a@dest.test,bounce\r\n"
        done = shop.ask("POST", path, raw=listed, headers=sheet).json
        self.assertEqual((done["rows"], done["added"], done["refused"]), (1, 1, 0))
        bom = b"\xef\xbb\xbfaddress,stream\n\"b@dest.test\n" b"c@dest.test,news\nno address,\n"
        done = shop.ask("POST", path + "?note=moved", raw=bom, headers=sheet).json
        self.assertEqual((done["added"], done["refused"]), (1, 2))
        self.assertEqual([e["line"] for e in done["errors"]], [2, 4])
        lines = b'{"address":"d@dest.test","expires":"90d"}\n[]\n{"address":1}\n{"a'
        done = shop.ask("POST", path, raw=lines,
                        headers={"Content-Type": "application/x-ndjson"}).json
        self.assertEqual((done["added"], done["refused"]), (1, 3))
        self.assertProblem(shop.ask("POST", path, raw=b"\xff\xfe\x00a", headers=sheet), 400,
                           "not-text")
        self.assertProblem(shop.ask("POST", path + "?stream=%21", raw=b"a@b.test"), 422,
                           "invalid-request", "/stream")
        exported = shop.get("/v1/suppressions/export")
        self.assertEqual(exported.headers["Content-Type"], "text/csv; charset=utf-8")
        self.assertEqual(exported.body.count(b"\r\n"), 4)
        back = other.ask("POST", path, raw=exported.body, headers=sheet).json
        self.assertEqual((back["added"], back["refused"]), (3, 0))
        again = shop.get("/v1/suppressions/export?format=jsonl").body
        self.assertEqual({json.loads(line)["address"] for line in again.splitlines()},
                         {"a@dest.test", "c@dest.test", "d@dest.test"})


class Keys(Admin):
    def test_a_key_gives_no_more_than_it_has(self):
        relay, root, shop, other = self.node()
        made = shop.post("/v1/keys", {
            "name": "narrow", "scopes": ["keys:read", "keys:write", "messages:send"],
            "sender_domains": ["client.test"], "networks": ["127.0.0.0/8"],
            "streams": ["news"], "stream": "news", "expires": "30d"})
        self.assertEqual(made.status, 201, made)
        self.assertEqual(made.headers["Location"], "/v1/keys/narrow")
        narrow = HeldClient(self.document, relay.http, made.json["key"])
        heir = narrow.post("/v1/keys", {"name": "heir"}).json
        for field in ("scopes", "sender_domains", "networks", "streams", "stream", "expires"):
            self.assertEqual(heir[field], made.json[field], field)
        for wish, pointer in (({"scopes": ["queue:write"]}, "/scopes"), ({"scopes": []}, "/scopes"),
                              ({"scopes": ["admin"]}, "/scopes"),
                              ({"scopes": ["nonsense"]}, "/scopes"),
                              ({"sender_domains": ["other.test"]}, "/sender_domains"),
                              ({"sender_domains": []}, "/sender_domains"),
                              ({"networks": ["0.0.0.0/0"]}, "/networks"), ({"networks": []},
                                                                           "/networks"),
                              ({"streams": []}, "/streams"), ({"stream": "bulk"}, "/stream"),
                              ({"expires": "31d"}, "/expires"), ({"role": "boss"}, "/role"),
                              ({"name": None}, "/name"), ({"color": "red"}, "/color")):
            refused = narrow.post("/v1/keys", {"name": "more", **wish})
            self.assertProblem(refused, 422, "invalid-request", pointer)
        self.assertProblem(narrow.post("/v1/keys", {"name": "x", "tenant": "other"}), 403,
                           "forbidden")
        self.assertProblem(narrow.post("/v1/keys", {"name": "a\r\nb"}), 422, "invalid-request")
        self.assertProblem(narrow.post("/v1/keys", {"name": "heir"}), 409, "conflict")
        self.assertProblem(shop.post("/v1/keys", {"name": "x", "scopes": ["admin"]}), 422,
                           "invalid-request", "/scopes")
        self.assertProblem(self.clients["reader"].post("/v1/keys", {"name": "x"}), 403,
                           "forbidden")
        names = [k["name"] for k in shop.get("/v1/keys").json["keys"]]
        self.assertEqual(names, ["heir", "narrow", "reader", "shop"])
        self.assertNotIn(made.json["key"], json.dumps(shop.get("/v1/keys").json))
        # Operators' keys, and others', are not there.
        for name in ("root", "other", "nobody"):
            self.assertProblem(shop.get("/v1/keys/" + name), 404, "no-such-object")
            self.assertProblem(shop.ask("DELETE", "/v1/keys/" + name), 404, "no-such-object")
        self.assertEqual(shop.ask("DELETE", "/v1/keys/narrow").status, 204)
        self.assertEqual(narrow.get("/v1/keys").status, 401, "it has ended at once")
        theirs = root.post("/v1/keys", {"name": "theirs", "tenant": "other"})
        self.assertEqual((theirs.status, theirs.json["tenant"]), (201, "other"))
        self.assertIn("theirs", [k["name"] for k in other.get("/v1/keys").json["keys"]])
        second = root.post("/v1/keys", {"name": "second", "scopes": ["admin"],
                                        "role": "read-only"}).json
        second = HeldClient(self.document, relay.http, second["key"])
        self.assertEqual(len(second.get("/v1/tenants").json["tenants"]), 3)
        self.assertProblem(second.post("/v1/tenants", {"name": "x"}), 403, "forbidden")

    def test_an_idempotency_key_makes_one_and_keeps_its_secret_sealed(self):
        relay, root, shop, other = self.node()
        once = {"Idempotency-Key": "k1"}
        first = shop.post("/v1/keys", {"name": "one"}, headers=once)
        again = shop.post("/v1/keys", {"name": "one"}, headers=once)
        self.assertEqual((again.status, again.json), (201, first.json))
        self.assertEqual(again.headers["Idempotent-Replayed"], "true")
        self.assertProblem(shop.post("/v1/keys", {"name": "two"}, headers=once), 409,
                           "idempotency-key-reused")
        self.assertEqual(other.post("/v1/keys", {"name": "two"}, headers=once).status, 201)
        self.assertEqual(shop.ask("DELETE", "/v1/keys/one", headers={"Idempotency-Key": "k2"})
                         .status, 204)
        self.assertEqual(shop.ask("DELETE", "/v1/keys/one", headers={"Idempotency-Key": "k2"})
                         .status, 204)
        for file in ("idempotency.db", "idempotency.db-wal", "control.db", "control.db-wal"):
            path = relay.data / file
            if path.exists():
                self.assertNotIn(first.json["key"].encode(), path.read_bytes(), file)


class Credentials(Admin):
    def test_who_logs_in_over_smtp(self):
        relay, root, shop, other = self.node()
        relay.use_tls(self.certificates())
        port = relay.listener("submission", "starttls")
        relay.restart()
        made = shop.post("/v1/credentials", {"name": "printer", "password": "long enough",
                                             "api_key": True, "scram": True})
        self.assertEqual(made.status, 201, made)
        self.assertEqual(made.json["methods"], ["password", "scram", "api-key"])
        for password in ("long enough", made.json["api_key"]):
            with relay.smtp(port) as smtp:
                smtp.starttls()
                smtp.login("printer", password)
        self.assertNotIn("long enough", json.dumps(shop.get("/v1/credentials").json))
        changed = shop.post("/v1/credentials/printer/secret", {"api_key": True}).json
        with relay.smtp(port) as smtp:
            smtp.starttls()
            smtp.login("printer", changed["api_key"])
        self.assertEqual(shop.get("/v1/credentials/printer").json["methods"], ["api-key"])
        self.assertProblem(shop.ask("PUT", "/v1/credentials/printer/limits", {"limits": None}),
                           403, "forbidden")
        limited = root.ask("PUT", "/v1/credentials/printer/limits",
                           {"limits": {"messages_per_day": 5, "rate": "10/min"}}).json
        self.assertEqual(limited["limits"], {"rate": "10/min", "messages_per_day": 5,
                                             "messages_per_month": None})
        self.assertIsNone(root.ask("PUT", "/v1/credentials/printer/limits", {"limits": None})
                          .json["limits"])
        for body, pointer in (({"name": "x"}, "/password"),
                              ({"name": "x", "password": "short"}, "/password"),
                              ({"password": "long enough"}, "/name"),
                              ({"name": "x", "scram": True, "api_key": True}, "/scram")):
            self.assertProblem(shop.post("/v1/credentials", body), 422, "invalid-request", pointer)
        self.assertProblem(shop.post("/v1/credentials", {"name": "printer", "api_key": True}),
                           409, "conflict")
        self.assertProblem(other.get("/v1/credentials/printer"), 404, "no-such-object")
        self.assertProblem(other.ask("DELETE", "/v1/credentials/printer"), 404, "no-such-object")
        # A key that may not send makes nobody who may.
        key = shop.post("/v1/keys", {"name": "clerk", "scopes": ["credentials:write"]}).json["key"]
        clerk = HeldClient(self.document, relay.http, key)
        self.assertProblem(clerk.post("/v1/credentials", {"name": "y", "api_key": True}), 403,
                           "forbidden")
        self.assertEqual(shop.ask("DELETE", "/v1/credentials/printer").status, 204)
        self.assertEqual(shop.get("/v1/credentials").json["credentials"], [])


class Tenants(Admin):
    def test_operators_set_them_and_tenants_see_themselves(self):
        relay, root, shop, other = self.node()
        made = root.post("/v1/tenants", {"name": "third"})
        self.assertEqual((made.status, made.headers["Location"]), (201, "/v1/tenants/third"))
        self.assertProblem(root.post("/v1/tenants", {"name": "third"}), 409, "conflict")
        self.assertProblem(root.post("/v1/tenants", {"name": "No Label"}), 422, "invalid-request")
        self.assertProblem(shop.post("/v1/tenants", {"name": "x"}), 403, "forbidden")
        self.assertProblem(shop.get("/v1/tenants"), 403, "forbidden")
        set_ = root.ask("PATCH", "/v1/tenants/shop", {
            "sender_domains": ["client.test", "*.client.test"], "soft_failures": 3,
            "limits": {"messages_per_month": 1000}, "user_limits": {"rate": "5/s"},
            "archive": "news,receipts"}).json
        self.assertEqual(set_["archive"], "news,receipts")
        self.assertEqual(set_["limits"]["messages_per_month"], 1000)
        self.assertEqual(shop.get("/v1/tenants/shop").json, set_)
        self.assertProblem(shop.get("/v1/tenants/other"), 404, "no-such-object")
        self.assertProblem(shop.ask("PATCH", "/v1/tenants/shop", {"limits": {}}), 403, "forbidden")
        self.assertEqual(shop.send(**{"from": "a@elsewhere.test"}).status, 403, "it counts at once")
        for body, pointer in (({"limits": {"rate": "fast"}}, "/limits/rate"),
                              ({"limits": {"per_week": 1}}, "/limits/per_week"),
                              ({"soft_failures": -1}, "/soft_failures"),
                              ({"sender_domains": ["a b"]}, "/sender_domains")):
            self.assertProblem(root.ask("PATCH", "/v1/tenants/shop", body), 422, "invalid-request",
                               pointer)
        streams = "/v1/tenants/shop/streams"
        self.assertEqual(shop.ask("PUT", streams + "/news", {"kind": "bulk", "weight": 5}).json,
                         {"name": "news", "kind": "bulk", "weight": 5})
        self.assertEqual(len(shop.get(streams).json["streams"]), 1)
        self.assertProblem(shop.send(**{"stream": "nwes"}), 403, "forbidden")
        self.assertProblem(shop.ask("PUT", streams + "/news", {"weight": 0}), 422,
                           "invalid-request", "/weight")
        self.assertProblem(other.ask("PUT", streams + "/news"), 404, "no-such-object")
        self.assertEqual(shop.ask("DELETE", streams + "/news").status, 204)
        self.assertProblem(shop.ask("DELETE", streams + "/news"), 404, "no-such-object")
        self.assertProblem(root.ask("DELETE", "/v1/tenants/shop"), 409, "conflict")
        self.assertEqual(root.ask("DELETE", "/v1/tenants/third").status, 204)

    def test_the_audit_log_names_the_key_and_shows_tampering(self):
        relay, root, shop, other = self.node()
        root.ask("PATCH", "/v1/tenants/shop", {"soft_failures": 3})
        entries = root.get("/v1/audit?action=tenant.set&subject=shop").json["entries"]
        self.assertEqual((entries[0]["author"], entries[0]["origin"]), ("api key root (1)", LOOPBACK))
        self.assertEqual((entries[0]["before"], entries[0]["after"]), ("{}", '{"soft_failures":3}'))
        page = root.get("/v1/audit?limit=2").json
        rest = root.get("/v1/audit?limit=1000&cursor=" + page["next"]).json
        self.assertGreater(page["entries"][-1]["id"], rest["entries"][0]["id"])
        self.assertIsNone(rest["next"])
        self.assertProblem(shop.get("/v1/audit"), 403, "forbidden")
        self.assertProblem(root.get("/v1/audit?cursor=x"), 422, "invalid-request", "/cursor")
        head = root.get("/v1/audit/verify").json
        self.assertTrue(head["intact"])
        self.assertTrue(root.get("/v1/audit/verify?head=" + head["head"]).json["head_found"])
        with sqlite3.connect(relay.data / "control.db") as store:
            store.execute("UPDATE audit SET author='nobody' WHERE id=2")
        broken = root.get("/v1/audit/verify").json
        self.assertEqual((broken["intact"], broken["broken_at"]), (False, 2))


class Webhooks(Admin):
    def test_they_are_set_up_tested_rotated_and_replayed(self):
        relay, root, shop, other = self.node()
        receiver = Receiver()
        self.addCleanup(receiver.stop)
        made = shop.post("/v1/webhooks", {"url": receiver.url, "kinds": ["accepted"]})
        self.assertEqual(made.status, 201, made)
        path, secret = made.headers["Location"], made.json["secret"]
        tested = shop.post(path + "/test")
        self.assertEqual((tested.status, tested.json["is_taken"]), (200, True), tested)
        self.assertTrue(receiver.posts[0].is_signed_with(secret))
        shop.send()
        other.send()
        eventually(lambda: len(receiver.posts) == 2, what="the event")
        self.assertEqual(receiver.posts[1].events[0]["tenant"], "shop")
        shown = shop.get(path).json
        self.assertEqual((shown["url"], shown["delivered"]), (receiver.url, 1))
        # Whoever may only read is not shown what may be a secret.
        self.assertNotIn("url", self.clients["reader"].get(path).json)
        turned = shop.post(path + "/rotate", {"keep": "1h"}).json
        self.assertTrue(shop.post(path + "/test").json["is_taken"])
        self.assertTrue(receiver.posts[2].is_signed_with(secret))
        self.assertTrue(receiver.posts[2].is_signed_with(turned["secret"]))
        order = shop.post(path + "/replay", {"from": "1h"})
        self.assertProblem(order, 422, "invalid-request", "/until")
        order = shop.post(path + "/replay", {"from": "2020-01-01T00:00:00Z"})
        self.assertEqual(order.status, 202, order)
        eventually(lambda: sum(len(p.events) for p in receiver.posts) == 4, what="the replay")
        done = eventually(lambda: (o := shop.get(f"{path}/orders/{order.json['order']}").json)
                          ["done"] and o)
        self.assertTrue(done["is_done_well"])
        attempts = shop.get(path + "/attempts").json["attempts"]
        self.assertEqual({a["kind"] for a in attempts}, {"test", "live", "replay"})
        paused = shop.ask("PATCH", path, {"state": "paused", "kinds": ["bounced"], "batch": 1})
        self.assertEqual((paused.json["state"], paused.json["kinds"]), ("paused", ["bounced"]))
        for body, pointer in (({"url": "ftp://x"}, "/url"), ({"kinds": ["eaten"]}, "/kinds"),
                              ({"state": "disabled"}, "/state"), ({"batch": 10_000}, "/batch"),
                              ({"streams": ["A B"]}, "/streams"), ({}, "/")):
            self.assertProblem(shop.ask("PATCH", path, body), 422, "invalid-request", pointer)
        for url in ("http://10.0.0.1/", "https://169.254.169.254/latest", "http://[::1]/",
                    "https://user@@x/"):
            self.assertProblem(shop.post("/v1/webhooks", {"url": url}), 422, "invalid-request",
                               "/url")
        for method, end in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test"),
                            ("POST", "/rotate"), ("GET", "/attempts"), ("GET", "/orders/1")):
            self.assertProblem(other.ask(method, path + end,
                                         {"state": "paused"} if method == "PATCH" else None),
                               404, "no-such-object")
        self.assertEqual(other.get("/v1/webhooks").json["webhooks"], [])
        self.assertEqual(shop.ask("DELETE", path).status, 204)
        self.assertEqual(root.get("/v1/webhooks").json["webhooks"], [])


class Domains(Admin):
    def test_a_domain_is_proven_and_signed_for(self):
        relay, root, shop, other = self.node()
        added = shop.post("/v1/domains", {"domain": "Client.test"})
        self.assertEqual(added.status, 201, added)
        proof = added.json["records"][0]
        self.assertEqual((proof["purpose"], proof["state"]), ("proof", "missing"))
        self.assertIn(proof["value"], proof["zone_line"])
        self.assertFalse(shop.post("/v1/domains/client.test/verify").json["proven"])
        self.assertProblem(shop.post("/v1/dkim", {"domain": "client.test"}), 403, "forbidden")
        self.names.set(proof["name"], "TXT", [f'"{proof["value"]}"'])
        verified = eventually(lambda: (a := shop.post("/v1/domains/client.test/verify").json)
                              ["proven"] and a, what="the proof")
        self.assertEqual((verified["proof"], verified["records"][0]["state"]), ("txt", "live"))
        self.assertEqual(shop.get("/v1/domains/client.test").json["records"][0]["state"], "live")
        self.assertProblem(shop.post("/v1/domains", {"domain": "client.test"}), 409, "conflict")
        for bad in ("", "nodots", "a b.test", "x\r\ny.test"):
            self.assertProblem(shop.post("/v1/domains", {"domain": bad}), 422, "invalid-request")
        self.assertProblem(other.get("/v1/domains/client.test"), 404, "no-such-object")
        self.assertEqual(other.get("/v1/domains").json["domains"], [])
        self.assertEqual(len(root.get("/v1/domains").json["domains"]), 1)
        key = shop.post("/v1/dkim", {"domain": "client.test", "type": "ed25519"})
        self.assertEqual((key.status, key.json["state"], key.json["tenant"]),
                         (201, "pending", "shop"), key)
        self.assertProblem(shop.post("/v1/dkim/client.test/rotate"), 409, "conflict")
        self.assertProblem(other.post("/v1/dkim/client.test/rotate"), 403, "forbidden")
        self.assertEqual(other.get("/v1/dkim").json["keys"], [])
        self.names.set(key.json["record_name"], "TXT", [f'"{key.json["record"]}"'])
        selector = key.json["selector"]
        with sqlite3.connect(relay.data / "control.db") as store:
            store.execute("UPDATE domain_keys SET state='active'")
        turned = shop.post("/v1/dkim/client.test/rotate")
        self.assertEqual((turned.status, len(turned.json["keys"])), (201, 1), turned)
        self.assertProblem(shop.post(f"/v1/dkim/client.test/{selector}/retire"), 409, "conflict")
        retired = shop.post(f"/v1/dkim/client.test/{selector}/retire", {"force": True})
        self.assertEqual(retired.json["state"], "retiring")
        self.assertProblem(shop.post("/v1/dkim/client.test/none/retire"), 404, "no-such-object")
        self.assertEqual(len(shop.get("/v1/dkim?domain=client.test").json["keys"]), 2)
        everybody = root.post("/v1/dkim", {"domain": "relay.test", "bits": 2048})
        self.assertIsNone(everybody.json["tenant"])
        self.assertEqual(shop.ask("DELETE", "/v1/domains/client.test").status, 204)


class Queue(Admin):
    def held(self):
        relay, root, shop, other = self.node()
        self.peer_.on("RCPT", lambda s, line: "451 4.7.1 later")
        ids = [c.send(to=f"{n}@dest.test").json["id"] for n, c in (("a", shop), ("b", shop),
                                                                   ("c", other))]
        eventually(lambda: {r["state"] for r in relay.queue()} == {"waiting"}, what="the deferral")
        return relay, root, shop, other, ids

    def ended(self, client, answer):
        self.assertEqual(answer.status, 202, answer)
        return eventually(lambda: (o := client.get(answer.headers["Location"]).json)["state"] !=
                          "running" and o)

    def test_a_tenant_sees_and_moves_its_own(self):
        relay, root, shop, other, ids = self.held()
        self.assertEqual(shop.get("/v1/queue?by=domain").json["queued"], 2)
        self.assertEqual(root.get("/v1/queue?by=tenant").json["queued"], 3)
        page = shop.get("/v1/queue/recipients?limit=1").json
        rest = shop.get("/v1/queue/recipients?cursor=" + page["next"]).json
        self.assertEqual({r["recipient"] for r in page["recipients"] + rest["recipients"]},
                         {"a@dest.test", "b@dest.test"})
        reasons = shop.get("/v1/queue/messages/" + ids[0]).json["recipients"][0]["reasons"]
        self.assertTrue(reasons)
        self.assertProblem(other.get("/v1/queue/messages/" + ids[0]), 404, "no-such-object")
        self.assertProblem(shop.get("/v1/queue?tenant=other"), 403, "forbidden")
        self.assertProblem(shop.get("/v1/queue?by=color"), 422, "invalid-request", "/by")
        self.assertProblem(shop.get("/v1/queue/recipients?colour=red"), 422, "invalid-request")
        once = {"Idempotency-Key": "hold"}
        wish = {"action": "hold", "filter": {"domain": "dest.test"}, "argument": "wait"}
        begun = shop.post("/v1/operations", wish, headers=once)
        done = self.ended(shop, begun)
        self.assertEqual((done["state"], done["done"]), ("done", 2), done)
        again = shop.post("/v1/operations", wish, headers=once)
        self.assertEqual(again.json, begun.json)
        self.assertEqual({(r["recipient"], r["state"]) for r in relay.queue()},
                         {("a@dest.test", "held"), ("b@dest.test", "held"),
                          ("c@dest.test", "waiting")})
        self.assertProblem(other.get(begun.headers["Location"]), 404, "no-such-object")
        self.assertEqual(other.get("/v1/operations").json["operations"], [])
        self.assertEqual(len(root.get("/v1/operations").json["operations"]), 1)
        self.assertProblem(shop.post(begun.headers["Location"] + "/cancel"), 409, "conflict")
        done = self.ended(shop, shop.post("/v1/operations", {"action": "delete", "filter":
                                                             {"message": ids[0]}}))
        self.assertEqual(done["done"], 1)
        done = self.ended(shop, shop.post("/v1/operations", {"action": "release", "all": True}))
        self.assertEqual(done["done"], 1)
        self.assertEqual(len(relay.queue()), 2)
        for body, pointer in (({"action": "hold"}, "/filter"), ({"action": "eat", "all": True},
                                                               "/action"),
                              ({"action": "reroute", "all": True}, "/argument"),
                              ({"action": "hold", "filter": {"color": "red"}}, "/filter")):
            self.assertProblem(shop.post("/v1/operations", body), 422, "invalid-request", pointer)
        self.assertProblem(shop.post("/v1/operations", {"action": "reroute", "all": True,
                                                        "argument": "10.0.0.1:25"}), 403,
                           "forbidden")
        self.assertProblem(self.clients["reader"].post("/v1/operations", wish), 403, "forbidden")
        entry = self.audit(relay, "queue.hold")[0]
        self.assertEqual(entry["author"], "api key shop (2)")
        self.assertIn("tenant shop", entry["subject"])

    def test_operators_suspend_and_resume(self):
        relay, root, shop, other, ids = self.held()
        made = root.post("/v1/suspensions", {"kind": "tenant", "name": "shop", "reason": "spam",
                                             "until": "1h"})
        self.assertEqual(made.status, 201, made)
        self.assertEqual([s["name"] for s in root.get("/v1/suspensions").json["suspensions"]],
                         ["shop"])
        reasons = shop.get("/v1/queue/messages/" + ids[0]).json["recipients"][0]["reasons"]
        self.assertIn("suspended", [r["kind"] for r in reasons])
        self.assertProblem(shop.get("/v1/suspensions"), 403, "forbidden")
        self.assertProblem(shop.ask("DELETE", "/v1/suspensions?kind=tenant&name=shop"), 403,
                           "forbidden")
        self.assertProblem(root.post("/v1/suspensions", {"kind": "x", "name": "y"}), 422,
                           "invalid-request", "/kind")
        self.assertEqual(root.ask("DELETE", "/v1/suspensions?kind=tenant&name=shop").status, 200)
        self.assertProblem(root.ask("DELETE", "/v1/suspensions?kind=tenant&name=shop"), 404,
                           "no-such-object")


class Rights(Admin):
    def test_every_route_wants_its_scope_and_changes_nothing_without(self):
        relay, root, shop, other = self.node()
        none = shop.post("/v1/keys", {"name": "none", "scopes": ["events:read"]}).json["key"]
        none, nobody = Client(relay.http, none), Client(relay.http)
        before = (relay.cli("audit", "list"), relay.cli("suppression", "list"))
        for method, path in sorted(self.document.routes()):
            if path in ("/v1/key", "/v1/events", "/v1/events/stream", "/v1/openapi.json"):
                continue
            asked = path.replace("{tenant}", "shop")
            self.assertEqual(nobody.ask(method.upper(), asked).status, 401, (method, path))
            refused = none.ask(method.upper(), asked, headers={"Accept-Language": "ja"})
            self.assertProblem(refused, 403, "forbidden")
            self.assertRegex(refused.json["detail"], "[ぁ-ん]")
        self.assertEqual((relay.cli("audit", "list"), relay.cli("suppression", "list")), before)

    def test_bad_bodies_are_refused_precisely(self):
        relay, root, shop, other = self.node()
        deep = b"[" * 100_000
        for path in ("/v1/keys", "/v1/suppressions", "/v1/webhooks", "/v1/domains",
                     "/v1/operations", "/v1/credentials"):
            for raw in (deep, b'{"name":1,"name":2}', b'{"name":"\\ud800"}', b"{", b'"x"', b"\xff"):
                self.assertProblem(shop.ask("POST", path, raw=raw), 400, "not-json")
            self.assertProblem(shop.ask("POST", path, raw=b"{}", headers={
                "Content-Type": "text/plain"}), 415, "unsupported-media-type")
            refused = shop.post(path, {"colour": "red"})
            self.assertProblem(refused, 422, "invalid-request", "/colour")
        self.assertHealthy(relay)


@unittest.skipUnless(jsonschema, "python3-jsonschema is not installed")
class Description(Admin):
    def test_every_route_was_asked_and_answers_as_described(self):
        relay, root, shop, other = self.node()
        ours = {r for r in self.document.routes() if not is_of_sending(r[1])}
        for method, path in sorted(ours):
            asked = path.replace("{tenant}", "shop").replace("{address}", "a@dest.test")
            root.ask(method.upper(), asked, {} if method in ("patch", "put", "post") else None)
        self.assertEqual(ours - self.document.seen, set())


if __name__ == "__main__":
    support.main()
