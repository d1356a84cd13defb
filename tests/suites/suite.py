"""What the suites share: where their data is, and asking `ekiden check`."""
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/scenarios"))

from support import BINARY, SLOW  # noqa: E402


def data(path):
    """A file of the published data; without it the suite is skipped."""
    file = pathlib.Path(os.environ.get("EKIDEN_SHARED_DATA", ROOT.parent / "shared/data")) / path
    if not file.exists():
        # unittest would take SystemExit for an error.
        print(f"skipped: there is no {file}", flush=True)
        os._exit(77)
    return file


def ask(command, requests, *flags, timeout=150):
    """The answers of `ekiden check COMMAND --jsonl`, one for each request."""
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run([BINARY, "check", command, "--jsonl", *flags], input=lines.encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout * SLOW)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) != len(requests):
        raise AssertionError(f"{len(answers)} answers to {len(requests)} requests; "
                             f"status {done.returncode}: {done.stderr.decode()}")
    return answers
