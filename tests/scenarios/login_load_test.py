"""Goal: passwords are checked off the workers, so many at a time, in so much memory; a success is
remembered until the credential changes; a failure never is.
Method: sixty logins at once while mail goes on; the metrics, and the most memory ever used."""
import base64
import re
import select

import support
from support import eventually, message

MIB = 1 << 20
COST_MIB, PARALLEL = 32, 2


class LoginLoad(support.Scenario):
    def setUp(self):
        super().setUp()
        self.peer_ = self.peer()
        self.relay_ = self.relay()
        self.relay_.use_tls(self.certificates())
        # Each login announces an address of its own, so that nobody is slowed for the others.
        self.submission = self.relay_.listener("submission", "implicit",
                                               proxy_networks=["127.0.0.0/8"])
        self.relay_.route_to(self.peer_.port)
        self.relay_.settings["passwords"] = {"memory": f"{COST_MIB}MiB", "iterations": 1,
                                             "parallel": PARALLEL}
        self.relay_.start()
        self.addresses = 0

    def client(self):
        """A connection that is ready to log in."""
        self.addresses += 1
        wire = self.relay_.wire(self.submission, timeout=60)
        wire.send(f"PROXY TCP4 10.1.{self.addresses // 250}.{self.addresses % 250 + 1} 127.0.0.1 "
                  "1 465\r\n")
        wire.start_tls()
        wire.greet()
        return wire

    @staticmethod
    def plain(name, password):
        return "AUTH PLAIN " + base64.b64encode(f"\0{name}\0{password}".encode()).decode() + "\r\n"

    def login(self, name, password):
        wire = self.client()
        wire.send(self.plain(name, password))
        code = wire.reply().code
        wire.close()
        return code

    def add(self, name, password):
        self.relay_.user_add(name, password)
        # Seen within a second. The attempt is one more success, and fills the cache.
        eventually(lambda: self.login(name, password) == 235, what="the new user")

    def auth(self, result):
        return self.relay_.metrics().get(f'ekiden_auth_attempts_total{{result="{result}"}}', 0)

    def cached(self):
        return self.relay_.metric("ekiden_auth_cached_total")

    def most_memory(self):
        with open(f"/proc/{self.relay_.process.child.pid}/status") as file:
            status = file.read()
        return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) * 1024

    def test_mail_goes_on_while_sixty_passwords_wait(self):
        # Right passwords that nobody has used yet: each of these logins is checked in full.
        names = [f"user{i}" for i in range(6)]
        for name in names:
            self.relay_.user_add(name, f"the password of {name}")
        self.add("last", "the one that shows that all are seen")
        wires = [self.client() for _ in range(60)]
        mail = self.relay_.wire()
        mail.greet()
        base = self.auth("accepted") + self.auth("refused")
        for i, wire in enumerate(wires):
            name = names[i // 2 % 6]
            wire.send(self.plain(name, f"the password of {name}" if i % 2 else f"wrong {i}"))
        for i in range(10):
            self.assertReply(mail.transaction("", [f"m{i}@dest.test"], message()), 250)
        answered, _, _ = select.select([w.sock for w in wires], [], [], 0)
        decided = self.auth("accepted") + self.auth("refused") - base
        self.assertLess(len(answered), 60, "mail did not wait for the last login")
        self.assertLess(decided, 60)
        codes = [wire.reply().code for wire in wires]
        self.assertEqual(codes, [535, 235] * 30)
        self.assertEqual(self.auth("busy"), 0)
        # All at once they would take sixty times as much as one; two at a time take two.
        self.assertLess(self.most_memory(), (PARALLEL * COST_MIB + 150) * MIB)
        eventually(lambda: len(self.peer_.received) == 10)

    def test_too_many_at_once_are_told_to_come_back(self):
        self.add("app", "right password")
        wires = [self.client() for _ in range(300)]
        for i, wire in enumerate(wires):
            wire.send(self.plain(f"nobody{i}", "wrong"))
        # 256 wait and two are under way: the others are not kept waiting.
        eventually(lambda: self.auth("busy") >= 20, 20, "refusals for now")
        codes = set()
        for wire in wires[270:]:
            if select.select([wire.sock], [], [], 0)[0]:
                codes.add(wire.reply().code)
        self.assertEqual(codes, {454})
        # Who is known already needs no turn: the success is remembered.
        before = self.cached()
        self.assertEqual(self.login("app", "right password"), 235)
        self.assertEqual(self.cached(), before + 1)
        self.assertLess(self.most_memory(), (PARALLEL * COST_MIB + 250) * MIB)
        self.relay_.kill()

    def test_a_success_is_remembered_until_the_credential_changes(self):
        self.add("app", "first password")
        for _ in range(3):
            before = self.cached()
            self.assertEqual(self.login("app", "first password"), 235)
            self.assertEqual(self.cached(), before + 1)
        before = self.cached()
        self.relay_.cli("user", "passwd", "app", "--password-stdin", stdin="second password\n")
        eventually(lambda: self.login("app", "second password") == 235, what="the new password")
        known = self.cached()
        for _ in range(2):
            self.assertEqual(self.login("app", "first password"), 535, "the old one, remembered or not")
        self.assertEqual(self.cached(), known)
        self.assertEqual(self.login("app", "second password"), 235)
        self.assertEqual(self.cached(), known + 1)
        self.relay_.cli("user", "remove", "app")
        eventually(lambda: self.login("app", "second password") == 535, what="the end of the user")

    def test_a_failure_is_not_remembered(self):
        self.add("app", "right password")
        before, refused = self.cached(), self.auth("refused")
        for _ in range(3):
            self.assertEqual(self.login("app", "wrong"), 535)
        self.assertEqual(self.cached(), before)
        self.assertEqual(self.auth("refused"), refused + 3)
        # Nor does it push out what is.
        self.assertEqual(self.login("app", "right password"), 235)
        self.assertEqual(self.cached(), before + 1)


if __name__ == "__main__":
    support.main()
