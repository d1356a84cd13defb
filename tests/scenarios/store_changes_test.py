"""Goal: what a command changed in the control store counts as soon as the command has ended.
Method: users added, changed and removed while the relay runs, and a login right behind each."""
import smtplib

import support
from support import LOOPBACK


class StoreChanges(support.Scenario):
    def submission(self):
        relay = self.relay()
        relay.settings["passwords"] = {"memory": "8MiB", "iterations": 1}
        relay.use_tls(self.certificates())
        relay.submission = relay.listener("submission", "starttls")
        return relay.start()

    def may_log_in(self, relay, name, password):
        with smtplib.SMTP(LOOPBACK, relay.submission, timeout=20) as client:
            client.starttls()
            try:
                client.login(name, password)
            except smtplib.SMTPAuthenticationError:
                return False
            return True

    def test_a_user_may_log_in_when_the_command_ends(self):
        relay = self.submission()
        for n in range(20):
            key = relay.json("user", "add", f"app{n}", "--api-key")["api_key"]
            self.assertTrue(self.may_log_in(relay, f"app{n}", key), f"user {n}")

    def test_a_new_password_counts_and_the_old_one_does_not(self):
        relay = self.submission()
        key = relay.json("user", "add", "app", "--api-key")["api_key"]
        for _ in range(5):
            fresh = relay.json("user", "passwd", "app", "--api-key")["api_key"]
            self.assertTrue(self.may_log_in(relay, "app", fresh))
            self.assertFalse(self.may_log_in(relay, "app", key))
            key = fresh

    def test_a_removed_user_is_gone(self):
        relay = self.submission()
        key = relay.json("user", "add", "app", "--api-key")["api_key"]
        relay.cli("user", "remove", "app")
        self.assertFalse(self.may_log_in(relay, "app", key))

    def test_without_a_relay_the_store_alone_is_changed(self):
        relay = self.submission()
        relay.stop()
        key = relay.json("user", "add", "app", "--api-key")["api_key"]
        relay.start()
        self.assertTrue(self.may_log_in(relay, "app", key))


if __name__ == "__main__":
    support.main()
