"""Goal: a message is shown and sent again as it was accepted, while it is queued and afterwards only
where a tenant or stream keeps copies, which nobody reads on the disk and an erasure reaches.
Method: a relay with the API before a peer that defers and takes."""
import support
from httpapi import Client, HttpApi
from support import eventually


class ArchiveResend(HttpApi):
    def folder_octets(self, relay):
        folder = relay.data / "archive"
        return b"".join(f.read_bytes() for f in folder.iterdir()) if folder.exists() else b""

    def kept(self, relay, client, id):
        """The original, once the archive has it and the queue has not."""
        relay.wait_for_event("b@dest.test", "delivered")
        return eventually(lambda: (a := client.get(f"/v1/messages/{id}/original")).status == 200
                          and a)

    def test_without_an_archive_it_is_gone_with_the_queue(self):
        relay, peer, client = self.relay_with_api()
        id = client.send(to=["b@dest.test", "c@dest.test"]).json["id"]
        relay.wait_for_event("c@dest.test", "delivered")
        gone = eventually(lambda: (a := client.get(f"/v1/messages/{id}/original")).status == 410
                          and a)
        self.assertProblem(gone, 410, "gone")
        self.assertIn("archive is off", gone.json["detail"])
        japanese = client.get(f"/v1/messages/{id}/original", headers={"Accept-Language": "ja"})
        self.assertIn("archive", japanese.json["detail"])
        self.assertProblem(client.post(f"/v1/messages/{id}/resend"), 410, "gone")
        self.assertEqual(self.folder_octets(relay), b"")

    def test_queued_originals_are_shown_and_sent_to_some(self):
        relay, peer, client = self.relay_with_api()
        refuses = ["451 4.7.1 later"]
        peer.on("RCPT", lambda s, line: refuses[0] if refuses else None)
        sent = client.send(to=["b@dest.test", "c@dest.test"], subject="ご注文", tags=["order"],
                           stream="bulk").json["id"]
        relay.wait_for_event("b@dest.test", "deferred")
        original = client.get(f"/v1/messages/{sent}/original")
        self.assertEqual(original.status, 200, original)
        self.assertEqual(original.headers["Content-Type"], "message/rfc822")
        self.assertIn(b"Subject: =?", original.body)
        path = f"/v1/messages/{sent}/resend"
        self.assertProblem(client.post(path, {"recipients": ["x@dest.test"]}), 422,
                           "invalid-request", "/recipients/0")
        for bad in ({"recipients": []}, {"recipients": "b@dest.test"}, {"to": ["b@dest.test"]},
                    {"recipients": [1]}):
            self.assertProblem(client.post(path, bad), 422, "invalid-request")
        self.assertProblem(client.post(path, raw=b"{", headers={"Content-Type":
                                                                "application/json"}),
                           400, "not-json")
        refuses.clear()
        key = {"Idempotency-Key": "once"}
        again = client.post(path, {"recipients": ["c@DEST.test"]}, headers=key)
        self.assertEqual(again.status, 202, again)
        self.assertEqual((again.json["recipients"], again.json["resent"]), (1, sent))
        self.assertNotEqual(again.json["id"], sent)
        twice = client.post(path, {"recipients": ["c@DEST.test"]}, headers=key)
        self.assertEqual((twice.status, twice.json), (202, again.json))
        self.assertEqual(twice.headers["Idempotent-Replayed"], "true")
        done = eventually(lambda: (m := client.get("/v1/messages/" + again.json["id"]).json) and
                          m["recipients"][0]["status"] == "delivered" and m)
        self.assertEqual((done["stream"], done["tags"]), ("bulk", ["order"]))
        taken = [t for t in peer.received if t.addresses == ["c@dest.test"]]
        # Once at least: the first message is tried again, too.
        self.assertGreaterEqual(len(taken), 1)
        self.assertEqual(taken[0].sender, "shop@client.test")
        self.assertNotIn(b"x-ekiden", taken[0].data.lower())

    def test_afterwards_where_an_archive_is_kept(self):
        relay, peer, client = self.relay_with_api()
        relay.cli("tenant", "set", "default", "--archive", "transactional")
        self.assertEqual(relay.json("tenant", "show", "default")["archive"], "transactional")
        # A running relay knows within a second.
        eventually(lambda: client.send(subject="warm-up").status == 202 and
                   self.folder_octets(relay))
        sent = client.send(subject="SecretWord in the subject", text="SecretWord\n",
                           metadata={"order": 17}).json["id"]
        bulk = client.send(stream="bulk", to="bulk@dest.test").json["id"]
        original = self.kept(relay, client, sent)
        self.assertIn(b"SecretWord", original.body)
        self.assertNotIn(b"SecretWord", self.folder_octets(relay))
        self.assertNotIn(b"b@dest.test", self.folder_octets(relay))
        relay.wait_for_event("bulk@dest.test", "delivered")
        gone = eventually(lambda: (a := client.get(f"/v1/messages/{bulk}/original")).status == 410
                          and a)
        self.assertIn("archive is off", gone.json["detail"])
        # Of another tenant's key there is nothing.
        relay.cli("tenant", "add", "stranger")
        other = Client(relay.http, self.key(relay, "other", "--tenant", "stranger"))
        self.assertProblem(eventually(lambda: (a := other.get(f"/v1/messages/{sent}/original"))
                                      .status == 404 and a), 404, "no-such-message")
        again = client.post(f"/v1/messages/{sent}/resend")
        self.assertEqual(again.status, 202, again)
        eventually(lambda: sum(b"SecretWord" in t.data for t in peer.received) == 2)
        # After a restart, and from the files alone.
        relay.restart()
        self.assertIn(b"SecretWord", client.get(f"/v1/messages/{sent}/original").body)

    def test_a_large_message_and_one_too_large(self):
        relay, peer, client = self.relay_with_api()
        relay.settings["archive"] = {"message_max": "3MiB"}
        relay.write()
        relay.restart()
        relay.cli("tenant", "set", "default", "--archive", "all")
        eventually(lambda: client.send(to="w@dest.test").status == 202 and
                   self.folder_octets(relay))
        large = client.send(text="x" * 70 + "\n" + "line of the body\n" * 120_000).json["id"]
        self.assertGreater(len(self.kept(relay, client, large).body), 2_000_000)
        huge = client.send(to="huge@dest.test", text="line of the body\n" * 250_000).json["id"]
        relay.wait_for_event("huge@dest.test", "delivered")
        gone = eventually(lambda: (a := client.get(f"/v1/messages/{huge}/original")).status == 410
                          and a)
        self.assertIn("too large", gone.json["detail"])

    def test_an_erasure_reaches_the_archive(self):
        relay, peer, client = self.relay_with_api()
        relay.cli("tenant", "set", "default", "--archive", "all")
        eventually(lambda: client.send(to="w@dest.test").status == 202 and
                   self.folder_octets(relay))
        sent = client.send(to=["b@dest.test", "c@dest.test"]).json["id"]
        self.kept(relay, client, sent)
        erased = relay.json("events", "erase", "--recipient", "b@dest.test")
        self.assertEqual(erased["archived"], 1)
        gone = client.get(f"/v1/messages/{sent}/original")
        self.assertProblem(gone, 410, "gone")
        self.assertIn("erased", gone.json["detail"])
        for wrong in ("some stream", "a,", ""):
            relay.cli("tenant", "set", "default", "--archive", wrong, status=2)
        relay.cli("tenant", "set", "default", "--archive", "off")
        self.assertEqual(relay.json("tenant", "show", "default")["archive"], "off")


if __name__ == "__main__":
    support.main()
