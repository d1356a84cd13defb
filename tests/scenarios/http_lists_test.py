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


if __name__ == "__main__":
    support.main()
