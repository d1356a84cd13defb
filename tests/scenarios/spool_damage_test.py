"""Goal: a damaged record is set aside, kept and reported, and blocks nothing else.
Method: held messages; one octet flipped in the middle of one of them, wherever it lies."""
import support
from support import eventually, message


class SpoolDamage(support.Scenario):
    def test_one_bad_octet_costs_one_message_and_says_so(self):
        peer = self.peer()
        relay = self.relay()
        relay.route("*", next_hop="hold")
        relay.start()
        for i in range(20):
            relay.send(sender="", recipients=[f"r{i}@dest.test"],
                       body=message(body=f"marker-{i:03}-" + "x" * 200 + "\r\n"))
        relay.stop()
        self.assertEqual(relay.run("spool", "verify").returncode, 0)
        damaged = 0
        for file in relay.data.rglob("*"):
            if not file.is_file() or file.suffix in (".db", ".db-wal", ".sqlite"):
                continue
            octets = bytearray(file.read_bytes())
            at = octets.find(b"marker-007-")
            if at >= 0:
                octets[at + 20] ^= 1
                file.write_bytes(octets)
                damaged += 1
        self.assertGreater(damaged, 0, "the message lies in some file")
        done = relay.run("spool", "verify")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        relay.settings["route"] = []
        relay.route_to(peer.port)
        relay.start()
        relay.run("queue", "release", "--domain", "dest.test")
        expected = sorted(f"r{i}@dest.test" for i in range(20) if i != 7)
        eventually(lambda: len(peer.recipients()) >= 19, 20)
        support.time.sleep(0.5)
        self.assertEqual(sorted(peer.recipients()), expected)
        self.assertHealthy(relay)

    def test_garbage_in_the_spool_s_folder_does_not_stop_the_start(self):
        relay, peer = self.relay_to_peer()
        relay.stop()
        for folder in [p for p in relay.data.rglob("*") if p.is_dir()]:
            (folder / "garbage").write_bytes(b"\0" * 100)
        relay.start()
        relay.send()
        eventually(lambda: peer.received)


if __name__ == "__main__":
    support.main()
