"""Keys and certificates of the network: the TLS side for every host name, and the Noise chain under the root key."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from whatsim.wire.curve import KeyPair, derive_private, key_pair, sign
from whatsim.wire.records import Certificate, CertificateChain, CertificateDetails

HOST_NAMES = ("web.whatsapp.com", "*.whatsapp.com", "*.whatsapp.net", "localhost")
_DAY_S = 86_400
_VALID_DAYS = 3_650


@dataclass(frozen=True, slots=True)
class NoiseChain:
    """The server's static key, the serialised chain that vouches for it, and the root's public key."""

    static: KeyPair
    chain: bytes
    root: bytes


def noise_chain(seed: bytes, now: float) -> NoiseChain:
    """Return the chain under the root key derived from `seed`, valid from yesterday for ten years."""
    root, intermediate, static = (key_pair(derive_private(seed, f"noise {part}")) for part in ("root", "inner", "leaf"))
    # The serial of the root is 0; clients check that each certificate names its issuer's serial.
    inner = _certificate(root, CertificateDetails(1, 0, intermediate.public), now)
    leaf = _certificate(intermediate, CertificateDetails(2, 1, static.public), now)
    return NoiseChain(static, CertificateChain(leaf, inner).encode(), root.public)


def _certificate(issuer: KeyPair, details: CertificateDetails, now: float) -> Certificate:
    details.not_before = int(now) - _DAY_S
    details.not_after = int(now) + _VALID_DAYS * _DAY_S
    encoded = details.encode()
    return Certificate(encoded, sign(issuer.private, encoded))


def tls_context(directory: Path) -> ssl.SSLContext:
    """Return the server's TLS settings, with `ca.pem` and `server.pem` (0600) in `directory` made at the first call."""
    ca_path, server_path = directory / "ca.pem", directory / "server.pem"
    if not (ca_path.exists() and server_path.exists()):
        _create(ca_path, server_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(server_path)
    return context


def _create(ca_path: Path, server_path: Path) -> None:
    ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("Simulated WhatsApp network CA")
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    names: list[x509.GeneralName] = [x509.DNSName(host) for host in HOST_NAMES]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
    server = (
        _builder(_name("web.whatsapp.com"), ca_name, server_key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key = server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    # The server's file first: with ca.pem there, both are complete.
    write_private(server_path, server.public_bytes(pem) + key)
    write_private(ca_path, ca.public_bytes(pem))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS))
    )


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read (0600), whole or not at all."""
    partial = path.with_suffix(".part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
