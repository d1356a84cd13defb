"""Goal: a list of a million addresses is taken over HTTP, counts at once, and goes again.
Method: http.client against the real relay."""
import support
from http_admin_test import Admin


class Lists(Admin):
    def test_a_million_rows_are_taken(self):
        relay, root, shop, other = self.node()
        rows = b"".join(b"u%d@dest.test\n" % i for i in range(1_000_000))
        shop.timeout *= 5
        answer = shop.ask("POST", "/v1/suppressions/import", raw=rows)
        self.assertEqual((answer.status, answer.json["added"]), (200, 1_000_000))
        self.assertTrue(shop.get("/v1/suppressions/u999999@dest.test").json["suppressed"])
        self.assertEqual(shop.ask("DELETE", "/v1/suppressions?all=true").json,
                         {"removed": 1_000_000})

    def test_a_job_takes_a_million_rows_and_no_more(self):
        relay, root, shop, other = self.node()
        shop.timeout *= 5
        job = "/v1/jobs/" + shop.post("/v1/jobs", {"content": {
            "from": "a@client.test", "subject": "s", "text": "t"}}).json["id"]
        sheet = {"Content-Type": "text/csv"}
        for part in range(4):
            rows = b"email,name\n" + b"".join(b"u%d@dest.test,n\n" % i for i in range(
                part * 250_000, (part + 1) * 250_000))
            answer = shop.ask("POST", job + "/recipients", raw=rows, headers=sheet)
            self.assertEqual((answer.status, answer.json["imported"]), (200, 250_000), answer)
        over = shop.ask("POST", job + "/recipients", raw=b"email\nu1@dest.test\nx@dest.test\n",
                        headers=sheet).json
        self.assertEqual([(e["line"], e["code"]) for e in over["errors"]],
                         [(2, "too_many"), (3, "too_many")])
        self.assertEqual(shop.get(job).json["recipients"], 1_000_000)
        # Every line is wrong: counted all, the first of them named.
        bad = shop.ask("POST", job + "/recipients", raw=b"email\n" + b"\"never closed\n" * 300_000,
                       headers=sheet).json
        self.assertEqual(bad["imported"], 0)
        self.assertGreater(bad["refused"], 100_000)
        report = shop.get(bad["report"]).body.count(b"\r\n")
        self.assertLess(report, 20_000)
        self.assertEqual(shop.ask("DELETE", job).status, 200)


if __name__ == "__main__":
    support.main()
