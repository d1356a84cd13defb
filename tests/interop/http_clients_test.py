"""Goal: applications written for SendGrid, blastengine, Postmark and Resend send here by a change
of address.
Method: the services' own npm packages, unmodified, against the real relay; what reaches the peer."""
import base64
import email
import email.policy
import json
import os
import pathlib
import shutil
import subprocess
import unittest

import interop
import httpapi
from support import LOOPBACK, ROOT, SLOW, eventually

SOURCE = pathlib.Path(__file__).resolve().parent / "node_api"


def installed():
    """A folder with send.js and its packages; the test is skipped when there cannot be one."""
    interop.find("node", "nodejs")
    base = os.environ.get("EKIDEN_NODE_DIR", str(ROOT / "build/interop-node"))
    folder = pathlib.Path(base + "-api")
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("package.json", "package-lock.json", ".npmrc", "send.js"):
        shutil.copyfile(SOURCE / file, folder / file)
    if not (folder / "node_modules/resend").is_dir():
        npm = interop.find("npm")
        try:
            done = subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
                                  cwd=folder, capture_output=True, text=True, timeout=120 * SLOW)
        except subprocess.TimeoutExpired:
            raise unittest.SkipTest("npm ci took too long: no registry?")
        if done.returncode != 0:
            raise unittest.SkipTest(f"npm ci failed: {done.stderr.strip()[-300:]}")
    return folder


class HttpClients(interop.Interop, httpapi.HttpApi):
    def setUp(self):
        super().setUp()
        self.node = installed()
        self.relay_, self.peer_, self.client = self.relay_with_api("--sender-domain", "client.test")

    def send(self, client, *calls, key=None):
        given = {"base": f"http://{LOOPBACK}:{self.relay_.http}", "key": key or self.client.key,
                 "login": "shop", "client": client, "calls": list(calls)}
        said = self.run_program("node", "send.js", stdin=json.dumps(given), cwd=self.node)
        line = next(one for one in said.splitlines() if one.startswith("OUTCOMES "))
        return json.loads(line.removeprefix("OUTCOMES "))

    def mails(self, count):
        eventually(lambda: len(self.peer_.received) >= count, 20, f"delivery of {count}")
        self.assertEqual(len(self.peer_.received), count)
        return [email.message_from_bytes(t.data, policy=email.policy.default)
                for t in self.peer_.received]

    def test_sendgrid(self):
        message = {"to": ["a@dest.test", "b@dest.test"], "cc": "c@dest.test", "isMultiple": True,
                   "from": {"email": "f@client.test", "name": "F"}, "subject": "件名 {{name}}",
                   "text": "hi {{name}}", "html": "<p>hi {{name}}</p>",
                   "substitutions": {"name": "太郎"}, "headers": {"X-A": "1"},
                   "categories": ["c1"], "customArgs": {"k": "v"}, "replyTo": "r@client.test",
                   "attachments": [{"content": base64.b64encode(b"data").decode(),
                                    "filename": "a.txt", "type": "text/plain",
                                    "disposition": "attachment"}]}
        sandboxed = {**message, "mailSettings": {"sandboxMode": {"enable": True}}}
        sent, sandbox, foreign, empty = self.send(
            "sendgrid", message, sandboxed, {**message, "from": "f@other.test"},
            {"from": "f@client.test", "to": "a@dest.test", "subject": "s",
             "text": "t", "attachments": [{"content": "??", "filename": "a"}]})
        self.assertEqual(sent["result"]["status"], 202, sent)
        self.assertEqual(len(sent["result"]["id"]), 26)
        self.assertEqual(sandbox["result"]["status"], 200, sandbox)
        self.assertEqual(foreign["code"], 403, foreign)
        self.assertEqual(empty["code"], 400, empty)
        self.assertEqual(empty["body"]["errors"][0]["message"],
                         "The attachment content must be base64 encoded.")
        mails = self.mails(2)
        self.assertEqual(sorted(str(m["To"]) for m in mails), ["a@dest.test", "b@dest.test"])
        self.assertEqual(mails[0]["Subject"], "件名 太郎")
        self.assertEqual(mails[0]["X-A"], "1")
        self.assertEqual(mails[0].get_body(("plain",)).get_content().strip(), "hi 太郎")
        self.assertEqual([p.get_filename() for p in mails[0].iter_attachments()], ["a.txt"])
        event = self.relay_.wait_for_event("a@dest.test", "delivered")[-1]
        self.assertEqual(event["tags"], ["c1"])
        (denied,) = self.send("sendgrid", message, key="SG.wrong")
        self.assertEqual(denied["code"], 401)
        self.assertEqual(denied["body"]["errors"][0]["message"],
                         "The provided authorization grant is invalid, expired, or revoked")

    def test_sendgrid_beside_sending(self):
        self.relay_.cli("suppression", "add", "gone@dest.test", "--reason", "bounce")
        bounces, none, group, gone, scopes, denied = self.send(
            "sendgrid_client",
            {"method": "GET", "url": "/v3/suppression/bounces", "qs": {"limit": 1}},
            {"method": "DELETE", "url": "/v3/suppression/bounces",
             "body": {"emails": ["gone@dest.test"]}},
            {"method": "POST", "url": "/v3/asm/groups", "body": {"name": "News"}},
            {"method": "GET", "url": "/v3/suppression/bounces"},
            {"method": "GET", "url": "/v3/scopes"},
            {"method": "POST", "url": "/v3/asm/groups", "body": {}})
        self.assertEqual(bounces["result"]["body"][0]["email"], "gone@dest.test", bounces)
        self.assertEqual(none["result"]["status"], 204, none)
        self.assertEqual(group["result"]["status"], 201, group)
        self.assertEqual(gone["result"]["body"], [], gone)
        self.assertIn("mail.send", scopes["result"]["body"]["scopes"])
        self.assertEqual((denied["code"], denied["body"]["errors"][0]["field"]), (400, "name"))

    def test_sendgrid_activity(self):
        (sent,) = self.send("sendgrid", {
            "to": "a@dest.test", "from": "f@client.test", "subject": "s", "text": "t",
            "customArgs": {"order": "7"}})
        identity = sent["result"]["id"]

        def asked(request):
            return self.send("sendgrid_client", {"method": "GET", **request})[0]["result"]["body"]
        (found,) = eventually(lambda: [
            m for m in asked({"url": "/v3/messages", "qs": {
                "limit": 10, "query": 'to_email="a@dest.test"'}})["messages"]
            if m["status"] == "delivered"], 30)
        self.assertTrue(found["msg_id"].startswith(identity + "."), found)
        told = asked({"url": f"/v3/messages/{found['msg_id']}"})
        self.assertEqual(told["unique_args"], {"order": "7"})
        self.assertEqual(told["events"][-1]["event_name"], "delivered")

    def test_postmark(self):
        message = {"From": "A <f@client.test>", "To": "a@dest.test, B <b@dest.test>",
                   "Subject": "件名", "TextBody": "t", "HtmlBody": "<p>t</p>",
                   "MessageStream": "outbound", "Tag": "x", "Metadata": {"a": "1"},
                   "Headers": [{"Name": "X-A", "Value": "1"}],
                   "Attachments": [{"Name": "a.bin", "ContentID": None,
                                    "Content": base64.b64encode(b"\0\1").decode(),
                                    "ContentType": "application/octet-stream"}]}
        one, many, bad = self.send("postmark", message,
                                   [{**message, "To": "c@dest.test"}, {**message, "To": "nobody"}],
                                   {**message, "To": "nobody"})
        self.assertEqual((one["result"]["ErrorCode"], one["result"]["Message"]), (0, "OK"), one)
        self.assertEqual([r["ErrorCode"] for r in many["result"]], [0, 300], many)
        self.assertEqual(bad["code"], 300, bad)
        mails = sorted(self.mails(2), key=lambda m: -len(m["To"].addresses))
        self.assertEqual(mails[0]["Subject"], "件名")
        self.assertEqual(len(mails[0]["To"].addresses), 2)
        self.assertEqual(next(mails[0].iter_attachments()).get_payload(decode=True), b"\0\1")
        self.relay_.cli("suppression", "add", "gone@dest.test", "--reason", "bounce")
        none, some, batch = self.send("postmark", {**message, "To": "gone@dest.test"},
                                      {**message, "To": "gone@dest.test, d@dest.test"},
                                      [{**message, "To": "gone@dest.test"}])
        self.assertEqual((none["code"], none["recipients"]), (406, ["gone@dest.test"]), none)
        self.assertEqual(some["result"]["ErrorCode"], 0, some)
        self.assertIn("gone@dest.test", some["result"]["Message"])
        self.assertEqual(batch["result"][0]["ErrorCode"], 406, batch)
        (denied,) = self.send("postmark", message, key="wrong")
        self.assertEqual(denied["code"], 10, denied)

    def test_resend(self):
        message = {"from": "A <f@client.test>", "to": ["a@dest.test"], "subject": "件名",
                   "html": "<p>t</p>", "text": "t", "replyTo": "r@client.test",
                   "tags": [{"name": "kind", "value": "welcome"}], "headers": {"X-A": "1"},
                   "attachments": [{"filename": "a.txt",
                                    "content": base64.b64encode(b"data").decode()}]}
        again = {**message, "options": {"idempotencyKey": "k1"}}
        one, two, three, batch, bad, reused = self.send(
            "resend", message, again, again,
            {"batch": [{**message, "attachments": None, "to": "c@dest.test"}] * 2},
            {**message, "to": "nobody"}, {**again, "subject": "other"})
        self.assertEqual(len(one["result"]["data"]["id"]), 26, one)
        self.assertEqual(two["result"]["data"]["id"], three["result"]["data"]["id"])
        self.assertEqual(len(batch["result"]["data"]["data"]), 2, batch)
        self.assertEqual(bad["result"]["error"]["name"], "validation_error", bad)
        self.assertEqual(reused["result"]["error"]["name"], "invalid_idempotent_request", reused)
        mails = self.mails(4)
        self.assertEqual({m["Subject"] for m in mails}, {"件名"})
        self.assertEqual(mails[0]["Reply-To"], "r@client.test")
        files = [p.get_payload(decode=True) for m in mails for p in m.iter_attachments()]
        self.assertEqual(files, [b"data"] * 2)
        event = self.relay_.wait_for_event("a@dest.test", "delivered")[-1]
        self.assertEqual(event["tags"], ["kind:welcome"])

    def test_blastengine(self):
        file = self.folder / "添付.txt"
        file.write_text("data")
        message = {"from": "f@client.test", "name": "山田", "to": "a@dest.test",
                   "subject": "件名 __name__", "text": "本文 __name__", "html": "<b>__name__</b>",
                   "codes": {"name": "太郎"}, "cc": ["c@dest.test"]}
        plain, text_only, attached, foreign = self.send(
            "blastengine", message, {**message, "html": ""},
            {**message, "files": [str(file)]}, {**message, "from": "f@other.test"})
        self.assertIsInstance(plain["result"]["id"], int, plain)
        self.assertIsInstance(attached["result"]["id"], int, attached)
        self.assertIn("error_messages", foreign["error"], foreign)
        mails = self.mails(3)
        for mail in mails:
            self.assertEqual(mail["Subject"], "件名 太郎")
            self.assertEqual(mail["From"].addresses[0].display_name, "山田")
        (plain,) = [m for m in mails if m.get_content_type() == "text/plain"]
        self.assertEqual(plain.get_content().strip(), "本文 太郎")
        (with_file,) = [m for m in mails if list(m.iter_attachments())]
        self.assertEqual(next(with_file.iter_attachments()).get_payload(decode=True), b"data")
        (denied,) = self.send("blastengine", message, key="wrong")
        self.assertIn("error_messages", denied["error"])

    def test_blastengine_bulk(self):
        self.peer_.on("RCPT", lambda s, line: "550 5.1.1 no such user" if "gone" in line else None)
        list_ = self.folder / "list.csv"
        list_.write_text('"email","__name__"\n"b1@dest.test","花子"\n"nobody","x"\n'
                         '"b2@dest.test","太郎"\n"gone@dest.test","次郎"\n')
        many = [[f"m{i}@dest.test", {"name": f"N{i}"}] for i in range(60)]
        content = {"from": "f@client.test", "name": "山田", "subject": "件名 __name__",
                   "text": "本文 __name__", "html": "<b>__name__</b>"}

        def step(of, step, **argument):
            return {"of": of, "step": step, "argument": argument}
        file = self.folder / "添付.txt"
        file.write_text("data")
        said = self.send(
            "blastengine_bulk", step("a", "begin", **content), step("a", "get"),
            step("a", "import", path=str(list_)), step("a", "update", to=[]),
            step("a", "find", status=["EDIT"], delivery_type=["BULK"]),
            step("b", "begin", **content, file=str(file)), step("b", "update", to=many),
            step("b", "email", address="one@dest.test", codes={"name": "One"}),
            step("b", "send"),
            step("c", "begin", **content), step("c", "send"), step("c", "delete"),
            step("c", "get"), step("none", "get"))
        results = [one.get("result") for one in said]
        (first, begun, imported, _, found, second, updated, email_, sent, third, empty, deleted,
         gone, none) = said
        self.assertIsInstance(results[0], int, first)
        self.assertEqual((results[1]["status"], results[1]["totalCount"]), ("EDIT", 0), begun)
        self.assertEqual((results[2]["successCount"], results[2]["failedCount"]), (3, 1), imported)
        self.assertIn("nobody", results[2]["errors"])
        # An update without `to` leaves the list; with an empty one it is empty.
        self.assertEqual(results[4], [{"id": results[0], "status": "EDIT"}], found)
        self.assertEqual(results[6], results[5], updated)
        self.assertEqual(results[7], {"read": "one@dest.test", "changed": "changed-one@dest.test",
                                      "gone": True}, email_)
        self.assertEqual(results[8], {"delivery_id": results[5]}, sent)
        self.assertIn("error_messages", empty["error"], "without recipients")
        self.assertEqual(results[11], {"delivery_id": results[9]}, deleted)
        for one in (gone, none):
            self.assertIn("error", one)
        mails = self.mails(60)
        self.assertEqual({str(m["Subject"]) for m in mails}, {f"件名 N{i}" for i in range(60)})
        self.assertEqual({next(m.iter_attachments()).get_payload(decode=True) for m in mails},
                         {b"data"})
        # Reserved: by plain HTTP, since the package's own way to write the time throws.
        client = self.client
        path = "/api/v1/deliveries/bulk/commit/%d" % results[0]
        client.ask("POST", "/api/v1/deliveries/%d/emails/import" % results[0],
                   raw=b"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n"
                       b"Content-Type: text/csv\r\n\r\n" + list_.read_bytes() + b"\r\n--b--\r\n",
                   headers={"Content-Type": "multipart/form-data; boundary=b"})
        reserved = client.ask("PATCH", path, {"reservation_time": "2035-01-01T00:00:00+09:00"})
        self.assertEqual(reserved.status, 200, reserved)

        def again(*steps):
            # The package has no way to name a delivery: the number is put in its place.
            return self.send("blastengine_bulk", *({**one, "id": results[0]} for one in steps))
        waits, taken_back, edit, now = again(
            step("a", "get"), step("a", "cancel"), step("a", "get"), step("a", "send"))
        self.assertEqual(waits["result"]["status"], "RESERVE", waits)
        self.assertEqual(taken_back["result"], {"delivery_id": results[0]}, taken_back)
        self.assertEqual(edit["result"]["status"], "EDIT", edit)
        self.assertEqual(now["result"], {"delivery_id": results[0]}, now)
        eventually(lambda: len(self.peer_.received) == 62, 20, "two of the three")
        self.relay_.wait_for_event("gone@dest.test", "bounced")
        over = eventually(lambda: (g := again(step("a", "get"))[0]["result"])["status"] == "SENT"
                          and g, 20, "the end")
        self.assertEqual((over["totalCount"], over["sentCount"], over["hardErrorCount"]),
                         (3, 2, 1))
        (analysis,) = again(step("a", "analysis"))
        self.assertEqual(analysis["result"]["csv"], "email,open_time\r\n", analysis)
        logs, errors, usage = self.send(
            "blastengine_asks", {"ask": "logs", "argument": {"delivery_type": ["BULK"],
                                                             "status": ["HARDERROR"]}},
            {"ask": "errors"}, {"ask": "latest"})
        self.assertEqual([l["email"] for l in logs["result"]], ["gone@dest.test"], logs)
        self.assertEqual([e["email"] for e in errors["result"]], ["gone@dest.test"], errors)
        self.assertEqual(usage["result"]["current"], 63, usage)

    def test_blastengine_beside_sending(self):
        self.peer_.on("RCPT", lambda s, line: "550 5.1.1 no such user" if "gone" in line else None)
        message = {"from": "f@client.test", "name": "山田", "subject": "件名", "text": "本文"}
        self.send("blastengine", {**message, "to": "a@dest.test"},
                  {**message, "to": "gone@dest.test"})
        self.relay_.wait_for_event("a@dest.test", "delivered")
        self.relay_.wait_for_event("gone@dest.test", "bounced")
        sent, failed, usages, latest, errors = self.send(
            "blastengine_asks", {"ask": "logs", "argument": {"status": ["SENT"], "count": 10}},
            {"ask": "logs", "argument": {"status": ["HARDERROR", "SOFTERROR"]}},
            {"ask": "usages", "argument": 1}, {"ask": "latest"}, {"ask": "errors"})
        self.assertEqual([l["email"] for l in sent["result"]], ["a@dest.test"], sent)
        self.assertEqual([(l["email"], l["lastResponseCode"]) for l in failed["result"]],
                         [("gone@dest.test", 550)], failed)
        self.assertEqual([u["current"] for u in usages["result"]], [2, 0], usages)
        self.assertEqual(latest["result"]["current"], 2, latest)
        self.assertEqual([e["email"] for e in errors["result"]], ["gone@dest.test"], errors)


if __name__ == "__main__":
    interop.main()
