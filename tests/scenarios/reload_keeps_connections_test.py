"""Goal: a new configuration is in force within a second, no connection dropped; a bad one is
refused whole.
Method: an open session across `ekiden reload` and SIGHUP; a typing error."""
import signal

import support
from support import eventually, message


class Reload(support.Scenario):
    def test_a_session_lives_on_and_new_ones_see_the_new_limits(self):
        relay, peer = self.relay_to_peer()
        old = relay.wire()
        old.greet()
        self.assertReply(old.command("MAIL FROM:<a@client.test>"), 250)
        relay.settings["limits"] = {"message_size": "200KiB"}
        relay.reload()
        eventually(lambda: relay.wire().greet()["SIZE"] == str(200 * 1024), 2)
        self.assertReply(old.command("RCPT TO:<b@dest.test>"), 250)
        self.assertReply(old.command("DATA"), 354)
        old.send(message() + b"\r\n.\r\n")
        self.assertReply(old.reply(), 250)
        eventually(lambda: peer.received)

    def test_sighup_is_the_same(self):
        relay, _ = self.relay_to_peer()
        relay.settings["limits"] = {"message_size": "300KiB"}
        relay.write()
        relay.process.signal(signal.SIGHUP)
        eventually(lambda: relay.wire().greet()["SIZE"] == str(300 * 1024), 2)

    def test_routes_and_listeners_change_while_running(self):
        relay, first = self.relay_to_peer()
        second = self.peer()
        relay.settings["route"] = []
        relay.route_to(second.port)
        added = relay.listener("relay", "off", trusted_networks=["127.0.0.0/8"])
        relay.reload()
        relay.send(port=eventually(lambda: self.listens(added), 3) and added)
        eventually(lambda: second.received)
        self.assertEqual(first.received, [])
        del relay.settings["listener"][-1]
        relay.reload()
        eventually(lambda: not self.listens(added), 3)

    def listens(self, port):
        with support.socket.socket() as probe:
            return probe.connect_ex((support.LOOPBACK, port)) == 0

    def test_a_bad_file_is_refused_whole_with_file_line_and_hint(self):
        relay, peer = self.relay_to_peer()
        relay.settings["limits"] = {"message_size": "200KiB", "recipients_per_mesage": 3}
        relay.write()
        done = relay.run("reload")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        said = done.stdout + done.stderr
        self.assertIn("ekiden.toml:", said)
        self.assertIn("recipients_per_message", said, "the nearest valid key")
        self.assertNotEqual(relay.wire().greet()["SIZE"], str(200 * 1024))
        relay.send()
        eventually(lambda: peer.received)

    def test_certificates_are_read_again(self):
        relay = self.relay()
        authority = self.certificates()
        relay.use_tls(authority, "old.test")
        port = relay.listener("relay", "implicit", trusted_networks=["127.0.0.0/8"])
        relay.start()

        def names():
            wire = relay.wire(port)
            wire.start_tls()
            return wire.sock.getpeercert(binary_form=True)
        before = names()
        relay.use_tls(authority, "new.test")
        relay.reload()
        eventually(lambda: names() != before, 3)


if __name__ == "__main__":
    support.main()
