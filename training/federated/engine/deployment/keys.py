"""Keys of a deployment: an authority of its own, the server's certificate, a key per device.

ca.pem, ca.key            the authority; ca.key is needed only to make more keys
server.pem, server.key    the SuperLink's certificate, for the hosts that it is reached by
nodes/DEVICE.key, .pub    what a SuperNode proves who it is by (EC, NIST P-384)
"""

import datetime as dt
import ipaddress
import os
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from platforms.errors import InvalidInput

DAYS = 825
"""How long certificates hold."""
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


class Keys(Struct, frozen=True):
    """The files of a folder of keys."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The certificate by which all others are judged."""
        return self.folder / "ca.pem"

    @property
    def certificate(self) -> Path:
        """The server's."""
        return self.folder / "server.pem"

    @property
    def server_key(self) -> Path:
        """The server's."""
        return self.folder / "server.key"

    def private(self, device: str) -> Path:
        """A device's own key."""
        return self.folder / "nodes" / f"{device}.key"

    def public(self, device: str) -> Path:
        """What the server knows the device by."""
        return self.folder / "nodes" / f"{device}.pub"

    def devices(self) -> tuple[str, ...]:
        """The devices that have keys, sorted."""
        return tuple(sorted(path.stem for path in (self.folder / "nodes").glob("*.pub")))


def make_keys(folder: Path, devices: Iterable[str], hosts: Iterable[str] = ()) -> Keys:
    """Make what is not there yet; keys that exist stay as they are.

    The server's certificate holds for `hosts` (names or addresses) and for this machine itself.
    """
    keys = Keys(folder)
    (folder / "nodes").mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    if not keys.certificate.exists():
        _make_server(keys, (*LOCAL_HOSTS, *hosts))
    elif hosts:
        raise InvalidInput(f"{keys.certificate} is there; remove it to have one for other hosts")
    for device in devices:
        if not keys.private(device).exists():
            make_node_key(keys.private(device), keys.public(device))
    return keys


def existing_keys(folder: Path) -> Keys:
    """Keys that were made before; InvalidInput where there are none."""
    keys = Keys(folder)
    for path in (keys.authority, keys.certificate, keys.server_key):
        if not path.exists():
            raise InvalidInput(
                f"{folder} must hold keys ({path.name} is missing); "
                "'ilgov federated deploy keys' makes them"
            )
    return keys


def make_node_key(private: Path, public: Path) -> None:
    """A key pair in OpenSSH's format, which SuperNode and `flwr supernode register` read."""
    key = ec.generate_private_key(ec.SECP384R1())
    _write_secret(private, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))


def _make_server(keys: Keys, hosts: Iterable[str]) -> None:
    authority_key = ec.generate_private_key(ec.SECP384R1())
    authority = (
        _begun("ilgov federated authority", "ilgov federated authority", authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA384())
    )
    key = ec.generate_private_key(ec.SECP384R1())
    certificate = (
        _begun("ilgov federated server", "ilgov federated authority", key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA384())
    )
    keys.authority.write_bytes(authority.public_bytes(Encoding.PEM))
    _write_secret(keys.folder / "ca.key", _pem(authority_key))
    _write_secret(keys.server_key, _pem(key))
    keys.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))


def _begun(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
