"""Goal: every key does what docs/CONFIG.md says, or the relay says that it does not yet.
Method: node.id in message ids, strict_syntax at a listener, http.services per address, and the
warnings for what later versions will serve."""
import json
import re
import urllib.error
import urllib.request

import support
from support import LOOPBACK, eventually, free_port, message

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def node_of(message_id):
    """The node's part of an id: the low 16 of the high 64 bits (base/ids.hpp)."""
    number = 0
    for digit in message_id:
        number = number * 32 + ALPHABET.index(digit)
    return (number >> 64) & 0xFFFF


class SettingsTakeEffect(support.Scenario):
    def send(self, relay, sender="a@client.test"):
        wire = relay.wire()
        wire.greet()
        reply = wire.transaction(sender, ["b@dest.test"], message())
        self.assertReply(reply, 250)
        return re.search(r"queued as (\w+)", reply.text).group(1)

    def test_the_node_is_in_every_id(self):
        relay, peer = self.relay_to_peer(start=False)
        relay.settings["node"]["id"] = 4711
        relay.start()
        self.assertEqual(node_of(self.send(relay)), 4711)
        # Also in what the relay writes itself.
        peer.on("RCPT", lambda s, line: "550 5.1.1 no" if "b@dest.test" in line else None)
        self.send(relay)
        bounce = eventually(lambda: [t for t in peer.received if t.sender == ""])[0]
        message_id = re.search(r"Message-ID: <(\w+)", bounce.data.decode()).group(1)
        self.assertEqual(node_of(message_id[:26]), 4711)
        relay.settings["node"]["id"] = 4712
        relay.write()
        self.assertIn("node.id has changed; it needs a restart", self.said(relay, "reload"))
        self.assertEqual(node_of(self.send(relay, "")), 4711)

    def said(self, relay, *command):
        done = relay.run(*command)
        return done.stdout + done.stderr

    def test_strict_syntax_refuses_what_the_rfc_does(self):
        relay, peer = self.relay_to_peer(start=False)
        strict = relay.listener("relay", "off", trusted_networks=["127.0.0.0/8"],
                                strict_syntax=True)
        relay.start()
        for command, refusal in (("MAIL FROM: <a@client.test>", (501, "5.5.4")),
                                 ("MAIL  FROM:<a@client.test>", (501, "5.5.4")),
                                 ("MAIL FROM:<a..b@client.test>", (501, "5.1.7"))):
            with self.subTest(command=command):
                lenient, exact = relay.wire(), relay.wire(strict)
                lenient.greet()
                exact.greet()
                self.assertReply(lenient.command(command), 250)
                self.assertReply(exact.command(command), *refusal)
        relay.send(port=strict)
        eventually(lambda: peer.received)

    def get(self, port, path):
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}",
                                        timeout=5 * support.SLOW) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def test_an_http_address_serves_its_services_and_a_problem_for_the_rest(self):
        relay, _ = self.relay_to_peer(start=False)
        other = free_port()
        relay.settings["http"].append(
            {"address": f"{LOOPBACK}:{other}", "services": ["api", "console"]})
        relay.start()
        self.assertEqual(self.get(relay.http, "/metrics")[0], 200)
        self.assertEqual(self.get(other, "/healthz")[0], 200)
        for port, path in ((other, "/metrics"), (other, "/api/messages"), (other, "/"),
                           (relay.http, "/console/"), (relay.http, "/v1/key")):
            with self.subTest(port=port, path=path):
                status, headers, body = self.get(port, path)
                self.assertEqual(status, 404)
                self.assertEqual(headers["Content-Type"], "application/problem+json")
                problem = json.loads(body)
                self.assertEqual((problem["status"], problem["title"]), (404, "Not Found"))
        self.assertEqual(self.get(other, "/v1/key")[0], 401)
        words = 'warning: http.services: this build does not serve "console" yet'
        self.assertIn(words, self.said(relay, "config", "check"))
        self.assertIn(words, relay.log(), "also at the start")

    def test_keys_without_effect_say_so(self):
        relay, _ = self.relay_to_peer()
        relay.settings["public"] = {"url": "https://mail.example.jp"}
        relay.settings["http"][0]["trusted_proxies"] = ["127.0.0.0/8"]
        relay.settings["delivery"].update(mta_sts="off", mta_sts_port=8443)
        relay.write()
        done = relay.run("config", "check")
        self.assertEqual(done.returncode, 0)
        for key in ("public.url", "http.trusted_proxies", "delivery.mta_sts_port"):
            self.assertIn(f"warning: {key} has no effect", done.stdout + done.stderr)


if __name__ == "__main__":
    support.main()
