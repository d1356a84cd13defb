"""Goal: an application sends over HTTP and asks about its mail; http_mistakes_test.py has what is
wrong.
Method: http.client against the real relay before a scripted peer."""
import base64
import email
import email.policy
import http.client
import json
import re
import socket
import time

import support
from faultdisk import FOR_EVER, SYNC, WRITE, FaultDisk
from httpapi import Client, HttpApi
from support import LOOPBACK, eventually


def parsed(transaction):
    return email.message_from_bytes(transaction.data, policy=email.policy.default)


class Sending(HttpApi):
    def test_a_message_arrives_as_it_was_meant(self):
        relay, peer, client = self.relay_with_api()
        image, report = bytes(range(256)) * 8, "報告\r\n".encode()
        answer = client.send(
            **{"from": {"email": "shop@client.test", "name": "山田商店 オンライン"},
               "to": ["花子 <hanako@dest.test>", "b@dest.test"], "cc": "c@dest.test",
               "bcc": ["secret@dest.test"], "reply_to": "help@client.test",
               "subject": "ご注文ありがとうございます、これは長い件名なので折り返しが必要になります",
               "text": "本文です。\n.\n..二つ\n", "html": "<p>本文 <img src=\"cid:logo\"></p>",
               "attachments": [
                   {"filename": "ロゴ.png", "content_type": "image/png", "content_id": "logo",
                    "content": base64.b64encode(image).decode()},
                   {"filename": "報告書 2026年.txt", "content_type": "text/plain",
                    "content": base64.b64encode(report).decode()}],
               "headers": {"X-Order": "17", "X-Name": "注文"}, "tags": ["order", "領収"],
               "metadata": {"order": 17}, "stream": "bulk"})
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual(answer.json["status"], "queued")
        self.assertEqual(answer.json["recipients"], 4)
        self.assertEqual(answer.headers["Location"], "/v1/messages/" + answer.json["id"])
        eventually(lambda: sum(len(t.addresses) for t in peer.received) == 4)
        taken = peer.received[0]
        self.assertEqual(sorted(a for t in peer.received for a in t.addresses),
                         ["b@dest.test", "c@dest.test", "hanako@dest.test", "secret@dest.test"])
        self.assertEqual(taken.sender, "shop@client.test")
        self.assertTrue(all(o < 128 for o in taken.data), "it travels in 7 bits")
        self.assertTrue(all(len(line) <= 998 for line in taken.data.split(b"\r\n")))
        mail = parsed(taken)
        self.assertEqual(mail["From"].addresses[0].display_name, "山田商店 オンライン")
        self.assertEqual(mail["To"].addresses[0].display_name, "花子")
        self.assertEqual([a.addr_spec for a in mail["To"].addresses],
                         ["hanako@dest.test", "b@dest.test"])
        self.assertEqual(mail["Cc"].addresses[0].addr_spec, "c@dest.test")
        self.assertEqual(mail["Reply-To"].addresses[0].addr_spec, "help@client.test")
        self.assertEqual(mail["Subject"],
                         "ご注文ありがとうございます、これは長い件名なので折り返しが必要になります")
        self.assertEqual((mail["X-Order"], mail["X-Name"]), ("17", "注文"))
        self.assertEqual(mail["Message-ID"], answer.json["message_id"])
        self.assertIsNotNone(mail["Date"].datetime)
        self.assertIsNone(mail["Bcc"])
        self.assertNotIn(b"secret@dest.test", taken.data)
        self.assertNotIn(b"x-ekiden", taken.data.lower())
        self.assertEqual(mail["MIME-Version"], "1.0")
        self.assertEqual([p.get_content_type() for p in mail.walk()],
                         ["multipart/mixed", "multipart/alternative", "text/plain",
                          "multipart/related", "text/html", "image/png", "text/plain"])
        parts = [p for p in mail.walk() if not p.is_multipart()]
        self.assertEqual(parts[0].get_content().replace("\r\n", "\n"), "本文です。\n.\n..二つ\n")
        self.assertIn("cid:logo", parts[1].get_content())
        self.assertEqual(parts[2]["Content-ID"], "<logo>")
        self.assertEqual(parts[2].get_content_disposition(), "inline")
        self.assertEqual(parts[2].get_filename(), "ロゴ.png")
        self.assertEqual(parts[2].get_payload(decode=True), image)
        self.assertEqual(parts[3].get_filename(), "報告書 2026年.txt")
        self.assertEqual(parts[3].get_payload(decode=True), report)
        self.assertIn(b"filename*", taken.data)
        delivered = relay.wait_for_event("b@dest.test", "delivered")[-1]
        self.assertEqual((delivered["stream"], delivered["tags"]), ("bulk", ["order", "領収"]))
        accepted = relay.events("b@dest.test")[0]
        self.assertTrue(accepted["identity"].startswith("apikey:"), accepted)
        self.assertIn(" with HTTP ", " ".join(mail["Received"].split()))

    def test_iso_2022_jp_on_request_and_what_it_lacks_is_named(self):
        relay, peer, client = self.relay_with_api()
        fine = client.send(charset="ISO-2022-JP", subject="件名～ｶﾞ", text="本文－です",
                           **{"from": {"email": "a@client.test", "name": "山田太郎"}})
        self.assertEqual(fine.status, 202, fine)
        taken = eventually(lambda: peer.received)[0]
        mail = parsed(taken)
        self.assertEqual(mail.get_content_charset(), "iso-2022-jp")
        self.assertIn(b"=?iso-2022-jp?", taken.data.lower())
        self.assertEqual(mail["Subject"], "件名〜ガ")
        self.assertEqual(mail["From"].addresses[0].display_name, "山田太郎")
        self.assertEqual(mail.get_content().strip(), "本文−です")
        refused = client.send(charset="iso-2022-jp", subject="髙島屋", text="絵文字😀と①")
        self.assertProblem(refused, 422, "invalid-request")
        said = " ".join(e["detail"] for e in refused.json["errors"])
        for one in ("髙", "U+9AD9", "😀", "U+1F600", "①"):
            self.assertIn(one, said)
        replaced = client.send(charset="iso-2022-jp", subject="髙島屋", text="t",
                               unmappable="replace")
        self.assertEqual(replaced.status, 202, replaced)
        self.assertEqual(replaced.json["replaced_characters"], ["髙"])
        eventually(lambda: len(peer.received) == 2)
        self.assertEqual(parsed(peer.received[1])["Subject"], "〓島屋")

    def test_other_services_paths_take_their_forms(self):
        """What their npm packages never say; tests/interop/http_clients_test.py has the rest."""
        relay, peer, client = self.relay_with_api("--sender-domain", "client.test")
        transaction = "/api/v1/deliveries/transaction"
        message = {"from": {"email": "f@client.test", "name": "山田"}, "to": "b@dest.test",
                   "subject": "件名", "text_part": "髙い%%x%%", "encode": "ISO-2022-JP",
                   "html_part": "", "insert_code": [{"key": "%%x%%", "value": "山"}],
                   "list_unsubscribe": {"mailto": "mailto:u@client.test",
                                        "url": "https://client.test/u"}}
        answer = client.post(transaction, message)
        self.assertEqual(answer.status, 201, answer)
        mail = parsed(eventually(lambda: peer.received)[0])
        self.assertEqual(mail.get_content_charset(), "iso-2022-jp")
        self.assertEqual(mail.get_content().strip(), "〓い山")
        self.assertEqual(mail["List-Unsubscribe"],
                         "<mailto:u@client.test>, <https://client.test/u>")
        japanese = {"Accept-Language": "ja-JP"}
        for change, field in (({"text_part": ""}, "text_part"), ({"to": ""}, "to"),
                              ({"subject": "a\nb"}, "subject"), ({"encode": "EUC"}, "encode"),
                              ({"cc": ["x@dest.test"] * 11}, "cc"),
                              ({"insert_code": [{"key": "x", "value": "y"}]}, "insert_code")):
            refused = client.ask("POST", transaction, {**message, **change}, headers=japanese)
            self.assertEqual(refused.status, 400, refused)
            self.assertIn(field, refused.json["error_messages"], refused)
        self.assertEqual(Client(relay.http, "x").post(transaction, message).status, 401)
        form = {"Content-Type": "multipart/form-data; boundary=b"}
        for raw in (b"", b"--b\r\n", b"--b\r\nContent-Disposition: form-data; name=\"data\""
                    b"\r\n\r\n{\r\n--b--"):
            self.assertEqual(client.ask("POST", transaction, raw=raw, headers=form).status, 400)
        evil = (b"--b\r\nContent-Disposition: form-data; name=\"file\"; "
                b"filename=\"../x\"\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; "
                b"name=\"data\"\r\n\r\n" + json.dumps(message).encode() + b"\r\n--b--")
        refused = client.ask("POST", transaction, raw=evil, headers=form)
        self.assertEqual((refused.status, list(refused.json["error_messages"])), (400, ["file"]))
        send = {"personalizations": [{"to": [{"email": "b@dest.test"}]}],
                "from": {"email": "f@client.test"}, "subject": "s",
                "content": [{"type": "text/plain", "value": "t"}]}
        for change, field in (({"personalizations": []}, "personalizations"),
                              ({"from": {}}, "from.email"), ({"content": []}, "content"),
                              ({"subject": ""}, "subject"), ({"template_id": "d-1"}, "template_id"),
                              ({"personalizations": [{"to": [{"email": "x"}]}]},
                               "personalizations.0.to.0.email"),
                              ({"headers": {"X": "a\r\nb"}}, "personalizations.0.headers.X")):
            refused = client.post("/v3/mail/send", {**send, **change})
            self.assertEqual((refused.status, refused.json["errors"][0]["field"]), (400, field))
        self.assertEqual(client.get("/v3/mail/send").json["errors"][0]["message"],
                         "POST method allowed only")
        self.assertEqual(len(peer.received), 1)

    def test_raw_mime_goes_out_octet_for_octet(self):
        relay, peer, client = self.relay_with_api()
        body = support.message(subject="raw", X_Ekiden_Tag="t1", body="one\r\n.two\r\n")
        for answer in (
                client.post("/v1/messages/raw",
                            {"return_path": "r@client.test", "recipients": ["b@dest.test"],
                             "message_base64": base64.b64encode(body).decode()}),
                client.ask("POST", "/v1/messages/raw?return_path=r@client.test&recipient="
                           "b@dest.test", raw=body.replace(b"\r\n", b"\n"),
                           headers={"Content-Type": "message/rfc822"})):
            self.assertEqual(answer.status, 202, answer)
        eventually(lambda: len(peer.received) == 2)
        for taken in peer.received:
            self.assertEqual(taken.sender, "r@client.test")
            self.assertEqual(taken.body, b"one\r\n.two\r\n")
            self.assertEqual(taken.header("Subject"), "raw")
        self.assertEqual(relay.wait_for_event("b@dest.test", "accepted")[0]["tags"], ["t1"])

    def test_a_batch_says_of_each_what_became_of_it(self):
        relay, peer, client = self.relay_with_api()
        good = {"from": "a@client.test", "to": "b@dest.test", "subject": "s", "text": "t"}
        answer = client.post("/v1/messages/batch", {"messages": [
            good, {**good, "to": "nobody"}, {**good, "subject": "two"}]})
        self.assertEqual(answer.status, 207, answer)
        results = answer.json["results"]
        self.assertEqual([r["status"] for r in results], ["queued", "refused", "queued"])
        self.assertEqual(results[1]["problem"]["errors"][0]["pointer"], "#/messages/1/to")
        eventually(lambda: len(peer.received) == 2)
        self.assertEqual(client.post("/v1/messages/batch", {"messages": [good] * 3}).status, 202)
        self.assertProblem(client.post("/v1/messages/batch", {"messages": []}), 422,
                           "invalid-request", "/messages")
        self.assertEqual(client.post("/v1/messages/batch", {"messages": [1]}).status, 422)

    def test_smtp_takes_the_key_of_the_user_apikey(self):
        relay, peer, client = self.relay_with_api("--sender-domain", "client.test")
        relay.use_tls(self.certificates())
        port = relay.listener("submission", "starttls")
        relay.restart()
        with relay.smtp(port) as smtp:
            smtp.starttls(context=support.trusting())
            smtp.login("apikey", client.key)
            smtp.sendmail("a@client.test", ["b@dest.test"], support.message())
            with self.assertRaises(support.smtplib.SMTPSenderRefused):
                smtp.sendmail("a@other.test", ["b@dest.test"], support.message())
        eventually(lambda: peer.received)
        relay.cli("key", "revoke", "shop")

        def is_refused():
            with relay.smtp(port) as smtp:
                smtp.starttls(context=support.trusting())
                try:
                    smtp.login("apikey", client.key)
                except support.smtplib.SMTPAuthenticationError:
                    return True
        eventually(is_refused)

    def test_a_failure_is_an_event_and_no_dsn(self):
        relay, peer, client = self.relay_with_api()
        peer.on("RCPT", lambda s, line: "550 5.1.1 no such user" if "bad" in line else None)
        answer = client.send(to="bad@dest.test")
        self.assertEqual(answer.status, 202, answer)
        relay.wait_for_event("bad@dest.test", "bounced")
        client.send(to="after@dest.test")
        relay.wait_for_event("after@dest.test", "delivered")
        self.assertEqual([t.addresses for t in peer.received], [["after@dest.test"]])
        status = client.get("/v1/messages/" + answer.json["id"]).json["recipients"][0]
        self.assertEqual(status["status"], "bounced")
        self.assertIn("550 5.1.1 no such user", status["last_reply"])


class Keys(HttpApi):
    def test_scopes_domains_streams_and_networks_hold(self):
        relay, peer, client = self.relay_with_api(
            "--sender-domain", "client.test", "--stream", "bulk", "--streams", "news")
        reader = Client(relay.http, self.key(relay, "reader", "--read-only"))
        away = Client(relay.http, self.key(relay, "away", "--network", "192.0.2.0/24"))
        sender = Client(relay.http, self.key(relay, "sender", "--scope", "messages:send"))
        eventually(lambda: sender.get("/v1/key").status == 200)
        self.assertEqual(client.send(stream="news").status, 202)
        self.assertProblem(client.send(stream="other"), 403, "forbidden")
        self.assertProblem(client.send(**{"from": "a@elsewhere.test"}), 403, "forbidden")
        self.assertProblem(reader.send(), 403, "forbidden")
        self.assertEqual(reader.get("/v1/events").status, 200)
        self.assertProblem(away.get("/v1/key"), 403, "forbidden")
        self.assertProblem(sender.get("/v1/events"), 403, "forbidden")
        self.assertEqual(sender.send().status, 202)
        self.assertProblem(Client(relay.http).send(), 401, "unauthorized")
        self.assertProblem(Client(relay.http, "ek_" + "a" * 43).send(), 401, "unauthorized")
        self.assertEqual(reader.get("/v1/key").json["role"], "read-only")
        basic = base64.b64encode(f"any:{client.key}".encode()).decode()
        self.assertEqual(Client(relay.http).get(
            "/v1/key", headers={"Authorization": "Basic " + basic}).json["name"], "shop")

    def test_commands_make_list_and_revoke_them(self):
        relay, peer, client = self.relay_with_api()
        self.assertEqual(client.get("/v1/key").status, 200)
        listed = {k["name"]: k for k in relay.json("key", "list")["keys"]}
        self.assertEqual(listed["shop"]["role"], "full")
        self.assertNotIn(client.key, relay.cli("key", "list"))
        relay.cli("key", "create", "shop", status=1)
        relay.cli("key", "create", "x", "--scope", "messages:all", status=2)
        relay.cli("key", "create", "x", "--read-only", "--scope", "messages:send", status=2)
        relay.cli("key", "create", "x", "--network", "10.0.0.1/8", status=2)
        relay.cli("key", "create", "x", "--expires", "yesterday", status=2)
        relay.cli("key", "create", "x", "--tenant", "nobody", status=1)
        relay.cli("key", "revoke", "nothing", status=1)
        relay.cli("key", "revoke", "shop")
        eventually(lambda: client.get("/v1/key").status == 401)
        self.assertNotIn(client.key.encode(), (relay.data / "control.db").read_bytes())

    def test_one_tenant_sees_nothing_of_another(self):
        relay, peer, client = self.relay_with_api()
        relay.cli("tenant", "add", "other")
        other = Client(relay.http, self.key(relay, "theirs", "--tenant", "other"))
        eventually(lambda: other.get("/v1/key").status == 200)
        mine = client.send(send_at=int(time.time()) + 3600).json["id"]
        self.assertEqual(client.get("/v1/messages/" + mine).status, 200)
        self.assertProblem(other.get("/v1/messages/" + mine), 404, "no-such-message")
        self.assertProblem(other.post(f"/v1/messages/{mine}/cancel"), 404, "no-such-message")
        self.assertEqual(other.get("/v1/messages?recipient=b@dest.test").json["messages"], [])
        self.assertEqual(other.get("/v1/events").json["events"], [])
        self.assertEqual(other.get("/v1/stats").json["totals"], {})


class Asking(HttpApi):
    def test_status_timeline_search_events_and_stats(self):
        relay, peer, client = self.relay_with_api()
        greylisted = []

        def rcpt(session, line):
            if "late" in line and not greylisted:
                greylisted.append(line)
                return "451 4.7.1 come back later"
        peer.on("RCPT", rcpt)
        answer = client.send(to=["late@dest.test", "b@dest.test"], subject="請求書 十一月分",
                             tags=["invoice"])
        path = "/v1/messages/" + answer.json["id"]
        first = client.get(path)
        self.assertEqual(first.status, 200, first)
        done = eventually(lambda: (m := client.get(path).json) and
                          all(r["status"] == "delivered" for r in m["recipients"]) and m)
        self.assertEqual(done["subject"], "請求書 十一月分")
        late = next(r for r in done["recipients"] if r["recipient"] == "late@dest.test")
        self.assertEqual(late["attempts"], 2)
        self.assertEqual([e["kind"] for e in late["events"]], ["accepted", "deferred", "delivered"])
        self.assertIn("451 4.7.1 come back later", late["events"][1]["reply"])
        for query in ("recipient=late@dest.test", "message_id=" + answer.json["message_id"],
                      "sender=shop@client", "subject=%E5%8D%81%E4%B8%80%E6%9C%88", "tag=invoice",
                      "status=delivered", "id=" + answer.json["id"]):
            found = client.get("/v1/messages?" + query)
            self.assertEqual(found.status, 200, found)
            self.assertEqual({m["id"] for m in found.json["messages"]}, {answer.json["id"]}, query)
        for query in ("recipient=x@dest.test", "subject=zzz", "status=bounced", "tag=other"):
            self.assertEqual(client.get("/v1/messages?" + query).json["messages"], [], query)
        page = client.get("/v1/messages?limit=1").json
        rest = client.get("/v1/messages?limit=5&cursor=" + page["next"]).json
        self.assertEqual({page["messages"][0]["recipient"], rest["messages"][0]["recipient"]},
                         {"late@dest.test", "b@dest.test"})
        events = client.get("/v1/events").json
        self.assertEqual(sorted(e["kind"] for e in events["events"]),
                         ["accepted", "accepted", "deferred", "delivered", "delivered"])
        self.assertEqual(client.get("/v1/events?cursor=" + events["next"]).json["events"], [])
        client.send(subject="next")
        later = eventually(lambda: client.get("/v1/events?cursor=" + events["next"])
                           .json["events"])
        self.assertEqual(later[0]["subject"], "next")
        one = client.get("/v1/events?limit=1").json
        self.assertEqual((len(one["events"]), one["has_more"]), (1, True))
        totals = client.get("/v1/stats?by=hour").json["totals"]
        self.assertGreaterEqual(totals["delivered"], 2)
        self.assertEqual(totals["deferred"], 1)
        for bad in ("limit=0", "limit=9999", "from=yesterday", "kind=eaten", "cursor=x",
                    "color=red"):
            self.assertProblem(client.get("/v1/events?" + bad), 422, "invalid-request")
        self.assertProblem(client.get("/v1/messages/nonsense"), 404, "no-such-message")
        self.assertProblem(client.get("/v1/messages/" + "0" * 26), 404, "no-such-message")

    def test_send_at_waits_and_can_be_cancelled(self):
        relay, peer, client = self.relay_with_api()
        answer = client.send(send_at="2099-01-01T00:00:00Z")
        self.assertProblem(answer, 422, "invalid-request", "/send_at")
        import datetime
        tomorrow = (datetime.datetime.now(datetime.timezone.utc) +
                    datetime.timedelta(days=1)).isoformat(timespec="seconds")
        answer = client.send(send_at=tomorrow)
        self.assertEqual((answer.status, answer.json["status"]), (202, "scheduled"), answer)
        raw = client.post("/v1/messages/raw", {
            "return_path": "", "recipients": ["raw@dest.test"],
            "message": support.message(X_Ekiden_Send_At=tomorrow).decode()})
        self.assertEqual(raw.status, 202, raw)
        path = "/v1/messages/" + answer.json["id"]
        waiting = client.get(path).json["recipients"][0]
        self.assertEqual(waiting["status"], "queued")
        self.assertEqual(waiting["next_attempt_at"][:16], answer.json["send_at"][:16])
        relay.restart()
        self.assertEqual(len(relay.queue()), 2)
        self.assertEqual(peer.received, [])
        cancelled = client.post(path + "/cancel")
        self.assertEqual((cancelled.status, cancelled.json["cancelled"]), (200, 1), cancelled)
        eventually(lambda: client.get(path).json["recipients"][0]["status"] == "cancelled")
        self.assertProblem(client.post(path + "/cancel"), 409, "conflict")
        self.assertEqual([r["recipient"] for r in relay.queue()], ["raw@dest.test"])


class Repetition(HttpApi):
    def test_an_idempotency_key_sends_once(self):
        relay, peer, client = self.relay_with_api()
        body = {"from": "a@client.test", "to": "b@dest.test", "subject": "s", "text": "t"}
        key = {"Idempotency-Key": "order-17"}
        first = client.post("/v1/messages", body, headers=key)
        self.assertEqual(first.status, 202, first)
        again = client.post("/v1/messages", body, headers=key)
        self.assertEqual((again.status, again.json), (202, first.json))
        self.assertEqual(again.headers["Idempotent-Replayed"], "true")
        self.assertProblem(client.post("/v1/messages", {**body, "subject": "x"}, headers=key),
                           409, "idempotency-key-reused")
        relay.restart()
        again = client.post("/v1/messages", body, headers=key)
        self.assertEqual((again.status, again.json), (202, first.json))
        other = Client(relay.http, self.key(relay, "second"))
        eventually(lambda: other.get("/v1/key").status == 200)
        relay.cli("tenant", "add", "acme")
        theirs = Client(relay.http, self.key(relay, "theirs", "--tenant", "acme"))
        eventually(lambda: theirs.get("/v1/key").status == 200)
        mine = theirs.post("/v1/messages", body, headers=key)
        self.assertNotEqual(mine.json["id"], first.json["id"], "keys belong to a tenant")
        eventually(lambda: len(peer.received) == 2)
        batch = {"messages": [body, {**body, "to": "bad"}]}
        one = client.post("/v1/messages/batch", batch, headers={"Idempotency-Key": "b"})
        two = client.post("/v1/messages/batch", batch, headers={"Idempotency-Key": "b"})
        self.assertEqual((one.status, one.json), (two.status, two.json))
        eventually(lambda: len(peer.received) == 3)

    def test_what_changed_nothing_may_be_tried_again(self):
        relay, peer, client = self.relay_with_api()
        body = {"from": "a@client.test", "to": "nobody", "subject": "s", "text": "t"}
        key = {"Idempotency-Key": "k"}
        self.assertEqual(client.post("/v1/messages", body, headers=key).status, 422)
        body["to"] = "b@dest.test"
        self.assertEqual(client.post("/v1/messages", body, headers=key).status, 202)
        for bad in ("x" * 256, "あ".encode().decode("latin-1")):
            self.assertProblem(client.post("/v1/messages", body, headers={"Idempotency-Key": bad}),
                               400, "invalid-header")

    def test_a_claim_that_a_crash_cut_short_goes_on_with_its_message(self):
        import sqlite3
        relay, peer, client = self.relay_with_api()
        body = {"from": "a@client.test", "to": "b@dest.test", "subject": "s", "text": "t"}
        key = {"Idempotency-Key": "k"}
        first = client.post("/v1/messages", body, headers=key).json
        relay.wait_for_event("b@dest.test", "delivered")
        relay.kill()
        with sqlite3.connect(relay.data / "idempotency.db") as file:
            # As if the process had died between the message's and the answer's durability.
            self.assertEqual(file.execute("UPDATE answers SET status=0, body=''").rowcount, 1)
        relay.start()
        again = client.post("/v1/messages", body, headers=key)
        self.assertEqual((again.status, again.json["id"]), (202, first["id"]))
        relay.wait_for_event("b@dest.test", "delivered")
        client.send(to="last@dest.test")
        relay.wait_for_event("last@dest.test", "delivered")
        self.assertEqual([t.addresses for t in peer.received], [["b@dest.test"],
                                                                ["last@dest.test"]])


class Limits(HttpApi):
    def test_the_message_size_and_the_rate_hold(self):
        relay, peer, client = self.relay_with_api()
        relay.settings["limits"] = {"message_size": "1MiB", "message_rate": "5/h"}
        relay.restart()
        self.assertProblem(client.send(text="x" * 70 + "\n" * 1_200_000), 413, "too-large")
        answers = [client.send() for _ in range(7)]
        self.assertEqual([a.status for a in answers], [202] * 5 + [429] * 2)
        self.assertEqual(answers[0].headers["RateLimit-Policy"], '"messages";q=5;w=3600')
        self.assertRegex(answers[0].headers["RateLimit"], r'^"messages";r=4;t=\d+$')
        self.assertProblem(answers[-1], 429, "rate-limited")
        self.assertRegex(answers[-1].headers["RateLimit"], r'^"messages";r=0;t=\d+$')
        self.assertIn(int(answers[-1].headers["Retry-After"]), range(3600, 3826))

    def test_tls_several_requests_and_a_proxy_in_front(self):
        relay, peer, client = self.relay_with_api("--network", "192.0.2.0/24")
        relay.use_tls(self.certificates())
        relay.settings["http"][0].update(tls="implicit", trusted_proxies=["127.0.0.0/8"])
        relay.restart()
        connection = http.client.HTTPSConnection(LOOPBACK, relay.http, timeout=20,
                                                 context=support.trusting())
        self.addCleanup(connection.close)
        headers = {"Authorization": "Bearer " + client.key, "Content-Type": "application/json"}
        body = json.dumps({"from": "a@client.test", "to": "b@dest.test", "subject": "s",
                           "text": "t"})
        for via, status in (("192.0.2.9", 202), ("198.51.100.1", 403), ("192.0.2.9", 202),
                            ("192.0.2.9, 198.51.100.1", 403)):
            connection.request("POST", "/v1/messages", body, {**headers, "X-Forwarded-For": via})
            answer = connection.getresponse()
            self.assertEqual(answer.status, status, answer.read())
            answer.read()
        eventually(lambda: len(peer.received) == 2)
        self.assertIn("192.0.2.9", peer.received[0].header("Received"))

    def test_a_large_message_takes_the_way_of_large_ones(self):
        relay, peer, client = self.relay_with_api()
        content = bytes(range(256)) * 12_000  # 3 MB
        answer = client.send(attachments=[{"filename": "big.bin",
                                           "content": base64.b64encode(content).decode()}])
        self.assertEqual(answer.status, 202, answer)
        taken = eventually(lambda: peer.received, 20)[0]
        part = [p for p in parsed(taken).walk() if p.get_filename() == "big.bin"][0]
        self.assertEqual(part.get_payload(decode=True), content)

    def test_a_relay_that_cannot_store_says_503(self):
        relay, peer, client = self.relay_with_api()
        relay.stop()
        faults = FaultDisk(self.folder).watch(relay)
        self.addCleanup(faults.close)
        relay.start()
        faults.fail(WRITE | SYNC, count=FOR_EVER, prefix="spool/")
        refused = client.send(to="refused@dest.test")
        self.assertProblem(refused, 503, "unavailable")
        self.assertGreater(int(refused.headers["Retry-After"]), 0)
        key = {"Idempotency-Key": "k"}
        body = {"from": "a@client.test", "to": "kept@dest.test", "subject": "s", "text": "t"}
        self.assertEqual(client.post("/v1/messages", body, headers=key).status, 503)
        faults.heal()
        eventually(lambda: client.post("/v1/messages", body, headers=key).status == 202)
        relay.wait_for_event("kept@dest.test", "delivered")
        self.assertEqual({a for t in peer.received for a in t.addresses}, {"kept@dest.test"})


if __name__ == "__main__":
    support.main()
