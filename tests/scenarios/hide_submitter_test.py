"""Goal: a listener that hides its submitters tells no next hop who they are; one that does not, does.
Method: the Received line at the peer, with and without `hide_submitter`; an unknown key refused."""
import support
from support import eventually


class HideSubmitter(support.Scenario):
    def received_line(self, **listener):
        relay, peer = self.relay_to_peer(start=False)
        relay.settings["listener"][0].update(listener)
        relay.start()
        wire = relay.wire()
        wire.greet("secret-host.client.test")
        wire.transaction("a@client.test", ["b@dest.test"], support.message())
        taken = eventually(lambda: peer.received)[0]
        header = taken.data.split(b"\r\n\r\n")[0].replace(b"\r\n\t", b" ").replace(b"\r\n ", b" ")
        return [l for l in header.split(b"\r\n") if l.lower().startswith(b"received:")][0]

    def test_the_submitter_is_named_by_default(self):
        line = self.received_line()
        self.assertIn(b"secret-host.client.test", line)
        self.assertIn(b"127.0.0.1", line)

    def test_a_listener_that_hides_names_neither_host_nor_address(self):
        line = self.received_line(hide_submitter=True)
        self.assertNotIn(b"secret-host", line)
        self.assertNotIn(b"127.0.0.1", line)

    def test_a_misspelt_key_is_refused_with_the_nearest(self):
        relay = self.relay()
        relay.settings["listener"][0]["hide_submiter"] = True
        relay.write()
        checked = relay.run("config", "check")
        self.assertEqual(checked.returncode, 1)
        self.assertIn('"hide_submitter"', checked.stdout + checked.stderr)


if __name__ == "__main__":
    support.main()
