"""A small DNS server on loopback, UDP and TCP, that says what the test tells it."""
import socket
import socketserver
import struct
import threading

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

LOOPBACK = "127.0.0.1"


class NameServer:
    """`records` maps (name, type) to a list of rdata texts: ("dest.test", "MX"): ["10 mx.dest.test."].

    A name with other types is an empty answer; a name nobody knows is NXDOMAIN. `broken` holds
    names that get SERVFAIL, `silent` those that get no answer at all.
    """

    def __init__(self, records):
        self.records, self.broken, self.silent = {}, set(), set()
        self.queries = []
        for key, values in records.items():
            self.set(*key, values)
        server = self

        class Udp(socketserver.BaseRequestHandler):
            def handle(self):
                wire = server.answer(self.request[0])
                if wire:
                    self.request[1].sendto(wire, self.client_address)

        class Tcp(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.settimeout(10)
                try:
                    while head := self.request.recv(2, socket.MSG_WAITALL):
                        octets = self.request.recv(struct.unpack("!H", head)[0],
                                                   socket.MSG_WAITALL)
                        wire = server.answer(octets)
                        if not wire:
                            return
                        self.request.sendall(struct.pack("!H", len(wire)) + wire)
                except OSError:
                    pass

        class TcpServer(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        while True:
            self._udp = socketserver.UDPServer((LOOPBACK, 0), Udp)
            self.port = self._udp.server_address[1]
            try:
                self._tcp = TcpServer((LOOPBACK, self.port), Tcp)
                break
            except OSError:
                self._udp.server_close()
        for one in (self._udp, self._tcp):
            threading.Thread(target=one.serve_forever, args=(0.05,), daemon=True).start()

    def set(self, name, kind, values):
        self.records[(name.rstrip(".").lower(), kind)] = list(values)

    def mx(self, domain, *hosts):
        """MX records in this order of preference, each host with 127.0.0.1 as its address."""
        self.set(domain, "MX", [f"{10 * (i + 1)} {h}." for i, h in enumerate(hosts)])
        for host in hosts:
            self.set(host, "A", [LOOPBACK])

    def answer(self, octets):
        try:
            query = dns.message.from_wire(octets)
            question = query.question[0]
        except Exception:
            return None
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.queries.append((name, kind))
        if name in self.silent:
            return None
        response = dns.message.make_response(query, recursion_available=True)
        if name in self.broken:
            response.set_rcode(dns.rcode.SERVFAIL)
        else:
            alias = self.records.get((name, "CNAME"))
            values = self.records.get((name, kind))
            if alias and kind != "CNAME":
                response.answer.append(dns.rrset.from_text(question.name, 60, "IN", "CNAME", *alias))
                target = alias[0].rstrip(".").lower()
                values = self.records.get((target, kind))
                if values:
                    response.answer.append(dns.rrset.from_text(target + ".", 60, "IN", kind, *values))
            elif values:
                response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *values))
            elif not any(known == name or known.endswith("." + name) for known, _ in self.records):
                response.set_rcode(dns.rcode.NXDOMAIN)
        if not response.answer:
            # A resolver wants to know where the zone ends, to remember that nothing is there.
            zone = dns.name.from_text(name.rsplit(".", 1)[-1] + ".")
            response.authority.append(dns.rrset.from_text(
                zone, 60, "IN", "SOA", "ns.invalid. root.invalid. 1 60 60 60 1"))
        self.answered(query, response)
        return response.to_wire()

    def answered(self, query, response):
        """For heirs: the last word on a response."""

    def stop(self):
        for one in (self._udp, self._tcp):
            one.shutdown()
            one.server_close()
