"""Keys of a deployment: an authority of its own, the server's certificate, a key per device.

ca.pem, ca.key            the authority; ca.key is needed only to make more keys
server.pem, server.key    the SuperLink's certificate, for the hosts that it is reached by
nodes/DEVICE.key, .pub    what a SuperNode proves who it is by (EC, NIST P-384)
"""

import datetime as dt
import ipaddress
import os
import re
import tempfile
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
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from platforms.errors import InvalidInput

DAYS = 825
"""How long certificates hold."""
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Keys(Struct, frozen=True):
    """The files of a folder of keys."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The certificate by which all others are judged."""
        return self.folder / "ca.pem"

    @property
    def authority_key(self) -> Path:
        """What the authority signs with."""
        return self.folder / "ca.key"

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

    The server's certificate holds for `hosts` (names or addresses) and for this machine itself; one
    that is removed is made anew by the same authority, so that boards still trust it. InvalidInput
    where a device's name is no file name, or `hosts` are not those of the certificate.
    """
    keys, names = Keys(folder), list(devices)
    for device in names:
        check_device(device)
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(0o700)
    (folder / "nodes").mkdir(exist_ok=True)
    wanted = [_host(host) for host in (*LOCAL_HOSTS, *hosts)]
    if not keys.certificate.exists():
        _make_server(keys, wanted)
    elif missing := [host.value for host in wanted if host not in _hosts_of(keys.certificate)]:
        raise InvalidInput(
            f"{keys.certificate} must hold for {', '.join(map(str, missing))}; remove it and name "
            "all hosts to have another by the same authority"
        )
    for device in names:
        if not keys.private(device).exists():
            make_node_key(keys.private(device), keys.public(device))
    return keys


def check_device(device: str) -> None:
    """InvalidInput where the name of a device is no plain file name: files are named by it."""
    if not _DEVICE.fullmatch(device):
        raise InvalidInput(
            f"device must be of letters, digits, '.', '_' and '-', the first a letter or a digit "
            f"(got {device!r}); see the kinds in the fleet's file"
        )


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
    public.write_bytes(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
    _write_secret(private, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))


def _make_server(keys: Keys, hosts: Iterable[x509.GeneralName]) -> None:
    authority_key = _authority(keys)
    key = ec.generate_private_key(ec.SECP384R1())
    certificate = (
        _begun("ilgov federated server", "ilgov federated authority", key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA384())
    )
    _write_secret(keys.server_key, _pem(key))
    keys.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))


def _authority(keys: Keys) -> ec.EllipticCurvePrivateKey:
    """The authority's key: the one that is there, or a new one with its certificate."""
    if keys.authority.exists():
        return _read_key(keys.authority_key)
    key = ec.generate_private_key(ec.SECP384R1())
    authority = (
        _begun("ilgov federated authority", "ilgov federated authority", key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA384())
    )
    _write_secret(keys.authority_key, _pem(key))
    keys.authority.write_bytes(authority.public_bytes(Encoding.PEM))
    return key


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    if not path.exists():
        raise InvalidInput(
            f"{path} must be there to make a certificate that boards with ca.pem trust; bring it "
            "back, or make keys in another folder and give all boards theirs anew"
        )
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except ValueError as error:
        raise InvalidInput(f"{path} must be a private key ({error})") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InvalidInput(f"{path} must be a key of an elliptic curve")
    return key


def _hosts_of(certificate: Path) -> list[x509.GeneralName]:
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (ValueError, x509.ExtensionNotFound) as error:
        raise InvalidInput(f"{certificate} must be a certificate ({error})") from error
    return list(names.value)


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
    """Write a file that only its owner can read, from its first byte on; it is whole or not there.

    What stood there before is replaced.
    """
    handle, building = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(building).replace(path)
    finally:
        Path(building).unlink(missing_ok=True)
