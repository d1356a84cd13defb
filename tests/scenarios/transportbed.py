"""Recipient domains as tests of transport security need them: hosts with certificates of any kind,
TLSA records, MTA-STS policies."""
import support
from authority import Authority, Certificate
from policyserver import PolicyServer
from signedzone import SignedNameServer


class TransportBed(support.Scenario):
    def begin(self, zone, **dns):
        self.zone = zone
        self.addCleanup(zone.stop)
        self.relay_ = self.relay(zone)
        self.relay_.settings["dns"].update(dns)
        self.authority = Authority()
        self.store, _ = self.authority.write(self.folder, "authority")
        self.relay_.settings["delivery"]["trust_store"] = self.store

    def begin_signed(self, mode="require", origin="."):
        """A zone that signs, and a relay that validates."""
        zone = SignedNameServer({}, origin)
        anchors = self.folder / "anchors.key"
        anchors.write_text(zone.anchor())
        self.begin(zone, dnssec=mode, trust_anchors=[anchors])

    def trusted(self, *names, **more):
        """A certificate that the relay's trust store verifies."""
        return Certificate(names, signer=self.authority, **more)

    def host(self, name, certificate, *tlsa, **options):
        """A peer that is `name`; without a certificate it has no STARTTLS."""
        context = certificate and certificate.server_context(self.folder, name)
        peer = self.peer(tls=context, name=name, **options)
        self.relay_.map_mx(name, peer.port)
        self.zone.set(name, "A", [support.LOOPBACK])
        if tlsa:
            self.zone.set(f"_25._tcp.{name}", "TLSA", tlsa)
        return peer

    def policy_server(self, certificate):
        name = f"policies{self._count}"
        self._count += 1
        server = PolicyServer(certificate.server_context(self.folder, name))
        self.addCleanup(server.stop)
        return server

    def publish(self, domain, text, web=None, record="v=STSv1; id=1;"):
        """The domain's MTA-STS policy, served under the certificate `web`."""
        server = self.policy_server(web or self.trusted(f"mta-sts.{domain}"))
        server.policies[domain] = text
        self.relay_.map_mx(f"mta-sts.{domain}", server.port, 443)
        self.zone.set(f"_mta-sts.{domain}", "TXT", [f'"{record}"'])
        return server

    def delivered(self, recipient):
        """How the delivery to this recipient, or to b@ at a domain, was verified."""
        return self._event(recipient, "delivered")["tls_verification"]

    def deferred(self, recipient):
        """What `message trace` says of the recipient that waits."""
        event = self._event(recipient, "deferred")
        return self.relay_.cli("message", "trace", event["message"])

    def _event(self, recipient, kind):
        address = recipient if "@" in recipient else f"b@{recipient}"
        events = self.relay_.wait_for_event(address, kind)
        event = [e for e in events if e["kind"] == kind][0]
        verification = event.get("tls_verification", "none")
        if kind == "delivered" and verification != "none":
            self.assertIn(verification, self.relay_.cli("message", "trace", event["message"]))
        return event
