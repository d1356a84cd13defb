"""A zone that signs what it says, and lies as the test tells it (RFC 4034, RFC 4035)."""
import time

import dns.dnssec
import dns.flags
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.NSEC
import dns.rrset
from cryptography.hazmat.primitives.asymmetric import ec
from nameserver import NameServer

DAY = 86400
IN = dns.rdataclass.IN


class SignedNameServer(NameServer):
    """Everything at and below `origin` is signed with one key.

    `forged` maps (name, type) to what is said instead of what was signed. Names in `expired` have
    signatures of last year, those in `unsigned` none.
    """

    def __init__(self, records, origin="."):
        self.origin = dns.name.from_text(origin)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.dnskey = dns.dnssec.make_dnskey(self.key.public_key(), "ECDSAP256SHA256", flags=257)
        self.forged, self.expired, self.unsigned = {}, set(), set()
        super().__init__(records)

    def anchor(self):
        """A line for a trust anchor file."""
        return f"{self.origin} IN DS {dns.dnssec.make_ds(self.origin, self.dnskey, 'SHA256')}\n"

    def signature(self, rrset, is_expired):
        begin = time.time() - (365 * DAY if is_expired else DAY)
        rdata = dns.dnssec.sign(rrset, self.key, self.origin, self.dnskey, inception=begin,
                                expiration=begin + 30 * DAY)
        return dns.rrset.from_rdata(rrset.name, rrset.ttl, rdata)

    def nothing_else_here(self, name):
        """RFC 4470: a denial made for this name alone. A name that is not there has no types."""
        text = name.to_text(omit_final_dot=True).lower()
        types = sorted({dns.rdatatype.from_text(kind) for known, kind in self.records
                        if known == text} | {dns.rdatatype.RRSIG, dns.rdatatype.NSEC})
        following = dns.name.Name((b"\0",) + name.labels)
        rdata = dns.rdata.from_text("IN", "NSEC", f"{following} " + " ".join(
            dns.rdatatype.to_text(kind) for kind in types))
        return dns.rrset.from_rdata(name, 60, rdata)

    def answered(self, query, response):
        question = query.question[0]
        if not question.name.is_subdomain(self.origin):
            return
        if question.rdtype == dns.rdatatype.DNSKEY and question.name == self.origin:
            response.set_rcode(0)
            response.answer = [dns.rrset.from_rdata(self.origin, 60, self.dnskey)]
            response.authority = []
        elif response.rcode() == 3 or (response.rcode() == 0 and not response.answer):
            response.set_rcode(0)
            soa = dns.rrset.from_text(self.origin, 60, "IN", "SOA",
                                      "ns.invalid. root.invalid. 1 60 60 60 1")
            response.authority = [soa, self.nothing_else_here(question.name)]
        for section in (response.answer, response.authority):
            for rrset in list(section):
                name = rrset.name.to_text(omit_final_dot=True).lower()
                if name in self.unsigned:
                    continue
                if query.ednsflags & dns.flags.DO:
                    section.append(self.signature(rrset, name in self.expired))
                values = self.forged.get((name, dns.rdatatype.to_text(rrset.rdtype)))
                if values:
                    section[section.index(rrset)] = dns.rrset.from_text(
                        rrset.name, rrset.ttl, "IN", rrset.rdtype, *values)
