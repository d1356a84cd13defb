"""Certificates as a test needs them: of any dates, names and signer (RFC 5280), and their TLSA."""
import datetime
import hashlib
import pathlib
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


class Certificate:
    def __init__(self, names, signer=None, is_authority=False, days=(-1, 30)):
        self.key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder()
                   .subject_name(subject)
                   .issuer_name(signer.certificate.subject if signer else subject)
                   .public_key(self.key.public_key())
                   .serial_number(x509.random_serial_number())
                   .not_valid_before(now + days[0] * DAY)
                   .not_valid_after(now + days[1] * DAY)
                   .add_extension(x509.BasicConstraints(is_authority, None), True))
        if not is_authority:
            alternatives = [x509.DNSName(name) for name in names]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), False)
        self.certificate = builder.sign((signer or self).key, hashes.SHA256())
        self.signer = signer

    def chain(self):
        """PEM, this one first, up to its authority."""
        own = self.certificate.public_bytes(PEM).decode()
        return own + (self.signer.chain() if self.signer else "")

    def tlsa(self, usage, selector=1, matching=1):
        data = (self.certificate.public_bytes(DER) if selector == 0 else
                self.key.public_key().public_bytes(
                    DER, serialization.PublicFormat.SubjectPublicKeyInfo))
        if matching:
            data = (hashlib.sha256 if matching == 1 else hashlib.sha512)(data).digest()
        return f"{usage} {selector} {matching} {data.hex()}"

    def write(self, folder, name):
        """The files of chain and key."""
        chain, key = (pathlib.Path(folder) / f"{name}.{kind}" for kind in ("pem", "key"))
        chain.write_text(self.chain())
        key.write_bytes(self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8,
                                               serialization.NoEncryption()))
        return chain, key

    def server_context(self, folder, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.write(folder, name))
        return context


class Authority(Certificate):
    def __init__(self, name="Test CA"):
        super().__init__([name], is_authority=True)
