"""Goal: `ekiden top` on a terminal obeys keys, fits whatever size there is, and leaves the terminal
as it was, however it ends.
Method: the real command on a pseudo-terminal; the screen is what it drew last."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unicodedata

import support
from support import BINARY, eventually

LEAVES = "\033[?1049l"


def width(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c)
               else 1 for c in text)


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, arguments, columns=100, lines=30):
        self.output = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(arguments[0], [str(a) for a in arguments])
        self.resize(columns, lines)
        self.were = termios.tcgetattr(self.fd)

    def resize(self, columns, lines):
        self.columns, self.lines = columns, lines
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def read(self):
        """What has come by now; nothing more once the command has ended."""
        while select.select([self.fd], [], [], 0)[0]:
            try:
                octets = os.read(self.fd, 65536)
            except OSError:
                break
            if not octets:
                break
            self.output += octets.decode(errors="replace")

    def screen(self):
        """The lines that were drawn last, or nothing yet."""
        self.read()
        frames = self.output.split("\033[H")
        whole = [frame for frame in frames[1:] if "\033[J" in frame]
        if not whole:
            return []
        text = whole[-1].partition("\033[J")[0].replace("\033[K", "")
        return [line.rstrip("\r") for line in text.split("\n")]

    def wait_for(self, probe, what):
        def seen():
            lines = self.screen()
            return lines if lines and probe(lines) else None
        try:
            return eventually(seen, 20, what)
        except AssertionError:
            raise AssertionError(f"{what}; the screen:\n" + "\n".join(self.screen()))

    def end(self):
        """Its exit status, and whether the terminal is as it was."""
        def ended():
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return (status,) if pid else None
        status, = eventually(ended, 20, "its end")
        self.read()
        self.pid = None
        return os.waitstatus_to_exitcode(status)

    def is_as_before(self):
        return termios.tcgetattr(self.fd)[:4] == self.were[:4] and LEAVES in self.output

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


class TopLive(support.Scenario):
    def setUp(self):
        super().setUp()
        dns = self.dns()
        self.peer_ = self.peer()
        self.relay_ = self.relay(dns)
        for domain in ("one.test", "two.test"):
            dns.mx(domain, f"mx.{domain}")
            self.relay_.map_mx(f"mx.{domain}", self.peer_.port)
        self.peer_.on("RCPT", lambda session, line:
                      "550 5.1.1 宛先が見つかりません" if "nobody" in line else None)
        self.relay_.settings["source"] = [{"name": "mail1", "ipv4": "127.0.0.2"}]
        self.relay_.start()
        self.relay_.send(recipients=["a@one.test", "b@one.test"])
        self.relay_.send(sender="", recipients=["nobody@two.test"])
        self.relay_.wait_for_event("nobody@two.test", "bounced")

    def top(self, *arguments, **size):
        # An hour between looks: whatever changes on the screen, a key or the terminal did it.
        terminal = Terminal([BINARY, "--config", self.relay_.config, "top", "--interval", "3600",
                             *arguments], **size)
        self.addCleanup(terminal.close)
        return terminal

    def test_keys_choose_rows_order_and_filter(self):
        top = self.top(columns=170)
        top.wait_for(lambda lines: any(l.startswith("SITE") for l in lines), "sites")
        for key, heading, name in (("p", "PROVIDER", "mx.one.test"), ("o", "SOURCE", "mail1"),
                                   ("t", "TENANT", "default"), ("s", "SITE", "mx")):
            top.press(key)
            top.wait_for(lambda lines: any(l.startswith(heading) for l in lines) and
                         any(name in l for l in lines), heading)

        def rows(lines):
            return [re.search(r"mx\.(one|two)\.test", l).group(1) for l in lines
                    if re.search(r"mx\.(one|two)\.test", l)]
        top.press("d")
        top.wait_for(lambda lines: rows(lines) == ["one", "two"], "most delivered first")
        top.press("b")
        top.wait_for(lambda lines: rows(lines) == ["two", "one"], "most bounced first")
        top.press("n")
        lines = top.wait_for(lambda lines: rows(lines) == ["one", "two"], "by name")
        self.assertIn("宛先が見つかりません", "\n".join(lines))
        top.press("/宛先")
        top.wait_for(lambda lines: rows(lines) == ["two"] and "filter: 宛先_" in lines[-1],
                     "a filter that is typed")
        top.press("\r")
        top.wait_for(lambda lines: "filter: 宛先 " in lines[-1], "a filter that holds")
        top.press("/\033")
        top.wait_for(lambda lines: rows(lines) == ["one", "two"], "no filter")
        top.press("q")
        self.assertEqual(top.end(), 0)
        self.assertTrue(top.is_as_before())

    def test_it_fits_the_terminal_at_once_when_that_changes(self):
        top = self.top(columns=160, lines=40)
        top.wait_for(lambda lines: any("THROTTLED" in l for l in lines), "all columns")
        for columns, lines in ((60, 24), (20, 10), (33, 3), (120, 30)):
            top.output = ""
            top.resize(columns, lines)
            shown = top.wait_for(lambda shown: len(shown) <= lines and
                                 all(width(l) <= columns for l in shown), f"{columns}×{lines}")
            self.assertTrue(shown[0].startswith("relay"), shown)
        self.assertTrue(any("宛先が" in l for l in shown), shown)
        top.press("\x03")
        self.assertEqual(top.end(), 0)
        self.assertTrue(top.is_as_before())

    def test_the_terminal_is_as_before_when_it_is_ended_or_the_relay_goes(self):
        top = self.top()
        top.wait_for(lambda lines: True, "a screen")
        os.kill(top.pid, signal.SIGTERM)
        self.assertEqual(top.end(), 0)
        self.assertTrue(top.is_as_before())

        top = self.top()
        top.wait_for(lambda lines: True, "a screen")
        self.relay_.stop()
        top.press("p")
        self.assertEqual(top.end(), 3)
        self.assertTrue(top.is_as_before())
        # Said behind the other screen, where it can be read.
        self.assertTrue(top.output.partition(LEAVES)[2].strip())

    def test_without_a_terminal_there_are_no_keys_and_no_colours(self):
        once = self.relay_.cli("top", "--once", "--sort", "name", "--filter", "two.test")
        self.assertNotIn("\033", once)
        self.assertIn("mx.two.test", once)
        self.assertNotIn("mx.one.test", once)
        self.relay_.cli("top", "--once", "--sort", "moon", status=2)
        process = subprocess.Popen([BINARY, "--config", self.relay_.config, "top", "--interval",
                                    "1"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   text=True)
        try:
            seen = "".join(process.stdout.readline() for _ in range(12))
        finally:
            process.terminate()
            process.wait()
        self.assertEqual(process.returncode, 0)
        self.assertNotIn("\033", seen)
        self.assertIn("accepted", seen)
        process.stdout.close()


if __name__ == "__main__":
    support.main()
