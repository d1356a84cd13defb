"""The relays that are compared: how each is set up, started and asked. Both answer 250 only for
what a power cut would leave, and both deliver everything to the sink."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

from stage import BENCH, PEERS, RELAY_PORT, ROOT, SINK_PORT, Failure, wait_for_port


class Relay:
    modes = ("reuse", "new", "tls", "tls-new")

    def __init__(self, stage):
        self.stage = stage
        self.folder = stage.data / self.name
        self.log = BENCH / f"{self.name}.log"
        self.tls = None  # (certificate, key): implicit TLS on RELAY_PORT + 10 as well

    def up(self, limit_s=60):
        """Starts it on an empty spool."""
        self.clean()
        self.start(limit_s)
        time.sleep(1)  # What it still does for itself is not the load's.
        return self

    def down(self):
        self.ask_to_stop()
        self.stage.groups.end("relay", 15)
        shutil.rmtree(self.folder, ignore_errors=True)

    def pids(self):
        return self.stage.groups.procs("relay")


class Ekiden(Relay):
    name = "ekiden"
    binary = ROOT / "build/release/ekiden"

    def __init__(self, stage, extra=""):
        super().__init__(stage)
        self.extra, self.child, self.next_hop = extra, None, f"127.0.0.1:{SINK_PORT}"
        self.limits = ""
        self.dead_domain = None  # its next hop is never there

    def clean(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "data").mkdir(parents=True)

    def configure(self):
        tls = ""
        if self.tls:
            tls = f"""
[tls]
certificate = "{self.tls[0]}"
private_key = "{self.tls[1]}"
[[listener]]
address = "127.0.0.1:{RELAY_PORT + 10}"
service = "relay"
tls = "implicit"
trusted_networks = ["127.0.0.0/8"]
"""
        dead = ""
        if self.dead_domain:
            dead = f"""[[route]]
domains = ["{self.dead_domain}"]
next_hop = "127.0.0.1:1"
"""
        self.config = self.folder / "ekiden.toml"
        self.config.write_text(f"""[node]
hostname = "relay.bench.test"
data_dir = "{self.folder}/data"
[[listener]]
address = "127.0.0.1:{RELAY_PORT}"
service = "relay"
tls = "off"
trusted_networks = ["127.0.0.0/8"]
{dead}[[route]]
domains = ["*"]
next_hop = "{self.next_hop}"
[retry]
first = "1m"
{tls}{self.limits}{self.extra}""")

    def start(self, limit_s=60):
        """Starts it on what its spool holds. Seconds until it greets."""
        self.configure()
        with open(self.log, "ab") as log:
            self.child = self.stage.start("relay", [self.binary, "serve", "--config", self.config],
                                          out=log, err=log)
        return wait_for_port(RELAY_PORT, f"ekiden (see {self.log})", limit_s,
                             lambda: self.child.poll() is None, greeting=True)

    def ask_to_stop(self):
        if self.child:
            self.stage.stop(self.child, signal.SIGTERM, 60)
            self.child = None

    def cli(self, *arguments):
        done = subprocess.run([self.binary, *arguments, "--config", self.config],
                              capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise Failure(f"ekiden {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def queued(self):
        return json.loads(self.cli("queue", "summary", "--json")).get("queued", 0)

    def flush(self):
        self.cli("queue", "retry")


class Postfix(Relay):
    """Debian's Postfix with configuration, queue and data of its own, tuned as its documentation
    says for throughput: many processes, connections kept, no lookups, no waiting on purpose."""
    name = "postfix"

    def __init__(self, stage):
        super().__init__(stage)
        if not shutil.which("postfix"):
            raise Failure("Postfix is not installed: script/bootstrap --bench")
        self.configuration = self.folder / "etc"

    def clean(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("etc", "spool", "data"):
            (self.folder / name).mkdir(parents=True)
        # The queue belongs to its user, whose way there must be open.
        shutil.chown(self.folder / "data", "postfix")
        settings = {
            "compatibility_level": "3.6",
            "queue_directory": self.folder / "spool",
            "data_directory": self.folder / "data",
            "command_directory": "/usr/sbin",
            "daemon_directory": "/usr/lib/postfix/sbin",
            "shlib_directory": "/usr/lib/postfix",
            "meta_directory": "/etc/postfix",
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "maillog_file_prefixes": self.stage.data,
            "maillog_file": self.folder / "maillog",
            "myhostname": "relay.bench.test",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "mydestination": "",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "local_transport": "error:nobody is local",
            "biff": "no",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtpd_peername_lookup": "no",
            "smtpd_client_connection_count_limit": "0",
            "smtp_dns_support_level": "disabled",
            "smtp_host_lookup": "native",
            "relayhost": f"[127.0.0.1]:{SINK_PORT}",
            "default_process_limit": "250",
            "default_destination_concurrency_limit": "50",
            "initial_destination_concurrency": "20",
            "smtp_connection_cache_destinations": f"[127.0.0.1]:{SINK_PORT}",
            "smtp_connection_cache_on_demand": "yes",
            "in_flow_delay": "0",
            "qmgr_message_active_limit": "100000",
            "qmgr_message_recipient_limit": "100000",
        }
        (self.configuration / "main.cf").write_text(
            "".join(f"{key} = {value}\n" for key, value in settings.items()))
        services = [f"127.0.0.1:{RELAY_PORT} inet n - n - - smtpd"]
        if self.tls:
            services.append(f"127.0.0.1:{RELAY_PORT + 10} inet n - n - - smtpd"
                            " -o smtpd_tls_wrappermode=yes"
                            f" -o smtpd_tls_chain_files={self.tls[1]},{self.tls[0]}")
        for line in pathlib.Path("/usr/share/postfix/master.cf.dist").read_text().splitlines():
            if line[:1].isspace():
                continue  # Options of services that are commented out.
            fields = line.split()
            if line.startswith("#") or len(fields) < 8 or fields[0] == "smtp" and \
                    fields[1] == "inet" or fields[7] == "pipe":
                continue
            fields[4] = "n"  # No chroot: the queue has no copies of system files.
            services.append(" ".join(fields))
        (self.configuration / "master.cf").write_text("\n".join(services) + "\n")

    def start(self, limit_s=60):
        with open(BENCH / "postfix-start.log", "wb") as log:
            starter = self.stage.start("relay", ["postfix", "-c", self.configuration, "start"],
                                       out=log, err=log)
            starter.wait(60)
        self.stage.children.remove(starter)
        return wait_for_port(RELAY_PORT, "Postfix", limit_s, greeting=True)

    def ask_to_stop(self):
        if self.configuration.exists():
            subprocess.run(["postfix", "-c", self.configuration, "stop"], capture_output=True)

    def queued(self):
        return sum(len(files) for part in ("maildrop", "incoming", "active", "deferred")
                   for _, _, files in os.walk(self.folder / "spool" / part))

    def flush(self):
        subprocess.run(["postqueue", "-c", self.configuration, "-f"], check=True)


class OpenSmtpd(Relay):
    """Debian's OpenSMTPD, also where it was only unpacked (script/bootstrap --peers). Its paths are
    compiled in, so they are bound to folders of its own, which only this measurement sees."""
    name = "opensmtpd"
    modes = ("reuse", "new")

    def __init__(self, stage):
        super().__init__(stage)
        self.programs = next((folder for folder in (PEERS / "usr/sbin", pathlib.Path("/usr/sbin"))
                              if (folder / "smtpctl").exists()), None)
        if not self.programs:
            raise Failure("OpenSMTPD is not there: script/bootstrap --peers")

    def clean(self):
        self.unmount()
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("spool/smtpd", "lib/opensmtpd/empty", "run"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "spool/smtpd").chmod(0o711)

    def start(self, limit_s=60):
        config = self.folder / "smtpd.conf"
        config.write_text(f"""queue ttl 4d
smtp max-message-size 50M
smtp limit max-mails 100000
smtp limit max-rcpt 1000
mta max-deferred 1000000
mta limit max-conn-per-host 50
mta limit max-conn-per-route 50
mta limit max-conn-per-source 200
mta limit max-conn-per-connector 50
mta limit conn-delay-route 0
mta limit conn-delay-relay 0
mta limit task-hiwat 500
mta limit task-lowat 300
listen on 127.0.0.1 port {RELAY_PORT} hostname relay.bench.test no-dsn
action "relay" relay host smtp://127.0.0.1:{SINK_PORT} helo relay.bench.test
match from any for any action "relay"
""")
        config.chmod(0o600)
        for ours, theirs in (("spool", "/var/spool"), ("lib", "/var/lib"), ("run", "/run")):
            subprocess.run(["mount", "--bind", self.folder / ours, theirs], check=True)
        with open(self.log, "ab") as log:
            starter = self.stage.start("relay", [self.programs / "smtpd", "-f", config],
                                       out=log, err=log)
            starter.wait(60)
        self.stage.children.remove(starter)
        return wait_for_port(RELAY_PORT, f"OpenSMTPD (see {self.log})", limit_s, greeting=True)

    def ask_to_stop(self):
        for pid in self.pids()[:1]:
            os.kill(pid, signal.SIGTERM)

    def down(self):
        super().down()
        self.unmount()

    def unmount(self):
        for theirs in ("/run", "/var/lib", "/var/spool"):
            while subprocess.run(["mountpoint", "-q", theirs]).returncode == 0 and \
                    str(self.folder) in subprocess.run(["findmnt", "-no", "SOURCE", theirs],
                                                       capture_output=True, text=True).stdout:
                subprocess.run(["umount", theirs], check=True)

    def queued(self):
        return sum(len(name) == 16 for _, _, files in os.walk(self.folder / "spool/smtpd/queue")
                   for name in files)

    def flush(self):
        """One "schedule all" lets go only so many, so it is repeated, as an operator would."""
        control = self.programs / "smtpctl"
        self.stage.start("monitor", ["sh", "-c", f"""for i in $(seq 100); do
for r in $({control} show routes | sed -n 's/^ *\\([0-9a-f]*\\)\\..*/\\1/p'); do
{control} resume route $r; done; {control} schedule all || exit; sleep 3; done"""])


class Exim(Relay):
    """Debian's Exim, also where it was only unpacked (script/bootstrap --peers)."""
    name = "exim"

    def __init__(self, stage):
        super().__init__(stage)
        self.program = next((path for path in (PEERS / "usr/sbin/exim4",
                                               pathlib.Path("/usr/sbin/exim4"))
                             if path.exists()), None)
        if not self.program:
            raise Failure("Exim is not there: script/bootstrap --peers")

    def clean(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("spool", "log"):
            (self.folder / name).mkdir(parents=True)
            shutil.chown(self.folder / name, "Debian-exim", "Debian-exim")

    def start(self, limit_s=60):
        tls = ""
        if self.tls:
            tls = (f"tls_advertise_hosts = *\ntls_on_connect_ports = {RELAY_PORT + 10}\n"
                   f"tls_certificate = {self.tls[0]}\ntls_privatekey = {self.tls[1]}\n")
        self.config = self.folder / "exim.conf"
        self.config.write_text(f"""primary_hostname = relay.bench.test
exim_path = {self.program}
spool_directory = {self.folder}/spool
log_file_path = {self.folder}/log/%slog
pid_file_path = {self.folder}/exim.pid
daemon_smtp_ports = {RELAY_PORT}{f" : {RELAY_PORT + 10}" if self.tls else ""}
local_interfaces = 127.0.0.1
{tls or "tls_advertise_hosts ="}
domainlist local_domains =
acl_smtp_rcpt = taken
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 300
smtp_accept_max_per_connection = 0
smtp_accept_queue_per_connection = 0
queue_run_max = 20
remote_max_parallel = 20
split_spool_directory = true
message_size_limit = 50M
begin acl
taken:
  accept
begin routers
all:
  driver = manualroute
  transport = next_hop
  route_list = * 127.0.0.1 byname
  self = send
begin transports
next_hop:
  driver = smtp
  port = {SINK_PORT}
  hosts_avoid_tls = *
begin retry
* * F,1h,1m
""")
        with open(self.log, "ab") as log:
            starter = self.stage.start("relay", [self.program, "-C", self.config, "-bd", "-q1m"],
                                       out=log, err=log)
            starter.wait(60)
        self.stage.children.remove(starter)
        return wait_for_port(RELAY_PORT, f"Exim (see {self.log})", limit_s, greeting=True)

    def ask_to_stop(self):
        for pid in self.pids()[:1]:
            os.kill(pid, signal.SIGTERM)

    def queued(self):
        return sum(name.endswith("-H") for _, _, files in os.walk(self.folder / "spool/input")
                   for name in files)

    def flush(self):
        self.stage.start("relay", [self.program, "-C", self.config, "-qff"])


class Haraka(Relay):
    """Haraka as npm has it (script/bootstrap --peers)."""
    name = "haraka"
    modes = ("reuse", "new")

    def __init__(self, stage):
        super().__init__(stage)
        self.program = PEERS / "node_modules/.bin/haraka"
        if not self.program.exists():
            raise Failure("Haraka is not there: script/bootstrap --peers")

    def clean(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("config", "plugins", "queue"):
            (self.folder / name).mkdir(parents=True)

    def start(self, limit_s=60):
        shutil.copy(PEERS / "node_modules/Haraka/config/connection.ini", self.folder / "config")
        for name, text in {
                "config/smtp.ini": f"listen=127.0.0.1:{RELAY_PORT}\nnodes=cpus\n",
                "config/outbound.ini": "local_mx_ok=true\nconcurrency_max=100\n",
                "config/log.ini": "level=WARN\n",
                "config/me": "relay.bench.test\n",
                "config/plugins": "bench\n",
                "plugins/bench.js": f"""
exports.hook_connect = (next, connection) => {{ connection.relaying = true; next() }}
exports.hook_rcpt = (next) => next(OK)
exports.hook_get_mx = (next) => next(OK, {{ priority: 0, exchange: '127.0.0.1', port: {SINK_PORT} }})
"""}.items():
            (self.folder / name).write_text(text)
        with open(self.log, "ab") as log:
            self.child = self.stage.start("relay", [self.program, "-c", self.folder],
                                          out=log, err=log)
        return wait_for_port(RELAY_PORT, f"Haraka (see {self.log})", limit_s,
                             lambda: self.child.poll() is None, greeting=True)

    def ask_to_stop(self):
        self.stage.stop(self.child, signal.SIGTERM, 30)

    def queued(self):
        return len(os.listdir(self.folder / "queue"))

    def flush(self):
        """It has no command for it: files wait for their time."""


RELAYS = {"ekiden": Ekiden, "postfix": Postfix, "opensmtpd": OpenSmtpd, "exim": Exim,
          "haraka": Haraka, "direct": None}
