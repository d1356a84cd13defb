"""Faults and recordings at the real binary's file calls: the other end of libfaultdisk.so.

    faults = FaultDisk(folder).watch(relay)
    relay.start()
    faults.fail(SYNC)                    # the next sync of a segment fails with EIO
    faults.fail(ANY, errno.ENOSPC, skip=3, count=2, prefix="spool/")
    faults.heal()

The library is built beside the binary; EKIDEN_FAULTDISK names another one.
"""
import errno
import mmap
import os
import pathlib
import struct

import support

LIBRARY = os.environ.get("EKIDEN_FAULTDISK", str(
    pathlib.Path(support.BINARY).parent / "tests/support/libfaultdisk.so"))

# tests/support/fault_disk.hpp: Call.
CREATE, WRITE, SYNC, TRUNCATE, ALLOCATE, RENAME, UNLINK, SYNC_FOLDER = (1 << i for i in range(8))
ANY = 255
FOR_EVER = (1 << 64) - 1
NOTE = 13
HEADER = struct.Struct("<IHHQQQ")


class FaultDisk:
    def __init__(self, folder, records=False):
        folder = pathlib.Path(folder)
        self.control, self.log = folder / "faults.control", folder / "faults.log"
        self.control.write_bytes(bytes(256))
        with open(self.control, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 256)
        self._notes = None
        if records:
            # Notes of ours and records of the relay's lie in one file, in the order they were made.
            self._notes = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def watch(self, relay):
        """What the relay does below its data folder goes through here from its next start on."""
        setting = [f"LD_PRELOAD={LIBRARY}", f"EKIDEN_FAULT_ROOT={relay.data.resolve()}",
                   f"EKIDEN_FAULT_CONTROL={self.control}",
                   # Under ASan its runtime wants to be first, and does not need to.
                   "ASAN_OPTIONS=verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")]
        if self._notes is not None:
            setting.append(f"EKIDEN_FAULT_LOG={self.log}")
        relay.wrapper = ("env", *setting)
        return self

    def _put(self, form, offset, *values):
        self._map[offset:offset + struct.calcsize(form)] = struct.pack(form, *values)

    def _get(self, offset):
        return struct.unpack("<Q", self._map[offset:offset + 8])[0]

    def fail(self, calls, error=errno.EIO, skip=0, count=1, prefix="spool/journal/",
             does_it_all_the_same=False):
        """Of the calls whose path begins so, `skip` pass, then `count` fail."""
        self.heal()
        self._put("<208s", 48, prefix.encode())
        self._put("<III", 32, calls, error, int(does_it_all_the_same))
        self._put("<Q", 8, skip)
        self._put("<Q", 16, count)

    def heal(self):
        self._put("<Q", 16, 0)
        self._put("<Q", 8, 0)

    def kill(self, relay):
        """`kill -9` between two calls of the relay's, so that its last record is whole."""
        self._put("<I", 44, 1)
        support.eventually(lambda: not relay.process.is_alive(), what="the relay's next call")
        self._put("<I", 44, 0)
        relay.kill()

    @property
    def seen(self):
        return self._get(0)

    @property
    def struck(self):
        return self._get(24)

    def note(self, words):
        octets = words.encode()
        os.write(self._notes, HEADER.pack(0x44464b45, NOTE, 0, 0, 0, len(octets)) + octets)

    def close(self):
        self._map.close()
        if self._notes is not None:
            os.close(self._notes)
