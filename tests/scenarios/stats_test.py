"""Goal: mail is counted by time, tenant, stream, tag, domain and more, exactly, for tenants over HTTP
and for operators on the command line; what failed says what was said.
Method: a relay with a few ends of mail, asked while it runs and after a restart."""
import pathlib

import support
from httpapi import Client, HttpApi
from support import eventually


class Stats(HttpApi):
    def setUp(self):
        super().setUp()
        self.relay_, self.peer_, self.client = self.relay_with_api()
        self.greylisted = []

        def rcpt(session, line):
            if "bad" in line:
                return "550 5.1.1 no such user"
            if "late" in line and not self.greylisted:
                self.greylisted.append(line)
                return "451 4.7.1 come back later"
        self.peer_.on("RCPT", rcpt)

    def ends(self):
        for to, tags in (("a@dest.test", ["order"]), ("b@dest.test", ["order", "vip"]),
                         ("late@dest.test", []), ("bad@other.test", ["order"])):
            answer = self.client.send(to=to, tags=tags, subject="ご注文 十七号")
            self.assertEqual(answer.status, 202, answer)
        relay = self.relay_
        for recipient in ("a@dest.test", "b@dest.test", "late@dest.test"):
            relay.wait_for_event(recipient, "delivered")
        relay.wait_for_event("bad@other.test", "bounced")

    def test_counts_by_everything(self):
        self.ends()
        client, relay = self.client, self.relay_
        whole = client.get("/v1/stats").json
        self.assertEqual(whole["totals"],
                         {"accepted": 4, "delivered": 3, "deferred": 1, "bounced": 1})
        self.assertTrue(whole["is_complete"])
        self.assertEqual(sum(g["events"].get("delivered", 0) for g in whole["stats"]), 3)

        def by(what, query=""):
            return {g[what]: g["events"]
                    for g in client.get(f"/v1/stats?by={what}{query}").json["stats"]}
        self.assertEqual(by("domain"),
                         {"dest.test": {"accepted": 3, "delivered": 3, "deferred": 1},
                          "other.test": {"accepted": 1, "bounced": 1}})
        self.assertEqual(by("tag")["order"], {"accepted": 3, "delivered": 2, "bounced": 1})
        self.assertEqual(by("tag", "&tag=vip"), {"vip": {"accepted": 1, "delivered": 1}})
        self.assertEqual(by("domain", "&kind=bounced"), {"other.test": {"bounced": 1}})
        self.assertEqual(by("domain", "&code=451"), {"dest.test": {"deferred": 1}})
        rest = client.get("/v1/stats?by=tag&limit=1").json["stats"]
        self.assertEqual([(g["tag"], g.get("is_other", False)) for g in rest],
                         [("order", False), (None, True)])
        hours = client.get("/v1/stats?by=hour,stream").json["stats"]
        self.assertEqual({g["stream"] for g in hours}, {"transactional"})
        self.assertTrue(all(g["time"].endswith(":00:00Z") for g in hours))
        self.assertEqual(client.get("/v1/stats?until=2020-01-01T00:00:00Z"
                                    "&from=2019-01-01T00:00:00Z").json["totals"], {})
        for bad in ("by=year", "by=day,hour", "by=tag,domain", "by=", "status=delivered"):
            self.assertProblem(client.get("/v1/stats?" + bad), 422, "invalid-request")
        # The counts are in the files: the same after a restart, and without a relay.
        relay.restart()
        self.assertEqual(client.get("/v1/stats").json["totals"], whole["totals"])
        relay.stop()
        told = relay.json("stats", "--by", "tenant")
        self.assertEqual([(r["name"], r["events"]["accepted"]) for r in told["stats"]],
                         [("default", 4)])
        table = relay.cli("stats", "--by", "day,domain")
        self.assertIn("other.test", table)
        self.assertIn("BOUNCED", table)
        relay.cli("stats", "--by", "month", status=2)

    def test_a_tenant_counts_its_own_only(self):
        self.ends()
        self.relay_.cli("tenant", "add", "stranger")
        other = Client(self.relay_.http, self.key(self.relay_, "other", "--tenant", "stranger"))
        answer = eventually(lambda: (a := other.get("/v1/stats")).status == 200 and a)
        self.assertEqual(answer.json["totals"], {})

    def test_metrics_tell_outcomes_by_tenant_and_stream(self):
        self.ends()
        text = self.relay_.get("/metrics")[1]
        wanted = [line for line in text.splitlines() if line.startswith("ekiden_outcomes_total{")]
        bounced = [line for line in wanted if 'outcome="bounced"' in line]
        self.assertEqual(len(bounced), 1, wanted)
        self.assertIn('tenant="default"', bounced[0])
        self.assertIn('stream="transactional"', bounced[0])
        self.assertTrue(bounced[0].endswith(" 1"), bounced)

    def test_the_event_store_gives_way_to_mail(self):
        tasks = pathlib.Path(f"/proc/{self.relay_.process.child.pid}/task")
        nice = {(task / "comm").read_text().strip():
                int((task / "stat").read_text().rsplit(")", 1)[1].split()[16])
                for task in tasks.iterdir()}
        self.assertEqual((nice["events"] - nice["worker-0"], nice["archive"] - nice["worker-0"]),
                         (10, 10), nice)
        # A burst is caught up with: nothing waits in the end, and every event is there.
        for _ in range(4):
            self.client.send(to=[f"r{i}@dest.test" for i in range(500)])
        eventually(lambda: self.client.get("/v1/stats").json["totals"].get("delivered") == 2000)
        eventually(lambda: self.relay_.metric("ekiden_events_waiting") == 0)

    def test_what_was_said_is_told_with_what_failed(self):
        self.ends()
        client, relay = self.client, self.relay_
        late = client.get("/v1/messages?recipient=late@dest.test").json["messages"][0]
        events = client.get("/v1/messages/" + late["id"]).json["recipients"][0]["events"]
        told = {e["kind"]: e.get("transcript") for e in events}
        self.assertIsNone(told["accepted"])
        self.assertIn("C: RCPT TO:<late@dest.test>", told["deferred"])
        self.assertIn("S: 451 4.7.1 come back later", told["deferred"])
        self.assertTrue(told["deferred"][0].startswith("S: 220"), told)
        # The delivery behind a failure too, but not one at the first try.
        self.assertIn("C: DATA", told["delivered"])
        first = client.get("/v1/messages?recipient=a@dest.test").json["messages"][0]
        events = client.get("/v1/messages/" + first["id"]).json["recipients"][0]["events"]
        self.assertTrue(all("transcript" not in e for e in events), events)
        trace = relay.cli("message", "trace", late["id"])
        self.assertIn("    S: 451 4.7.1 come back later", trace)
        # Lists and exports have no room for it.
        self.assertNotIn("transcript", str(client.get("/v1/events").json))

    def test_search_by_what_an_attempt_was_told(self):
        self.ends()
        client = self.client

        def found(query):
            return sorted(m["recipient"]
                          for m in client.get("/v1/messages?" + query).json["messages"])
        self.assertEqual(found("status=bounced"), ["bad@other.test"])
        self.assertEqual(found("code=5.1.1"), ["bad@other.test"])
        self.assertEqual(found("code=4"), ["late@dest.test"])
        self.assertEqual(found("code=550&tag=vip"), [])
        self.assertEqual(found("sender=shop@client.test"),
                         ["a@dest.test", "b@dest.test", "bad@other.test", "late@dest.test"])
        self.assertEqual(found("subject=%E6%96%87%20%E5%8D%81"),
                         ["a@dest.test", "b@dest.test", "bad@other.test", "late@dest.test"])
        self.assertEqual(found("provider=nobody"), [])
        listed = self.relay_.json("events", "search", "--subject", "注文", "--kind", "bounced")
        self.assertEqual([e["recipient"] for e in listed["events"]], ["bad@other.test"])


if __name__ == "__main__":
    support.main()
