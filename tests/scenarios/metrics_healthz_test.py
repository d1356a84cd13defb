"""Goal: /metrics balances, /healthz tells the truth, and HTTP nonsense does no harm.
Method: a mix of ends; the invariant of docs/FLOW.md; malformed requests."""
import support
from support import LOOPBACK, eventually


class Metrics(support.Scenario):
    def test_the_invariant_holds_over_a_mix_of_ends(self):
        relay, peer = self.relay_to_peer()
        peer.on("RCPT", lambda s, line: "550 5.1.1 no" if "bad" in line else
                "450 4.2.1 later" if "late" in line else None)
        relay.route("never.test", next_hop="discard")
        relay.settings["route"].reverse()
        relay.restart()
        relay.send(recipients=["good@dest.test", "bad@dest.test", "late@dest.test"])
        relay.send(recipients=["x@never.test"])
        eventually(lambda: relay.metric("ekiden_recipients_bounced_total") == 1)
        eventually(lambda: relay.metric("ekiden_recipients_delivered_total") == 2)
        m = relay.metrics()
        came = m["ekiden_inbound_recipients_total"] + m["ekiden_recipients_generated_total"]
        went = sum(m[f"ekiden_recipients_{end}_total"]
                   for end in ("delivered", "bounced", "expired", "cancelled"))
        self.assertEqual(came, went + m["ekiden_recipients_queued"])
        self.assertEqual(m["ekiden_recipients_unaccounted"], 0)

    def test_the_invariant_holds_over_a_restart_and_what_operators_do(self):
        relay, peer = self.relay_to_peer()
        peer.on("RCPT", lambda s, line: "450 4.2.1 later" if "late" in line else None)
        relay.send(recipients=[f"late{i}@dest.test" for i in range(4)] + ["good@dest.test"])
        eventually(lambda: relay.metric("ekiden_recipients_delivered_total") == 1)
        relay.restart()
        self.assertEqual(relay.metric("ekiden_recipients_recovered_total"), 4)
        self.assertEqual(relay.metric("ekiden_recipients_unaccounted"), 0)
        other = self.peer()
        relay.cli("queue", "delete", "--recipient", "late0@dest.test")
        relay.cli("queue", "bounce", "--recipient", "late1@dest.test")
        relay.cli("queue", "hold", "--recipient", "late2@dest.test")
        relay.cli("queue", "reroute", "--recipient", "late3@dest.test", "--to",
                  f"127.0.0.1:{other.port}")
        eventually(lambda: other.recipients() == ["late3@dest.test"])
        eventually(lambda: relay.metric("ekiden_recipients_queued") == 1)
        m = eventually(lambda: (m := relay.metrics())["ekiden_recipients_unaccounted"] == 0 and m)
        for end, count in {"cancelled": 1, "bounced": 1, "expanded": 1, "added": 1,
                           "generated": 1, "delivered": 2, "quarantined": 0}.items():
            self.assertEqual(m[f"ekiden_recipients_{end}_total"], count, end)

    def test_the_exposition_format_is_right(self):
        relay, _ = self.relay_to_peer()
        status, text = relay.get("/metrics")
        self.assertEqual(status, 200)
        types = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
        self.assertEqual(len(types), len(set(types)), "each name has one type")
        for line in text.splitlines():
            self.assertRegex(line, r"^(# (HELP|TYPE) .+|[a-zA-Z_:][\w:]*(\{.*\})? \S+)?$")

    def test_healthz_is_about_now(self):
        relay, _ = self.relay_to_peer()
        self.assertEqual(relay.get("/healthz")[0], 200)
        self.assertEqual(relay.get("/nothing-here")[0], 404)

    def test_malformed_http_is_refused_and_the_relay_lives(self):
        relay, _ = self.relay_to_peer()
        for request in (b"\0" * 100, b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
                        b"GET / HTTP/9.9\r\n\r\n", b"POST /metrics HTTP/1.1\r\n"
                        b"Content-Length: 99999999999999\r\n\r\n", b"GET /healthz HTTP/1.1\r\n" +
                        b"".join(b"X-%d: y\r\n" % i for i in range(100000)) + b"\r\n"):
            with support.socket.create_connection((LOOPBACK, relay.http), 5) as s:
                try:
                    s.sendall(request)
                    s.settimeout(5)
                    answer = s.recv(100)
                    self.assertTrue(not answer or answer.startswith(b"HTTP/1.") and
                                    b" 200 " not in answer.split(b"\r\n")[0], answer)
                except ConnectionError:
                    pass
                except TimeoutError:
                    self.fail(f"no answer to {request[:40]}")
        self.assertHealthy(relay)


if __name__ == "__main__":
    support.main()
