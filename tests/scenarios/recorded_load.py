"""A load on the real binary whose every change of the disk, and every promise, is recorded.

Clients and next hops write down in the recording what they saw, so that tests/powerloss can say of
any point of it what must be on the disk (tests/powerloss/witness.hpp names the rules).
"""
import errno
import random
import re
import threading

import support
from faultdisk import RENAME, SYNC, SYNC_FOLDER, WRITE, FaultDisk
from peer import Peer
from support import Closed

ID = re.compile(rb"\bid ([0-9a-hjkmnp-tv-z]{26})\b")
LINE = "x" * 76 + "\r\n"


class NotingPeer(Peer):
    """Notes each recipient before it says 250. Refuses some for now."""

    def __init__(self, faults, chance):
        self.faults = faults
        super().__init__()
        self.on("RCPT", lambda session, line:
                "450 4.2.1 later" if chance.random() < 0.15 else None)

    async def _end(self, session, writer, transaction, line, data):
        name = ID.search(data[:2000]).group(1).decode()
        for address in transaction.addresses:
            self.faults.note(f"delivered {name} {address}")
        await super()._end(session, writer, transaction, line, data)


class RecordedLoad:
    def __init__(self, scenario, seed):
        self.scenario, self.chance = scenario, random.Random(seed)
        self.faults = FaultDisk(scenario.folder, records=True)
        scenario.addCleanup(self.faults.close)
        self.peer = NotingPeer(self.faults, random.Random(seed + 1))
        scenario.addCleanup(self.peer.stop)
        self.relay = scenario.relay()
        # Part of it is delivered, part stays: a disk without either would show half of the truth.
        self.relay.route("stays.test", next_hop="hold")
        self.relay.route_to(self.peer.port)
        self.faults.watch(self.relay)
        self.stopping, self.lock = threading.Event(), threading.Lock()
        self.accepted = self.refused = 0

    def octets(self, chance):
        lot = chance.random()
        return 1_500_000 if lot < 0.02 else 400_000 if lot < 0.12 else chance.randrange(100, 9000)

    def client(self, number, seed):
        chance = random.Random(seed)
        serial = 0
        while not self.stopping.is_set():
            try:
                wire = support.Wire(self.relay.port, timeout=10)
            except OSError:
                self.stopping.wait(0.02)
                continue
            try:
                wire.greet()
                while not self.stopping.is_set():
                    serial += 1
                    tag = f"c{number}-{serial}"
                    count = chance.choice((1, 1, 1, 2, 3))
                    domain = "stays.test" if chance.random() < 0.1 else "goes.test"
                    recipients = [f"{tag}.{i + 1}of{count}@{domain}" for i in range(count)]
                    body = LINE * (self.octets(chance) // len(LINE)) + f"end {tag}"
                    reply = wire.transaction(f"{tag}@client.test", recipients,
                                             support.message(body=body))
                    if reply.code >= 400:
                        # After it was said, so that it binds.
                        self.faults.note(f"refused {tag}")
                    with self.lock:
                        self.accepted += reply.code == 250
                        self.refused += reply.code >= 400
            except (OSError, Closed):
                pass
            finally:
                wire.close()

    def run(self, seconds, clients=6, kills=1):
        """Load for so long; single faults all the while; `kill -9` and a restart now and then."""
        self.relay.start()
        threads = [threading.Thread(target=self.client, args=(i, self.chance.random()), daemon=True)
                   for i in range(clients)]
        for thread in threads:
            thread.start()
        end = support.time.monotonic() + seconds
        kill_at = [end - seconds * (i + 1) / (kills + 1) for i in range(kills)]
        while support.time.monotonic() < end:
            self.stopping.wait(self.chance.uniform(0.05, 0.5))
            # One at a time: a disk that fails twice at once promises less (docs/SPOOL.md).
            calls, prefix = self.chance.choice((
                (SYNC, "spool/journal/"), (WRITE, "spool/journal/"), (SYNC, "spool/large/"),
                (WRITE, "spool/large/"), (RENAME, "spool/large/"), (SYNC_FOLDER, "spool/large")))
            self.faults.fail(calls, self.chance.choice((errno.EIO, errno.ENOSPC)), prefix=prefix,
                             does_it_all_the_same=self.chance.random() < 0.3)
            if kill_at and support.time.monotonic() > kill_at[-1]:
                kill_at.pop()
                self.faults.heal()
                self.faults.kill(self.relay)
                self.relay.start()
        self.faults.heal()
        self.faults.kill(self.relay)
        self.stopping.set()
        for thread in threads:
            thread.join(30)
        return self.faults.log
