"""Goal: the published ARC validation suite, 171 of 171.
Method: its keys over real DNS on loopback, its messages as files, `ekiden check arc --jsonl`; and
one of them alone with `--message`."""
import json
import pathlib
import subprocess
import tempfile
import unittest

import yaml

import suite
from nameserver import NameServer
from support import BINARY, SLOW

CASES = 171


def text_record(text):
    """TXT as a zone file has it, in strings of 255 octets."""
    text = "".join(text.split(" ")) if "p=" in text else text
    text = text.replace("v=DKIM1;", "v=DKIM1; ").replace("\\", "\\\\").replace('"', '\\"')
    return " ".join(f'"{text[at:at + 255]}"' for at in range(0, len(text), 255))


def wanted(case):
    """RFC 8617 §5.2 knows none, pass and fail; three cases leave theirs blank, which is fail."""
    return str(case.get("cv") or "fail").lower()


class Arc(unittest.TestCase):
    def run_group(self, group, folder):
        """The names of cases that came out otherwise."""
        server = NameServer({(name, "TXT"): [text_record(text)]
                             for name, text in (group.get("txt-records") or {}).items()})
        try:
            requests = []
            for name, case in group["tests"].items():
                file = folder / f"{name}.eml"
                file.write_bytes((case["message"] or "").replace("\n", "\r\n").encode())
                requests.append({"message": str(file)})
            at = f"127.0.0.1:{server.port}"
            answers = suite.ask("arc", requests, "--dns", at)
            alone = subprocess.run([BINARY, "check", "arc", "--dns", at, "--message",
                                    requests[0]["message"]], stdout=subprocess.PIPE,
                                   timeout=60 * SLOW, check=True)
            self.assertEqual(json.loads(alone.stdout), answers[0])
        finally:
            server.stop()
        wrong = []
        for (name, case), answer in zip(group["tests"].items(), answers):
            if answer.get("cv") != wanted(case):
                wrong.append(name)
                print(f"{group['description']}: {name}: wanted {wanted(case)}, got {answer}")
        return wrong

    def test_every_case(self):
        with open(suite.data("arc/arc-draft-validation-tests.yml"), encoding="utf-8") as file:
            groups = [group for group in yaml.safe_load_all(file) if group]
        count = sum(len(group["tests"]) for group in groups)
        self.assertEqual(count, CASES)
        wrong = []
        with tempfile.TemporaryDirectory() as folder:
            for group in groups:
                wrong += self.run_group(group, pathlib.Path(folder))
        print(f"{count - len(wrong)} of {count}")
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
