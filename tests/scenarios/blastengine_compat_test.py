"""Goal: what programs ask blastengine about their mail, they get here in its words: logs, errors,
reports as zip, usage.
Method: http.client against the real relay before a scripted peer;
tests/interop/http_clients_test.py has the npm package."""
import csv
import io
import zipfile

import support
from httpapi import Client, HttpApi
from support import eventually

BASE = "/api/v1"


class Blastengine(HttpApi):
    def node(self):
        relay, peer, client = self.relay_with_api()

        def rcpt(session, line):
            if "gone" in line:
                return "550 5.1.1 no such user"
            if "late" in line:
                return "451 4.7.1 come back later"
        peer.on("RCPT", rcpt)
        self.ids = {}
        for to in ("ok", "gone", "late"):
            self.ids[to] = client.post(BASE + "/deliveries/transaction", {
                "from": {"email": "f@client.test"}, "to": to + "@dest.test", "subject": "件名",
                "text_part": "t"}).json["delivery_id"]
        relay.wait_for_event("ok@dest.test", "delivered")
        relay.wait_for_event("gone@dest.test", "bounced")
        relay.wait_for_event("late@dest.test", "deferred")
        return relay, peer, client

    def assertErrors(self, answer, status, field):
        self.assertEqual(answer.status, status, answer)
        self.assertIn(field, answer.json["error_messages"])

    def test_logs_tell_each_recipient(self):
        relay, peer, client = self.node()
        relay.send(recipients=["smtp@dest.test"])
        relay.wait_for_event("smtp@dest.test", "delivered")
        path = BASE + "/logs/mails/results"
        logs = client.get(path).json["data"]
        self.assertEqual({(l["email"], l["status"], l["delivery_type"]) for l in logs},
                         {("ok@dest.test", "SENT", "TRANSACTION"),
                          ("gone@dest.test", "HARDERROR", "TRANSACTION"),
                          ("late@dest.test", "RETRY", "TRANSACTION"),
                          ("smtp@dest.test", "SENT", "SMTP")})
        by = {l["email"].split("@")[0]: l for l in logs}
        self.assertEqual(by["gone"]["last_response_code"], 550)
        self.assertIn("no such user", by["gone"]["last_response_message"])
        self.assertRegex(by["ok"]["created_time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+09:00$")
        self.assertEqual(by["ok"]["delivery_id"], self.ids["ok"])
        one = client.get(f"{BASE}/logs/mails/{by['late']['maillog_id']}").json
        self.assertEqual(one["email"], "late@dest.test")
        self.assertEqual([h["status"] for h in one["history"]][0], "RETRY")
        for query, found in (("status%5B%5D=SENT", {"ok", "smtp"}),
                             ("status%5B%5D=SENT&status%5B%5D=RETRY", {"ok", "smtp", "late"}),
                             ("status=%5B%27SENT%27%2C%20%27RETRY%27%5D", {"ok", "smtp", "late"}),
                             ("status%5B%5D=ALL", set(by)), ("delivery_type%5B%5D=SMTP", {"smtp"}),
                             ("email=gone@dest.test", {"gone"}),
                             (f"delivery_id={self.ids['ok']}", {"ok"}),
                             ("response_code%5B%5D=550", {"gone"}),
                             ("delivery_start=2099-01-01T00:00:00%2B09:00", set()),
                             ("delivery_end=2020-01-01T00:00:00.000Z", set())):
            answer = client.get(path + "?" + query)
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual({l["email"].split("@")[0] for l in answer.json["data"]}, found, query)
        first = client.get(path + "?count=3").json["data"]
        rest = client.get(f"{path}?anchor={first[-1]['maillog_id']}").json["data"]
        self.assertEqual([l["maillog_id"] for l in first + rest], [l["maillog_id"] for l in logs])
        for query, field in (("count=0", "count"), ("status%5B%5D=EATEN", "status"),
                             ("delivery_start=x", "delivery_start"), ("anchor=x", "anchor"),
                             ("response_code%5B%5D=x", "response_code")):
            self.assertErrors(client.get(path + "?" + query), 400, field)
        for number in ("1", "x", str(2 ** 60)):
            self.assertErrors(client.get(f"{BASE}/logs/mails/{number}"), 404, "main")
        # Another tenant's key sees none of it.
        relay.cli("tenant", "add", "other")
        other = Client(relay.http, self.key(relay, "theirs", "--tenant", "other"))
        eventually(lambda: other.get(path).status == 200)
        self.assertEqual(other.get(path).json["data"], [])
        self.assertErrors(other.get(f"{BASE}/logs/mails/{by['ok']['maillog_id']}"), 404, "main")

    def test_errors_and_their_report(self):
        relay, peer, client = self.node()
        (one,) = client.get(BASE + "/errors?size=10&page=1&sort=error_time:desc").json["data"]
        self.assertEqual((one["email"], one["response_code"]), ("gone@dest.test", 550))
        self.assertEqual(client.get(BASE + "/errors?page=2").json["data"], [])
        self.assertErrors(client.get(BASE + "/errors?sort=color"), 400, "sort")
        job = client.post(BASE + "/errors/list", {"response_code": [550]})
        self.assertEqual(job.status, 201, job)
        path = f"{BASE}/errors/list/{job.json['job_id']}"
        self.assertEqual(client.get(path).json["percentage"], 100)
        packed = client.get(path + "/download")
        self.assertEqual(packed.headers["Content-Type"], "application/zip")
        archive = zipfile.ZipFile(io.BytesIO(packed.body))
        self.assertIsNone(archive.testzip())
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open(archive.namelist()[0]), "utf-8")))
        self.assertEqual([(r["email"], r["response_code"]) for r in rows],
                         [("gone@dest.test", "550")])
        self.assertEqual(list(rows[0]), ["id", "date", "email", "response_code", "error_message"])
        none = client.post(BASE + "/errors/list", {"response_code": [421]}).json["job_id"]
        empty = zipfile.ZipFile(io.BytesIO(client.get(f"{BASE}/errors/list/{none}/download").body))
        self.assertEqual(empty.read(empty.namelist()[0]).count(b"\r\n"), 1)
        self.assertErrors(client.post(BASE + "/errors/list", {"error_start": "x"}), 400,
                          "error_start")
        self.assertErrors(client.get(BASE + "/errors/list/99"), 404, "main")
        self.assertErrors(client.get(BASE + "/errors/list/99/download"), 404, "main")

    def test_usage_is_counted_by_month(self):
        relay, peer, client = self.node()
        latest = client.get(BASE + "/usages/latest").json
        self.assertEqual((latest["current"], latest["remaining"]), (3, None))
        self.assertEqual(client.get(f"{BASE}/usages/{latest['month']}").json["current"], 3)
        # The Node client sends a body with this GET.
        months = client.ask("GET", BASE + "/usages?month_ago=2", {"month_ago": 2}).json["data"]
        self.assertEqual([m["current"] for m in months], [3, 0, 0])
        relay.cli("tenant", "set", "default", "--messages-per-month", 10)
        eventually(lambda: client.get(BASE + "/usages/latest").json["remaining"] == 7)
        for month in ("209912", "202613", "x", "20261"):
            self.assertErrors(client.get(f"{BASE}/usages/{month}"), 404, "main")
        self.assertErrors(client.get(BASE + "/usages?month_ago=x"), 400, "month_ago")


if __name__ == "__main__":
    support.main()
