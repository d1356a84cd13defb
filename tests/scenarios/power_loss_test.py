"""Goal: whatever a power cut leaves of the disk, every message that was answered 250 is there, once,
and none that was refused.
Method: the real binary under load, its every change of the disk recorded; the power cut afterwards
at hundreds of points, unsynced sectors lost, torn and out of order; each disk opened and counted.

script/powerloss runs it at length: EKIDEN_POWERLOSS_SECONDS, EKIDEN_POWERLOSS_CUTS and
EKIDEN_POWERLOSS_SEED say how long the load is, how many cuts there are, and which."""
import os
import pathlib
import re
import subprocess

import support
from recorded_load import RecordedLoad

PROGRAM = os.environ.get("EKIDEN_POWERLOSS", str(
    pathlib.Path(support.BINARY).parent / "tests/powerloss/powerloss"))
SECONDS = float(os.environ.get("EKIDEN_POWERLOSS_SECONDS", "4"))
CUTS = int(os.environ.get("EKIDEN_POWERLOSS_CUTS", "300"))
SEED = int(os.environ.get("EKIDEN_POWERLOSS_SEED", "0")) or support.time.time_ns() % 1_000_000


class PowerLoss(support.Scenario):
    def cut(self, recording, cuts, *more):
        done = subprocess.run([PROGRAM, str(recording), "--cuts", str(cuts), "--seed", str(SEED),
                               *more], capture_output=True, text=True,
                              timeout=max(100, cuts) * support.SLOW)
        # What the spool logs about each disk is asked for with --only.
        return done.returncode, done.stdout or done.stderr

    @staticmethod
    def figure(table, row):
        return int(re.search(rf"{row} +\| +(\d+)", table).group(1))

    def test_nothing_is_lost_whatever_a_power_cut_leaves(self):
        load = RecordedLoad(self, SEED)
        recording = load.run(SECONDS, kills=max(1, int(SECONDS / 5)))
        status, table = self.cut(recording, CUTS)
        print(f"seed {SEED}\n{table}")
        self.assertEqual(status, 0, "a finding")
        self.assertGreater(self.figure(table, "messages answered 250"), 200, "a load")
        self.assertGreater(self.figure(table, "messages refused with 4xx"), 0, "some refusals")
        self.assertGreater(self.figure(table, "messages found after cuts, in all"), 10 * CUTS)
        self.assertEqual(self.figure(table, "lost"), 0)
        # Were one sync in four a lie, it would be found out: what is proven can fail.
        status, table = self.cut(recording, min(CUTS, 100), "--ignore-syncs", "4")
        self.assertEqual(status, 1, table)
        self.assertGreater(self.figure(table, "lost"), 0)


if __name__ == "__main__":
    support.main()
