"""Goal: the address that counts is the one a trusted proxy announces, and nobody else's word.
Method: PROXY v1 and v2, malformed, missing, and from somebody who is no proxy."""
import socket
import struct

import support
from support import eventually, message

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v2(source, command=1, family=0x11):
    addresses = socket.inet_aton(source) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 1, 25)
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack("!H", len(addresses)) + addresses


class ProxyProtocol(support.Scenario):
    def setUp(self):
        super().setUp()
        self.peer_ = self.peer()
        self.relay_ = self.relay()
        self.port = self.relay_.listener("relay", "off", trusted_networks=["10.0.0.0/8"],
                                         proxy_networks=["127.0.0.0/8"])
        self.relay_.route_to(self.peer_.port)
        self.relay_.start()

    def may_relay(self, header):
        wire = self.relay_.wire(self.port)
        wire.send(header)
        if wire.reply().code != 220:
            return False
        wire.ehlo()
        wire.command("MAIL FROM:<a@client.test>")
        return wire.command("RCPT TO:<b@dest.test>").code == 250

    def test_the_announced_address_is_trusted_or_not(self):
        self.assertTrue(self.may_relay(b"PROXY TCP4 10.1.2.3 127.0.0.1 1 25\r\n"))
        self.assertTrue(self.may_relay(v2("10.1.2.3")))
        self.assertFalse(self.may_relay(b"PROXY TCP4 192.0.2.1 127.0.0.1 1 25\r\n"))
        self.assertFalse(self.may_relay(v2("192.0.2.1")))

    def test_the_proxy_itself_is_not_the_client(self):
        # 127.0.0.1 is a proxy here and trusted nowhere: UNKNOWN and LOCAL give it no right.
        for header in (b"PROXY UNKNOWN\r\n", v2("10.0.0.1", command=0)):
            with self.subTest(header=header):
                try:
                    self.assertFalse(self.may_relay(header))
                except support.Closed:
                    pass

    def test_the_announced_address_is_in_received(self):
        wire = self.relay_.wire(self.port)
        wire.send(v2("10.9.8.7"))
        wire.greet()
        self.assertReply(wire.transaction("a@client.test", ["b@dest.test"], message()), 250)
        self.assertIn("[10.9.8.7]", eventually(lambda: self.peer_.received)[0].header("Received"))

    def test_a_header_split_anywhere_is_read(self):
        for header in (b"PROXY TCP4 10.1.2.3 127.0.0.1 1 25\r\n", v2("10.1.2.3")):
            wire = self.relay_.wire(self.port)
            for octet in header:
                wire.send(bytes([octet]))
            wire.greet()

    def test_no_header_or_a_malformed_one_ends_the_connection(self):
        for start in (b"EHLO client.test\r\n", b"PROXY TCP4 10.1.2.3\r\n",
                      b"PROXY TCP4 10.0.0.300 127.0.0.1 1 25\r\n", b"PROXY " + b"x" * 200 + b"\r\n",
                      SIGNATURE + b"\x41\x11\0\x0c" + b"\0" * 12,
                      SIGNATURE + b"\x21\x11\xff\xff" + b"\0" * 65535,
                      SIGNATURE + b"\x21\x11\0\x01\0"):
            with self.subTest(start=start[:40]):
                wire = self.relay_.wire(self.port)
                wire.send(start)
                self.assertTrue(wire.is_closed(10))
        self.assertHealthy(self.relay_)

    def test_a_listener_without_proxies_believes_none(self):
        wire = self.relay_.wire()
        wire.send(b"PROXY TCP4 10.1.2.3 127.0.0.1 1 25\r\n")
        replies = []
        try:
            replies = [wire.reply().code, wire.reply().code]
        except (support.Closed, TimeoutError):
            pass
        self.assertNotIn(250, replies)


if __name__ == "__main__":
    support.main()
