"""Goal: a bulk job is one durable record; every recipient gets its own message, once, whatever
happens to the process; bad lists, other tenants and repetitions change nothing.
Method: http.client against the real relay before a peer; the relay killed while it expands."""
import collections
import email
import email.policy
import io
import random
import threading
import zipfile

import support
from httpapi import Client, HttpApi
from support import eventually

CONTENT = {"from": "News <news@client.test>", "subject": "{{name}}様へのお知らせ",
           "text": "こんにちは {{name}} さん。コード {{code}} & {{#if vip}}VIP{{else}}一般{{/if}}\n",
           "html": "<p>{{name}} {{{raw}}} {{#each items}}{{@index}}:{{this}} {{/each}}</p>"}


def parsed(transaction):
    return email.message_from_bytes(transaction.data, policy=email.policy.default)


def rows(count, domain="dest.test"):
    return [{"to": f"r{i}@{domain}", "data": {"name": f"N{i}", "code": i}} for i in range(count)]


def spread(count):
    """Over so many domains that all of them count against what may wait in the queue."""
    return [{**row, "to": row["to"].replace("dest", f"d{i % 12}")}
            for i, row in enumerate(rows(count))]


class BulkJobs(HttpApi):
    def counts(self, client, job):
        return client.get(f"/v1/jobs/{job}").json["counts"]

    def until_done(self, client, job, seconds=60):
        eventually(lambda: client.get(f"/v1/jobs/{job}").json["state"] == "done", seconds)
        return client.get(f"/v1/jobs/{job}").json

    def test_a_batch_becomes_one_message_for_each_recipient(self):
        relay, peer, client = self.relay_with_api()
        recipients = [
            {"to": "花子 <hanako@dest.test>", "metadata": {"order": 1},
             "data": {"name": "花<子>", "code": 7, "vip": True, "raw": "<b>x</b>",
                      "items": ["a", "b&c"]}},
            {"to": "taro@dest.test", "data": {"name": "太郎"}},
            {"to": "bad@dest.test", "data": {"name": "a\r\nBcc: x@dest.test"}}]
        answer = client.post("/v1/messages/batch", {"content": {**CONTENT, "tags": ["news"]},
                                                    "recipients": recipients, "stream": "bulk"})
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual(answer.json["recipients"], 3)
        job = self.until_done(client, answer.json["job"])
        self.assertEqual((job["counts"]["delivered"], job["counts"]["rejected"]), (2, 1), job)
        mails = {t.addresses[0]: parsed(t) for t in peer.received}
        self.assertEqual(sorted(mails), ["hanako@dest.test", "taro@dest.test"])
        mail = mails["hanako@dest.test"]
        self.assertEqual(mail["Subject"], "花<子>様へのお知らせ")
        self.assertEqual(mail["To"].addresses[0].display_name, "花子")
        text, html = [p.get_content().strip() for p in mail.walk() if not p.is_multipart()]
        self.assertEqual(text, "こんにちは 花<子> さん。コード 7 & VIP")
        self.assertEqual(html, "<p>花&lt;子&gt; <b>x</b> 0:a 1:b&amp;c </p>")
        self.assertIn("一般", mails["taro@dest.test"].get_body(("plain",)).get_content())
        # The id of each is known before it exists, and says what became of it.
        ids = answer.json["messages"]
        shown = client.get(f"/v1/messages/{ids[0]}").json
        self.assertEqual(shown["recipients"][0]["status"], "delivered")
        self.assertEqual((shown["stream"], shown["tags"]), ("bulk", ["news"]))
        refused = relay.events("bad@dest.test")[-1]
        self.assertEqual(refused["kind"], "rejected")
        self.assertIn("subject", refused["detail"])
        eventually(lambda: relay.metric("ekiden_recipients_unaccounted") == 0)
        self.assertEqual(relay.metric("ekiden_recipients_expanded_total"), 1)
        totals = client.get("/v1/stats").json["totals"]
        self.assertEqual(totals, {"accepted": 2, "delivered": 2, "rejected": 1})

    def test_a_batch_that_is_wrong_is_refused_whole(self):
        relay, _, client = self.relay_with_api("--sender-domain", "client.test")
        post = lambda **more: client.post("/v1/messages/batch", {
            "content": CONTENT, "recipients": rows(2), **more})
        self.assertProblem(post(recipients=[]), 422, "invalid-request", "/recipients")
        self.assertProblem(post(recipients=[{"to": "x"}]), 422, "invalid-request",
                           "/recipients/0/to")
        self.assertProblem(post(recipients=[{"to": "a@b.test\r\nBcc: c@d.test"}]), 422,
                           "invalid-request", "/recipients/0/to")
        self.assertProblem(post(recipients=rows(1) + rows(1)), 422, "invalid-request",
                           "/recipients/1/to")
        self.assertProblem(post(recipients=[{"to": "a@b.test", "cc": "x"}]), 422,
                           "invalid-request", "/recipients/0/cc")
        bad = post(content={**CONTENT, "html": "<p>\n {{#if a}}x</p>"})
        self.assertProblem(bad, 422, "invalid-request", "/content/html")
        self.assertIn("line 2, column 2", bad.json["errors"][0]["detail"])
        self.assertProblem(post(content={**CONTENT, "to": "x@dest.test"}), 422,
                           "invalid-request", "/content/to")
        self.assertProblem(post(content={**CONTENT, "from": "x@other.test"}), 403, "forbidden")
        reading = Client(relay.http, self.key(relay, "reader", "--read-only"))
        self.assertEqual(reading.post("/v1/messages/batch",
                                      {"content": CONTENT, "recipients": rows(1)}).status, 403)
        self.assertEqual(client.get("/v1/jobs").json["jobs"], [])

    def test_the_same_key_sends_once_and_another_body_is_refused(self):
        relay, peer, client = self.relay_with_api()
        body = {"content": CONTENT, "recipients": rows(5)}
        key = {"Idempotency-Key": "batch-1"}
        first = client.post("/v1/messages/batch", body, headers=key)
        again = client.post("/v1/messages/batch", body, headers=key)
        self.assertEqual((first.status, first.json), (again.status, again.json))
        self.assertEqual(again.headers["Idempotent-Replayed"], "true")
        other = client.post("/v1/messages/batch", {**body, "recipients": rows(6)}, headers=key)
        self.assertProblem(other, 409, "idempotency-key-reused")
        self.until_done(client, first.json["job"])
        self.assertEqual(len(peer.received), 5)
        made = [client.post("/v1/jobs", {"content": CONTENT}, headers={"Idempotency-Key": "j"})
                for _ in range(2)]
        self.assertEqual([m.status for m in made], [201, 201])
        self.assertEqual(made[0].json["id"], made[1].json["id"])
        self.assertEqual(len(client.get("/v1/jobs?state=draft").json["jobs"]), 1)

    def test_a_job_from_draft_to_done(self):
        relay, peer, client = self.relay_with_api()
        made = client.post("/v1/jobs", {"name": "十一月", "content": CONTENT})
        self.assertEqual(made.status, 201, made)
        self.assertEqual((made.json["state"], made.json["stream"]), ("draft", "bulk"))
        job = "/v1/jobs/" + made.json["id"]
        self.assertEqual(made.headers["Location"], job)
        self.assertProblem(client.post(job + "/commit"), 409, "conflict")
        sjis = "email,name,code\r\na1@dest.test,髙橋,1\r\n".encode("cp932")
        answer = client.ask("POST", job + "/recipients", raw=sjis,
                            headers={"Content-Type": "text/csv"})
        self.assertEqual((answer.status, answer.json["imported"]), (200, 1), answer)
        bom = ("\ufeffemail\tname\r\na2@dest.test\t\"山田, \"\"太郎\"\"\"\r\n"
               "a1@dest.test\tagain\r\n"
               "not an address\tx\r\n"
               "a3@dest.test\t\"never closed\r\n"
               "a4@dest.test\tok\r\n").encode()
        answer = client.ask("POST", job + "/recipients", raw=bom,
                            headers={"Content-Type": "text/csv"})
        self.assertEqual((answer.json["imported"], answer.json["refused"]), (2, 3), answer)
        self.assertEqual([(e["line"], e["code"]) for e in answer.json["errors"]],
                         [(3, "duplicate"), (4, "bad_address"), (5, "bad_csv")])
        report = client.get(answer.json["report"])
        self.assertEqual(report.headers["Content-Type"], "text/csv; charset=utf-8")
        self.assertEqual(len(report.body.splitlines()), 4, report)
        lines = (b'{"to": "b1@dest.test", "data": {"name": "B"}}\n\n{"to": 1}\n{"to": "b1@dest.test"}\n'
                 b'{"x": 1}\n{bad\n')
        answer = client.ask("POST", job + "/recipients", raw=lines,
                            headers={"Content-Type": "application/x-ndjson"})
        self.assertEqual((answer.json["imported"], answer.json["refused"]), (1, 4), answer)
        answer = client.post(job + "/recipients", {"recipients": [{"to": "c1@dest.test"}]})
        self.assertEqual(answer.json["imported"], 1, answer)
        for raw in (b"", b"name,x\r\na,b\r\n", b"\xff\xfe\x00\x80\r\n", b"email,email\r\na,b\r\n"):
            wrong = client.ask("POST", job + "/recipients", raw=raw,
                               headers={"Content-Type": "text/csv"})
            self.assertProblem(wrong, 422, "invalid-request")
        listed = client.get(job + "/recipients?limit=2").json
        self.assertEqual([r["to"] for r in listed["recipients"]], ["a1@dest.test", "a2@dest.test"])
        rest = client.get(job + "/recipients?cursor=" + listed["next"]).json
        self.assertEqual(len(rest["recipients"]), 3)
        changed = client.ask("PATCH", job, {"name": "改名", "content": {**CONTENT, "subject": "S"}})
        self.assertEqual((changed.status, changed.json["name"]), (200, "改名"), changed)

        # Other tenants see nothing of it.
        relay.run("tenant", "add", "other")
        other = Client(relay.http, self.key(relay, "other", "--tenant", "other"))
        for method, path in (("GET", job), ("PATCH", job), ("DELETE", job),
                             ("GET", job + "/recipients"), ("POST", job + "/recipients"),
                             ("POST", job + "/commit"), ("POST", job + "/cancel"),
                             ("GET", answer.json["report"])):
            asked = other.ask(method, path, {} if method != "GET" else None)
            self.assertProblem(asked, 404, "no-such-object")
        self.assertEqual(other.get("/v1/jobs").json["jobs"], [])

        # Its time may be taken back; then it is a draft again.
        later = client.post(job + "/commit", {"send_at": "2099-01-01T00:00:00Z"})
        self.assertProblem(later, 422, "invalid-request")
        soon = support.time.time() + 3600
        later = client.post(job + "/commit", {"send_at": int(soon)})
        self.assertEqual((later.status, later.json["state"]), (202, "scheduled"), later)
        self.assertProblem(client.ask("PATCH", job, {"name": "x"}), 409, "conflict")
        self.assertProblem(client.ask("DELETE", job), 409, "conflict")
        relay.kill()
        relay.start()
        self.assertEqual(client.get(job).json["state"], "scheduled")
        self.assertEqual(client.post(job + "/cancel").json["state"], "draft")
        self.assertEqual(len(client.get(job + "/recipients").json["recipients"]), 5)
        self.assertEqual(client.post(job + "/commit").status, 202)
        done = self.until_done(client, made.json["id"])
        self.assertEqual(done["counts"]["delivered"], 5)
        self.assertEqual({t.addresses[0] for t in peer.received},
                         {f"{a}@dest.test" for a in ("a1", "a2", "a4", "b1", "c1")})
        self.assertEqual(parsed(peer.received[0])["Subject"], "S")
        self.assertProblem(client.post(job + "/cancel"), 409, "conflict")
        listed = relay.records("job", "list")
        self.assertEqual([j["state"] for j in listed], ["done"])
        self.assertEqual(client.ask("DELETE", job).status, 200)
        self.assertProblem(client.get(job), 404, "no-such-object")

    def test_killed_in_the_middle_every_recipient_gets_it_once(self):
        relay, peer, client = self.relay_with_api()
        seed = random.randrange(1 << 30)
        print(f"seed {seed}")
        chance = random.Random(seed)
        count = 6000
        made = client.post("/v1/jobs", {"content": CONTENT}).json["id"]
        csv = "email,name\n" + "".join(f"k{i}@dest.test,N{i}\n" for i in range(count))
        answer = client.ask("POST", f"/v1/jobs/{made}/recipients", raw=csv.encode(),
                            headers={"Content-Type": "text/csv"})
        self.assertEqual(answer.json["imported"], count)
        batch = client.post("/v1/messages/batch", {"content": CONTENT, "recipients": rows(2000)})
        self.assertEqual(client.post(f"/v1/jobs/{made}/commit").status, 202)
        for _ in range(5):
            support.time.sleep(chance.uniform(0.05, 0.5))
            relay.kill()
            relay.start()
        job = self.until_done(client, made, 120)
        other = self.until_done(client, batch.json["job"], 120)
        self.assertEqual(job["counts"]["delivered"], count, job)
        self.assertEqual(other["counts"]["delivered"], 2000, other)
        # What a peer took and the relay did not hear of before it was killed may come twice; each
        # time it is the same message.
        wanted = {f"k{i}@dest.test" for i in range(count)} | {f"r{i}@dest.test" for i in range(2000)}
        self.assertEqual(set(peer.recipients()), wanted)
        ids = collections.defaultdict(set)
        for taken in peer.received:
            ids[taken.addresses[0]].add(parsed(taken)["Message-ID"])
        twice = {a: m for a, m in ids.items() if len(m) != 1}
        self.assertEqual(twice, {}, "one message for each recipient")
        accepted = collections.Counter(
            e["recipient"] for e in relay.records("events", "export", "--kind", "accepted")
            if e.get("recipient"))
        self.assertEqual([a for a, n in accepted.items() if n != 1], [])
        eventually(lambda: relay.metric("ekiden_recipients_unaccounted") == 0)
        relay.stop()
        verified = relay.run("spool", "verify")
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def test_paused_and_cancelled_what_is_not_a_message_yet_stays(self):
        relay, peer, client = self.relay_with_api()
        peer.on("RCPT", lambda *_: "450 4.2.0 later")
        batch = client.post("/v1/messages/batch",
                            {"content": CONTENT, "recipients": spread(12000)}).json
        job = batch["job"]
        eventually(lambda: self.counts(client, job)["queued"] > 0, 60)
        paused = client.post(f"/v1/jobs/{job}/pause")
        self.assertEqual((paused.status, paused.json["state"]), (200, "paused"), paused)
        relay.stop()
        relay.start()
        self.assertEqual(client.get(f"/v1/jobs/{job}").json["state"], "paused")
        waiting = client.get(f"/v1/messages/{batch['messages'][-1]}").json
        self.assertEqual(waiting["recipients"][0]["status"], "waiting", waiting)
        self.assertEqual(relay.run("job", "resume", job).returncode, 0)
        eventually(lambda: client.get(f"/v1/jobs/{job}").json["state"] == "sending")
        self.assertEqual(relay.run("job", "cancel", job).returncode, 0)
        eventually(lambda: client.get(f"/v1/jobs/{job}").json["state"] == "cancelled", 30)
        shown = relay.json("job", "show", job)
        self.assertEqual(shown["state"], "cancelled")
        self.assertEqual(relay.run("job", "pause", job).returncode, 1)
        self.assertEqual(relay.run("job", "show", "999").returncode, 1)
        eventually(lambda: relay.metric("ekiden_recipients_unaccounted") == 0)

    def test_transactional_mail_passes_what_waits_of_a_job(self):
        """Not by the clock, but by order: a job fills the queue of a site that takes nothing, then a
        password reset comes to the same site; once it takes mail again, only what was on its
        connections already comes before it."""
        relay, peer, client = self.relay_with_api()
        gate = threading.Event()
        self.addCleanup(gate.set)
        peer.on("EOD", lambda *_: gate.wait(60) and None)
        job = client.post("/v1/messages/batch", {"content": CONTENT, "recipients": rows(8000),
                                                 "stream": "bulk"}).json["job"]
        eventually(lambda: relay.metric("ekiden_bulk_rows_untried") >= 5000, 60, "a full queue")
        relay.send(recipients=["reset@dest.test"])
        posted = client.send(to="posted@dest.test", stream="transactional")
        self.assertEqual(posted.status, 202, posted)
        gate.set()
        self.until_done(client, job, 120)
        relay.wait_for_event("reset@dest.test", "delivered")
        relay.wait_for_event("posted@dest.test", "delivered")
        order = peer.recipients()
        self.assertEqual(len(order), 8002)
        for address in ("reset@dest.test", "posted@dest.test"):
            self.assertLess(order.index(address), 250, address)

    def test_a_job_whose_messages_are_held_says_why_it_waits(self):
        relay, peer, client = self.relay_with_api()
        relay.settings["route"] = [{"domains": ["*"], "next_hop": "hold"}]
        relay.restart()
        job = client.post("/v1/messages/batch",
                          {"content": CONTENT, "recipients": spread(6000)}).json["job"]
        shown = eventually(lambda: (j := client.get(f"/v1/jobs/{job}").json)["note"] and j, 60,
                           "the note")
        self.assertIn("wait for their first attempt", shown["note"])
        self.assertGreater(shown["counts"]["waiting"], 0, shown)
        self.assertEqual(client.post(f"/v1/jobs/{job}/cancel").status, 200)
        eventually(lambda: client.get(f"/v1/jobs/{job}").json["state"] == "cancelled", 30)

    def test_a_provider_that_takes_nothing_does_not_hold_those_behind_it_in_the_list(self):
        relay, peer, client = self.relay_with_api()
        relay.settings["route"].insert(0, {"domains": ["slow.test"], "next_hop": "hold"})
        relay.restart()
        job = client.post("/v1/messages/batch", {
            "content": CONTENT, "recipients": rows(7000, "slow.test") + rows(50)}).json["job"]
        eventually(lambda: len(peer.received) == 50, 60, "the mail behind it")
        self.assertEqual(set(peer.recipients()), {f"r{i}@dest.test" for i in range(50)})
        eventually(lambda: self.counts(client, job)["delivered"] == 50)
        eventually(lambda: relay.metric("ekiden_bulk_rows_untried") == 7000)

    def test_commands_beside_an_import_take_nothing_but_whom_they_erase(self):
        relay, peer, client = self.relay_with_api()
        made = client.post("/v1/jobs", {"content": CONTENT}).json["id"]
        path = f"/v1/jobs/{made}/recipients"
        csv = "email,name\n" + "".join(f"i{i}@dest.test,N{i}\n" for i in range(100_000))
        answers = []
        importing = threading.Thread(target=lambda: answers.append(client.ask(
            "POST", path, raw=(csv + "i7@DEST.test,again\n").encode(),
            headers={"Content-Type": "text/csv"})))
        importing.start()
        while importing.is_alive():
            relay.records("job", "list")
        taken = answers[0].json
        self.assertEqual((taken["imported"], taken["refused"]), (100_000, 1), taken)
        self.assertEqual(relay.json("job", "show", made)["recipients"], 100_000)
        erased = relay.json("events", "erase", "--recipient", "i7@dest.test")
        self.assertEqual(erased["job_lines"], 2, "the row, and the line of the report")
        self.assertEqual(client.get(f"/v1/jobs/{made}").json["recipients"], 99_999)
        first = client.get(path + "?limit=10").json["recipients"]
        self.assertNotIn("i7@dest.test", [r["to"] for r in first])
        for file in relay.data.glob("jobs.db*"):
            self.assertNotIn(b"i7@dest.test", file.read_bytes(), file)

    def test_a_suppressed_recipient_gets_nothing_and_says_so(self):
        relay, peer, client = self.relay_with_api()
        self.assertEqual(relay.run("suppression", "add", "r1@dest.test").returncode, 0)
        answer = client.post("/v1/messages/batch", {"content": CONTENT, "recipients": rows(3)})
        job = self.until_done(client, answer.json["job"])
        self.assertEqual((job["counts"]["delivered"], job["counts"]["suppressed"]), (2, 1), job)
        self.assertNotIn("r1@dest.test", peer.recipients())
        eventually(lambda: relay.metric("ekiden_recipients_unaccounted") == 0)



class Templates(HttpApi):
    def test_versions_preview_and_what_a_batch_makes_of_one(self):
        relay, peer, client = self.relay_with_api()
        made = client.post("/v1/templates", {"name": "welcome", "subject": "Hi {{name}}",
                                             "html": "<b>{{name}}</b>", "text": "{{name}}"})
        self.assertEqual(made.status, 201, made)
        one = "/v1/templates/" + made.json["id"]
        self.assertTrue(made.json["id"].startswith("d-"))
        first = made.json["versions"][0]["id"]
        self.assertEqual(made.json["active"], first)
        second = client.post(one + "/versions", {"name": "v2", "subject": "Yo {{name}}",
                                                 "text": "{{#if x}}X{{else}}Y{{/if}}"})
        self.assertEqual((second.status, second.json["active"]), (201, False), second)
        seen = client.post(one + "/preview", {"data": {"name": "<A>"}})
        self.assertEqual(seen.json, {"subject": "Hi <A>", "html": "<b>&lt;A&gt;</b>", "text": "<A>"})
        strict = client.post(one + "/preview", {"missing": "error"})
        self.assertProblem(strict, 422, "invalid-request", "/subject")
        activated = client.post(f"{one}/versions/{second.json['id']}/activate")
        self.assertEqual(activated.json["active"], True, activated)
        told = relay.json("template", "preview", made.json["id"], "--data", '{"x": 1}')
        self.assertEqual((told["subject"], told["text"]), ("Yo ", "X"))
        self.assertEqual(relay.run("template", "preview", made.json["id"], "--strict").returncode, 1)
        batch = client.post("/v1/messages/batch", {
            "content": {"from": "a@client.test", "template": made.json["id"]},
            "recipients": [{"to": "b@dest.test", "data": {"name": "太郎"}}]})
        self.assertEqual(batch.status, 202, batch)
        self.assertEqual(parsed(eventually(lambda: peer.received)[0])["Subject"], "Yo 太郎")
        for wrong in ({"template": "d-x"}, {"template": made.json["id"], "version": "x"}):
            refused = client.post("/v1/messages/batch", {
                "content": {"from": "a@client.test", **wrong}, "recipients": rows(1)})
            self.assertProblem(refused, 422, "invalid-request", "/content/template")
        bad = client.post(one + "/versions", {"name": "v3", "html": "a\n{{#each}}"})
        self.assertProblem(bad, 422, "invalid-request", "/html")
        self.assertIn("line 2, column 4", bad.json["errors"][0]["detail"])
        for body in ({"name": ""}, {"name": "a\nb"}, {"name": "n", "subject": "a\r\nb"}):
            self.assertProblem(client.post("/v1/templates", body), 422, "invalid-request")
        relay.cli("tenant", "add", "other")
        other = Client(relay.http, self.key(relay, "other", "--tenant", "other"))
        for method, path in (("GET", one), ("DELETE", one), ("POST", one + "/preview")):
            self.assertProblem(other.ask(method, path, {}), 404, "no-such-object")
        self.assertEqual(relay.records("template", "list")[0]["versions"], 2)
        actions = [e["action"] for e in relay.records("audit", "list")]
        self.assertIn("template.activate", actions)
        self.assertEqual(client.ask("DELETE", one).status, 204)
        self.assertProblem(client.get(one), 404, "no-such-object")

    def test_sendgrid_templates(self):
        relay, peer, client = self.relay_with_api()
        made = client.post("/v3/templates", {"name": "t", "generation": "dynamic"})
        self.assertEqual((made.status, made.json["versions"]), (201, []), made)
        one = made.json["id"]
        mail = {"from": {"email": "a@client.test"}, "template_id": one, "personalizations": [
            {"to": [{"email": "b@dest.test"}],
             "dynamic_template_data": {"name": "太郎", "items": [1, 2]}}]}
        self.assertEqual(client.post("/v3/mail/send", mail).status, 400, "no version")
        version = client.post(f"/v3/templates/{one}/versions", {
            "name": "v1", "active": 1, "subject": "{{name}}様",
            "html_content": "<p>{{#each items}}{{this}}{{/each}}</p>", "plain_content": "{{name}}"})
        self.assertEqual((version.status, version.json["active"]), (201, 1), version)
        shown = client.get(f"/v3/templates/{one}/versions/{version.json['id']}").json
        self.assertEqual(shown["plain_content"], "{{name}}")
        self.assertEqual(client.get("/v3/templates?generations=dynamic&page_size=10")
                         .json["result"][0]["id"], one)
        self.assertEqual(client.post("/v3/mail/send", mail).status, 202)
        got = parsed(eventually(lambda: peer.received)[0])
        self.assertEqual(got["Subject"], "太郎様")
        self.assertEqual(got.get_body(("html",)).get_content().strip(), "<p>12</p>")
        self.assertEqual(client.get("/v3/templates/d-x").status, 404)
        self.assertIn("errors", client.get("/v3/templates/d-x").json)
        self.assertEqual(client.ask("DELETE", f"/v3/templates/{one}").status, 204)


class Blastengine(HttpApi):
    CONTENT = {"from": {"email": "f@client.test", "name": "山田"}, "subject": "件名 __name__",
               "encode": "UTF-8", "text_part": "本文 __name__", "html_part": ""}

    def test_bulk_from_begin_to_sent(self):
        relay, peer, client = self.relay_with_api()
        api = "/api/v1/deliveries"
        begun = client.post(f"{api}/bulk/begin", self.CONTENT)
        self.assertEqual(begun.status, 201, begun)
        number = begun.json["delivery_id"]
        one = f"{api}/{number}"
        self.assertEqual(client.get(one).json["status"], "EDIT")
        to = [{"email": "a@dest.test", "insert_code": [{"key": "__name__", "value": "太郎"}]}]
        updated = client.ask("PUT", f"{api}/bulk/update/{number}", {"to": to})
        self.assertEqual((updated.status, updated.json["delivery_id"]), (200, number), updated)
        email_id = client.post(f"{one}/emails", {"email": "b@dest.test"}).json["email_id"]
        self.assertEqual(client.post(f"{one}/emails", {"email": "b@dest.test"}).status, 400)
        row = f"{api}/-/emails/{email_id}"
        self.assertEqual(client.ask("PUT", row, {"email": "b@dest.test", "insert_code": [
            {"key": "__name__", "value": "花子"}]}).status, 200)
        self.assertEqual(client.get(row).json["insert_code"],
                         [{"key": "__name__", "value": "花子"}])
        form = {"Content-Type": "multipart/form-data; boundary=b"}
        csv = "email,__name__\r\nc@dest.test,三郎\r\nwrong,x\r\nd@dest.test,四郎\r\n"
        raw = ("--b\r\nContent-Disposition: form-data; name=\"file\"\r\n"
               "Content-Type: text/csv\r\n\r\n" + csv + "\r\n--b--\r\n").encode()
        imported = client.ask("POST", f"{one}/emails/import", raw=raw, headers=form)
        self.assertEqual(imported.status, 201, imported)
        status = client.get(f"{api}/-/emails/import/{imported.json['job_id']}").json
        self.assertEqual((status["percentage"], status["success_count"], status["failed_count"]),
                         (100, 2, 1), status)
        archive = client.get(status["error_file_url"])
        self.assertEqual(archive.headers["Content-Type"], "application/zip")
        with zipfile.ZipFile(io.BytesIO(archive.body)) as files:
            self.assertIn(b"wrong,bad_address", files.read("errors.csv"))
        dropped = client.post(f"{one}/emails", {"email": "e@dest.test"}).json["email_id"]
        self.assertEqual(client.ask("DELETE", f"{api}/-/emails/{dropped}").status, 200)
        self.assertEqual(client.get(f"{api}/-/emails/{dropped}").status, 404)
        self.assertEqual(client.ask("PATCH", f"{api}/bulk/commit/{number}", {
            "reservation_time": "2033-01-02T03:04:05+09:00"}).status, 200)
        reserved = client.get(one).json
        self.assertEqual((reserved["status"], reserved["total_count"]), ("RESERVE", 4), reserved)
        self.assertEqual(reserved["reservation_time"], "2033-01-02T03:04:05+09:00")
        self.assertEqual(client.ask("PUT", f"{api}/bulk/update/{number}", {"to": to}).status, 423)
        self.assertEqual(client.ask("PATCH", f"{one}/cancel").status, 200)
        self.assertEqual(client.get(one).json["status"], "EDIT")
        self.assertEqual(client.ask("PATCH", f"{api}/bulk/commit/{number}/immediate", {}).status, 200)
        eventually(lambda: client.get(one).json["status"] == "SENT", 60)
        self.assertEqual(client.get(one).json["sent_count"], 4)
        self.assertEqual(sorted(parsed(t)["Subject"] for t in peer.received),
                         sorted("件名 " + n for n in ("太郎", "花子", "三郎", "四郎")))
        listed = client.get(f"{api}?status%5B%5D=SENT").json["data"]
        self.assertEqual([d["delivery_id"] for d in listed], [number])
        self.assertEqual(client.get(f"{api}/all?status%5B%5D=EDIT").json["data"], [])
        logs = client.get(f"/api/v1/logs/mails/results?delivery_id={number}").json["data"]
        self.assertEqual({(m["email"], m["delivery_id"], m["status"]) for m in logs},
                         {(f"{n}@dest.test", number, "SENT") for n in "abcd"})
        told = relay.wait_for_event("c@dest.test", "delivered")[-1]["metadata"]
        self.assertEqual(told, {"delivery_id": number,
                                "insert_codes": [{"key": "__name__", "value": "三郎"}]})
        self.assertEqual(client.ask("DELETE", one).json, {"delivery_id": number})
        missing = client.get(one)
        self.assertEqual((missing.status, list(missing.json["error_messages"])), (404, ["main"]))

    def test_a_transaction_is_found_by_its_number(self):
        relay, peer, client = self.relay_with_api()
        sent = client.post("/api/v1/deliveries/transaction", {**self.CONTENT, "to": "a@dest.test"})
        self.assertEqual(sent.status, 201, sent)
        one = f"/api/v1/deliveries/{sent.json['delivery_id']}"
        told = eventually(lambda: [d for d in [client.get(one).json] if d["sent_count"] == 1])[0]
        self.assertEqual((told["delivery_type"], told["status"]), ("TRANSACTION", "SENT"))
        relay.cli("tenant", "add", "other")
        other = Client(relay.http, self.key(relay, "other", "--tenant", "other"))
        self.assertEqual(other.get(one).status, 404)


if __name__ == "__main__":
    support.main()
