"""Goal: one click on a List-Unsubscribe link ends a stream for its recipient (RFC 8058), and
nothing else does.
Method: the link out of a delivered message, fetched and posted over HTTP; forged and odd ones."""
import re
import urllib.error
import urllib.request

import support
from support import LOOPBACK, eventually, message

ONE_CLICK = b"List-Unsubscribe=One-Click"


class Unsubscribe(support.Scenario):
    def start(self):
        peer = self.peer()
        relay = self.relay()
        relay.route_to(peer.port)
        relay.public = support.free_port()
        relay.settings["http"].append({"address": f"{LOOPBACK}:{relay.public}",
                                       "services": ["public"]})
        relay.settings["public"] = {"url": "https://mail.example.jp"}
        relay.settings["rewrite"] = [
            {"list_unsubscribe": ["https://mail.example.jp/unsubscribe/{token}"]}]
        relay.start()
        return relay, peer

    def link(self, relay, peer, stream="news"):
        before = len(peer.received)
        relay.send(body=message(X_Ekiden_Stream=stream))
        got = eventually(lambda: peer.received[before:])[0]
        self.assertEqual(got.header("List-Unsubscribe-Post"), ONE_CLICK.decode())
        eventually(lambda: len([e for e in relay.events("b@dest.test") if e["kind"] == "accepted"])
                   > before, what="the event of the message")
        return re.search(r"https://mail.example.jp(/unsubscribe/[^>]+)>",
                         got.header("List-Unsubscribe")).group(1)

    def request(self, relay, path, data=None, headers=None):
        """Status, headers and body; redirects are not followed."""
        request = urllib.request.Request(f"http://{LOOPBACK}:{relay.public}{path}", data=data,
                                         headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=10 * support.SLOW) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def is_suppressed(self, relay):
        return relay.json("suppression", "show", "b@dest.test")["suppressed"]

    def test_a_post_ends_the_stream_at_once_and_a_get_changes_nothing(self):
        relay, peer = self.start()
        link = self.link(relay, peer)
        status, headers, page = self.request(relay, link)
        self.assertEqual(status, 200)
        self.assertIn("<form method=\"post\">", page)
        self.assertIsNone(headers["Set-Cookie"])
        self.assertEqual(headers["Referrer-Policy"], "no-referrer")
        self.assertFalse(self.is_suppressed(relay))
        status, headers, page = self.request(relay, link, ONE_CLICK)
        self.assertEqual(status, 200, page)
        self.assertIsNone(headers["Location"])
        entry = relay.json("suppression", "show", "b@dest.test")["entries"][0]
        self.assertEqual((entry["reason"], entry["stream"]), ("unsubscribe", "news"))
        events = relay.wait_for_event("b@dest.test", "unsubscribed")
        self.assertEqual(events[-1]["stream"], "news")
        # Twice is once.
        self.assertEqual(self.request(relay, link, ONE_CLICK)[0], 200)
        self.assertEqual(len(relay.json("suppression", "show", "b@dest.test")["entries"]), 1)
        taken = len(peer.received)
        relay.send(body=message(X_Ekiden_Stream="news"))
        relay.wait_for_event("b@dest.test", "suppressed")
        relay.send(body=message(X_Ekiden_Stream="offers"))
        eventually(lambda: len(peer.received) == taken + 1)
        self.assertEqual([e["kind"] for e in relay.events("b@dest.test")].count("unsubscribed"), 1)

    def test_the_page_speaks_japanese_and_english(self):
        relay, peer = self.start()
        link = self.link(relay, peer)
        _, headers, page = self.request(relay, link, headers={"Accept-Language": "ja,en;q=0.5"})
        self.assertEqual(headers["Content-Language"], "ja")
        self.assertIn("配信を停止する", page)
        self.assertIn("Unsubscribe", self.request(relay, link)[2])

    def test_transactional_mail_goes_on(self):
        relay, peer = self.start()
        link = self.link(relay, peer, "transactional")
        self.assertEqual(self.request(relay, link, ONE_CLICK)[0], 200)
        relay.wait_for_event("b@dest.test", "unsubscribed")
        self.assertFalse(self.is_suppressed(relay))

    def test_a_form_of_several_parts_is_understood(self):
        relay, peer = self.start()
        link = self.link(relay, peer)
        body = (b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
                b"One-Click\r\n--x--\r\n")
        status, _, page = self.request(relay, link, body,
                                       {"Content-Type": "multipart/form-data; boundary=x"})
        self.assertEqual(status, 200, page)
        self.assertTrue(self.is_suppressed(relay))

    def test_forged_damaged_and_foreign_requests_change_nothing(self):
        relay, peer = self.start()
        link = self.link(relay, peer)
        flipped = link[:-10] + ("a" if link[-10] != "a" else "b") + link[-9:]
        for path in (flipped, "/unsubscribe/", "/unsubscribe/x", link + "a",
                     "/unsubscribe/" + "a" * 5000):
            self.assertEqual(self.request(relay, path, ONE_CLICK)[0], 403, path)
            self.assertEqual(self.request(relay, path)[0], 403, path)
        for body in (b"", b"List-Unsubscribe=No", b"x" * 1000, b"{}"):
            self.assertEqual(self.request(relay, link, body)[0], 400, body)
        self.assertEqual(self.request(relay, link, b"x" * 20_000)[0], 413)
        self.assertEqual(self.request(relay, "/metrics")[0], 404)
        self.assertFalse(self.is_suppressed(relay))

    def test_a_link_whose_message_is_forgotten_is_refused_clearly(self):
        relay, peer = self.start()
        link = self.link(relay, peer)
        for file in (relay.data / "events").glob("*.db*"):
            file.unlink()
        # Of a message that is seconds old the event may still come: then it is 503.
        eventually(lambda: self.request(relay, link, ONE_CLICK)[0] == 410)
        self.assertIn("too old", self.request(relay, link, ONE_CLICK)[2])


if __name__ == "__main__":
    support.main()
