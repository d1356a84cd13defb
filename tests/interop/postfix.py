"""A Postfix with a configuration, a queue and ports of its own, for one test."""
import base64
import os
import pathlib
import pwd
import socket
import subprocess
import threading
import unittest

import interop
from support import LOOPBACK, SLOW, eventually, free_port

MAIN = """\
compatibility_level = 3.6
queue_directory = {base}/spool
data_directory = {base}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = /etc/postfix
shlib_directory = /usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
maillog_file_prefixes = {base}
maillog_file = {base}/maillog
myhostname = postfix.test
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_tls_CAfile = {ca}
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
tls_random_source = dev:/dev/urandom
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
biff = no
"""

MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{smtps} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """Started at once. `settings` are lines of main.cf; mail for dest.test lands in a maildir."""

    def __init__(self, scenario, **settings):
        self.postfix = interop.find("postfix")
        if os.geteuid() != 0:
            raise unittest.SkipTest("Postfix only starts as root")
        self.base = scenario._sub("postfix")
        self.port, self.smtps = free_port(), free_port()
        # Postfix's own users must get here.
        scenario.folder.chmod(0o755)
        self.base.chmod(0o755)
        for name in ("etc", "spool", "data", "mail"):
            (self.base / name).mkdir()
        owner = pwd.getpwnam("postfix")
        os.chown(self.base / "data", owner.pw_uid, owner.pw_gid)
        self.mailbox_owner = pwd.getpwnam("nobody").pw_uid
        os.chown(self.base / "mail", self.mailbox_owner, -1)
        authority = scenario.authority
        certificate, key = authority.issue("postfix.test", "localhost", LOOPBACK)
        users = self.base / "etc/mailboxes"
        users.write_text("b@dest.test b/\nc@dest.test c/\n")
        lines = MAIN.format(base=self.base, ca=authority.ca, certificate=certificate, key=key)
        settings = {"virtual_mailbox_domains": "dest.test",
                    "virtual_mailbox_base": self.base / "mail",
                    "virtual_mailbox_maps": f"texthash:{users}",
                    "virtual_uid_maps": f"static:{self.mailbox_owner}",
                    "virtual_gid_maps": f"static:{pwd.getpwnam('nobody').pw_gid}",
                    **settings}
        lines += "".join(f"{k} = {v}\n" for k, v in settings.items())
        (self.base / "etc/main.cf").write_text(lines)
        (self.base / "etc/master.cf").write_text(MASTER.format(port=self.port, smtps=self.smtps))
        scenario.addCleanup(self.stop)
        self._run("start")
        eventually(lambda: self._listens(self.port) and self._listens(self.smtps), 20,
                   "Postfix's readiness")

    def _run(self, verb):
        # Its log may go to a terminal that is not there; what matters is in the log file.
        return subprocess.run([self.postfix, "-c", str(self.base / "etc"), verb],
                              capture_output=True, text=True, timeout=60 * SLOW)

    @staticmethod
    def _listens(port):
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, port)) == 0

    def stop(self):
        # Stops the master of this configuration directory, which ends its children.
        self._run("stop")

    def log(self):
        file = self.base / "maillog"
        return file.read_text(errors="replace") if file.exists() else ""

    def mails(self, user="b"):
        """The messages of a mailbox, as stored: line feeds, Postfix's own headers on top."""
        folder = self.base / "mail" / user / "new"
        return [file.read_bytes() for file in sorted(folder.iterdir())] if folder.is_dir() else []


class DovecotAuth:
    """Says yes to one user and password, in the protocol by which Postfix asks Dovecot."""

    def __init__(self, user, password):
        self.expected = f"\0{user}\0{password}".encode()
        self.user, self.asked = user, []
        self.server = socket.create_server((LOOPBACK, 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self.server.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with connection, connection.makefile("rw", newline="\n") as wire:
            wire.write("VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\n"
                       "COOKIE\t0123456789abcdef0123456789abcdef\nDONE\n")
            wire.flush()
            for line in wire:
                words = line.rstrip("\n").split("\t")
                if words[0] != "AUTH":
                    continue
                response = next((w[5:] for w in words if w.startswith("resp=")), "")
                self.asked.append(words[2])
                good = base64.b64decode(response) == self.expected
                wire.write(f"OK\t{words[1]}\tuser={self.user}\n" if good else
                           f"FAIL\t{words[1]}\n")
                wire.flush()


def secret(folder, text):
    """A file that only its owner reads."""
    file = pathlib.Path(folder) / "secret"
    file.write_text(text)
    file.chmod(0o600)
    return file
