"""Goal: tenant and stream come from the credential or listener; X-Ekiden headers choose for those
who may, and never leave the relay.
Method: held mail looked at with `queue list`; headers at the peer; a stranger's headers."""
import smtplib

import support
from support import LOOPBACK, eventually, message


class TenantAndStream(support.Scenario):
    def held(self, **listener):
        relay = self.relay()
        relay.settings["listener"][0].update(listener)
        relay.route("*", next_hop="hold")
        return relay

    def test_the_listener_s_stream_and_the_header_s(self):
        relay = self.held(stream="bulk").start()
        relay.send(recipients=["one@dest.test"])
        relay.send(recipients=["two@dest.test"], body=message(X_Ekiden_Stream="news"))
        eventually(lambda: len(relay.queue()) == 2)
        streams = {r["recipient"]: r["stream"] for r in relay.queue()}
        self.assertEqual(streams, {"one@dest.test": "bulk", "two@dest.test": "news"})
        self.assertEqual(len(relay.queue("--stream", "news")), 1)

    def test_the_headers_never_leave(self):
        relay, peer = self.relay_to_peer()
        relay.send(body=message(X_Ekiden_Stream="bulk", X_Ekiden_Tag="t",
                                X_Ekiden_Metadata='{"k":1}'))
        taken = eventually(lambda: peer.received)[0]
        self.assertNotIn(b"x-ekiden", taken.data.lower())
        delivered = relay.wait_for_event("b@dest.test", "delivered")[-1]
        self.assertEqual((delivered["stream"], delivered["tags"]), ("bulk", ["t"]))

    def test_the_credential_gives_tenant_and_stream(self):
        relay = self.held()
        relay.use_tls(self.certificates())
        port = relay.listener("submission", "starttls")
        relay.start()
        relay.cli("tenant", "add", "acme")
        relay.user_add("app", "correct horse", "--tenant", "acme", "--stream", "bulk")

        def send():
            with smtplib.SMTP(LOOPBACK, port, timeout=20) as client:
                client.starttls()
                try:
                    client.login("app", "correct horse")
                except smtplib.SMTPAuthenticationError:
                    return False
                client.sendmail("a@client.test", ["b@dest.test"], message())
                return True
        eventually(send)
        one = eventually(relay.queue)[0]
        self.assertEqual((one["tenant"], one["stream"]), ("acme", "bulk"))

    def test_an_unknown_tenant_is_refused_with_a_hint(self):
        relay = self.held().start()
        done = relay.run("user", "add", "app", "--password-stdin", "--tenant", "acme",
                         stdin="correct horse\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("default", done.stderr)

    def test_nonsense_in_the_headers_is_refused_or_ignored_never_fatal(self):
        relay, _ = self.relay_to_peer()
        wire = relay.wire()
        wire.greet()
        for headers in ({"X_Ekiden_Stream": "no such stream!"}, {"X_Ekiden_Metadata": "{not json"},
                        {"X_Ekiden_Send_At": "yesterdayish"}, {"X_Ekiden_Stream": "x" * 5000}):
            reply = wire.transaction("a@client.test", ["b@dest.test"], message(**headers))
            self.assertIn(reply.code, (250, 550, 554), f"{headers}: {reply}")
        self.assertHealthy(relay)

    def test_auth_on_mail_is_accepted(self):
        relay, _ = self.relay_to_peer()
        wire = relay.wire()
        if "AUTH" in wire.greet():
            for value in ("<>", "e+3Dmc2@example.test"):
                self.assertReply(wire.command(f"MAIL FROM:<a@client.test> AUTH={value}"), 250)
                self.assertReply(wire.command("RSET"), 250)


if __name__ == "__main__":
    support.main()
