"""Goal: the OpenSPF suite for RFC 7208, 203 of 203.
Method: its zones over real DNS, UDP and TCP on loopback, and `ekiden check spf --jsonl`."""
import concurrent.futures
import unittest

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.PTR
import dns.rdtypes.ANY.TXT
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import yaml

import suite
from nameserver import NameServer

CASES = 203
DEFAULT = "DEFAULT"
IN = dns.rdataclass.IN


def wire_name(text):
    """A name as it is, odd octets and all."""
    labels = [label.encode("latin-1") for label in str(text).rstrip(".").split(".") if label]
    return dns.name.Name(labels + [b""])


def key_of(name):
    return ".".join(label.decode("latin-1") for label in name.labels if label).lower()


def rdata(kind, value):
    if kind == "TXT":
        strings = value if isinstance(value, list) else [value]
        octets = [str(s).encode("latin-1") for s in strings] or [b""]
        pieces = [o[i:i + 255] for o in octets for i in range(0, len(o), 255) or [0]]
        return dns.rdtypes.ANY.TXT.TXT(IN, dns.rdatatype.TXT, pieces)
    if kind == "MX":
        return dns.rdtypes.ANY.MX.MX(IN, dns.rdatatype.MX, value[0], wire_name(value[1]))
    if kind in ("CNAME", "PTR"):
        made = {"CNAME": dns.rdtypes.ANY.CNAME.CNAME, "PTR": dns.rdtypes.ANY.PTR.PTR}[kind]
        return made(IN, dns.rdatatype.from_text(kind), wire_name(value))
    made = {"A": dns.rdtypes.IN.A.A, "AAAA": dns.rdtypes.IN.AAAA.AAAA}[kind]
    return made(IN, dns.rdatatype.from_text(kind), str(value))


class Zone(NameServer):
    """The zone data of one group of the suite."""

    def __init__(self, zonedata):
        self.names, self.silent_names = {}, set()
        for name, entries in zonedata.items():
            kinds = {}
            has_txt = any(isinstance(e, dict) and "TXT" in e for e in entries)
            for entry in entries:
                if entry == "TIMEOUT":
                    # It covers what was not listed before it.
                    self.silent_names.add(str(name).lower())
                    break
                (kind, value), = entry.items()
                if kind == "SPF" and not has_txt:
                    # Type 99 is history: such records are published as TXT.
                    kinds.setdefault("TXT", []).append(rdata("TXT", value))
                elif kind != "SPF" and value != "NONE":
                    kinds.setdefault(kind, []).append(rdata(kind, value))
            self.names[str(name).lower()] = kinds
        super().__init__({})

    def answer(self, octets):
        query = dns.message.from_wire(octets)
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        response = dns.message.make_response(query, recursion_available=True)
        response.flags |= dns.flags.AA
        name = question.name
        for _ in range(10):
            key = key_of(name)
            kinds = self.names.get(key)
            if key.startswith("error."):
                return None
            if kinds is not None and kind in kinds:
                response.answer.append(dns.rrset.from_rdata(name, 60, *kinds[kind]))
                break
            if key in self.silent_names:
                return None
            if kinds is None:
                if not any(known.endswith("." + key) for known in self.names):
                    response.set_rcode(dns.rcode.NXDOMAIN)
                break
            if not kinds.get("CNAME"):
                break
            response.answer.append(dns.rrset.from_rdata(name, 60, *kinds["CNAME"]))
            name = kinds["CNAME"][0].target
        if not response.answer:
            zone = dns.name.Name([name.labels[-2], b""]) if len(name.labels) > 1 else dns.name.root
            response.authority.append(dns.rrset.from_text(
                zone, 60, "IN", "SOA", "ns.invalid. root.invalid. 1 60 60 60 1"))
        return response.to_wire()


def run_group(group):
    """The cases of one group that came out otherwise, and how many came out as preferred."""
    zone = Zone(group["zonedata"])
    try:
        cases = list(group["tests"].items())
        answers = suite.ask(
            "spf", [{"ip": str(case["host"]), "from": case["mailfrom"], "helo": case["helo"]}
                    for _, case in cases],
            "--dns", f"127.0.0.1:{zone.port}", "--default-explanation", DEFAULT)
    finally:
        zone.stop()
    wrong, preferred = [], 0
    for (name, case), answer in zip(cases, answers):
        wanted = case["result"] if isinstance(case["result"], list) else [case["result"]]
        is_good = answer.get("result") in wanted
        if is_good and "explanation" in case and answer["result"] == "fail":
            is_good = answer["explanation"] == case["explanation"]
        preferred += is_good and answer["result"] == wanted[0]
        if not is_good:
            wrong.append((group["description"], name, case, answer))
    return wrong, preferred


class OpenSpf(unittest.TestCase):
    def test_every_case(self):
        with open(suite.data("spf/rfc7208-tests.yml"), encoding="utf-8") as file:
            groups = [group for group in yaml.safe_load_all(file) if group]
        count = sum(len(group["tests"]) for group in groups)
        self.assertEqual(count, CASES)
        with concurrent.futures.ThreadPoolExecutor(len(groups)) as pool:
            done = list(pool.map(run_group, groups))
        wrong = [case for group, _ in done for case in group]
        for group, name, case, answer in wrong:
            print(f"{group}: {name}: wanted {case['result']} {case.get('explanation', '')!r}, "
                  f"got {answer}")
        print(f"{count - len(wrong)} of {count}, "
              f"{sum(preferred for _, preferred in done)} with the preferred result")
        self.assertEqual([name for _, name, _, _ in wrong], [])


if __name__ == "__main__":
    unittest.main()
