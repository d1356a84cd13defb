"""Goal: MX hosts are tried by preference, the next one when one fails (RFC 5321 §5.1).
Method: a name server and two peers behind connect_map; the first dead, refusing, or silent."""
import support
from peer import DROP
from support import eventually


class MxFallback(support.Scenario):
    def setUp(self):
        super().setUp()
        self.dns_ = self.dns()
        self.dns_.mx("dest.test", "mx1.dest.test", "mx2.dest.test")
        self.first, self.second = self.peer(), self.peer()
        self.relay_ = self.relay(self.dns_)
        self.relay_.map_mx("mx1.dest.test", self.first.port)
        self.relay_.map_mx("mx2.dest.test", self.second.port)

    def test_the_preferred_host_gets_the_mail(self):
        self.relay_.start().send()
        eventually(lambda: self.first.received)
        self.assertEqual(self.second.received, [])

    def test_each_way_to_fail_leads_to_the_second(self):
        self.relay_.settings["retry"]["time_scale"] = 1.0  # within the first attempt, not later
        self.relay_.start()
        for name, verb, answer in (("421 at connect", "CONNECT", "421 4.3.2 no"),
                                   ("554 at connect", "CONNECT", "554 5.7.1 no"),
                                   ("dropped", "CONNECT", DROP),
                                   ("EHLO and HELO refused", "EHLO", "550 no")):
            with self.subTest(name):
                count = len(self.second.received)
                self.first.hooks.clear()
                self.first.on(verb, lambda s, line, answer=answer: answer)
                if verb == "EHLO":
                    self.first.on("HELO", lambda s, line: "550 no")
                self.relay_.send()
                eventually(lambda: len(self.second.received) == count + 1, what=name)

    def test_a_dead_first_host_leads_to_the_second(self):
        self.first.stop()
        self.relay_.settings["retry"]["time_scale"] = 1.0
        self.relay_.start().send()
        eventually(lambda: self.second.received)

    def test_a_refused_recipient_does_not(self):
        self.first.on("RCPT", ["550 5.1.1 no such user"])
        self.relay_.start().send(sender="")
        eventually(lambda: self.relay_.metric("ekiden_recipients_bounced_total") == 1)
        self.assertEqual(self.second.sessions, [])

    def test_a_failing_name_server_defers_and_mail_leaves_when_it_answers(self):
        self.dns_.broken.add("dest.test")
        self.relay_.start().send()
        eventually(lambda: self.relay_.metric("ekiden_attempts_deferred_total") >= 1, 20)
        self.assertEqual(self.relay_.metric("ekiden_recipients_bounced_total"), 0)
        self.dns_.broken.clear()
        eventually(lambda: self.first.received, 30)

    def test_a_domain_that_does_not_exist_bounces(self):
        self.relay_.start().send(sender="", recipients=["x@nowhere.invalid-tld-test.test"])
        eventually(lambda: self.relay_.metric("ekiden_recipients_bounced_total") == 1)


if __name__ == "__main__":
    support.main()
