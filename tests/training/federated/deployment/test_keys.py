"""Tests of the keys of a deployment: they fit each other, and nobody else's do."""

import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from platforms.errors import InvalidInput
from training.federated.engine.deployment.keys import Keys, existing_keys, make_keys


def speaks(server: Keys, client: Keys, host: str = "localhost") -> str:
    """What comes of a TLS connection to a server, for a client that trusts an authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.server_key)
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            with context.wrap_socket(ours, server_side=True) as connection:
                connection.sendall(b"hello")
        except ssl.SSLError:
            ours.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        trusting = ssl.create_default_context(cafile=str(client.authority))
        with trusting.wrap_socket(theirs, server_hostname=host) as connection:
            return connection.recv(5).decode()
    finally:
        theirs.close()
        thread.join()


def test_a_client_with_the_authority_reaches_the_server_by_its_names(tmp_path: Path) -> None:
    """The name that was asked for, and this machine itself."""
    keys = make_keys(tmp_path / "keys", (), ["board-server.lan", "192.0.2.5"])
    for host in ("board-server.lan", "192.0.2.5", "localhost", "127.0.0.1"):
        assert "hello" == speaks(keys, keys, host)
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        speaks(keys, keys, "elsewhere.lan")


def test_a_server_of_another_authority_is_not_trusted(tmp_path: Path) -> None:
    """Whoever listens in between has no such certificate."""
    ours, theirs = make_keys(tmp_path / "ours", ()), make_keys(tmp_path / "theirs", ())
    with pytest.raises(ssl.SSLCertVerificationError):
        speaks(theirs, ours)


def test_each_device_has_a_key_pair_of_its_own(tmp_path: Path) -> None:
    """Private and public part belong together."""
    keys = make_keys(tmp_path, ["a", "b"])
    publics = set()
    for device in ("a", "b"):
        private = load_ssh_private_key(keys.private(device).read_bytes(), None)
        public = load_ssh_public_key(keys.public(device).read_bytes())
        assert private.public_key() == public
        publics.add(keys.public(device).read_bytes())
    assert 2 == len(publics)
    assert ("a", "b") == keys.devices()


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    """The folder as well."""
    make_keys(tmp_path / "keys", ["a"])
    secrets = [*(tmp_path / "keys").rglob("*.key"), tmp_path / "keys"]
    assert 4 == len(secrets)
    for path in secrets:
        assert 0 == path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def test_keys_that_exist_stay_and_devices_can_be_added(tmp_path: Path) -> None:
    """Boards that have their keys go on with them."""
    keys = make_keys(tmp_path, ["a"])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    make_keys(tmp_path, ["a", "b"])
    assert before == {path: path.read_bytes() for path in before}
    assert keys.private("b").exists()


def test_other_hosts_need_another_certificate(tmp_path: Path) -> None:
    """It would not be for them, and boards would be refused."""
    make_keys(tmp_path, [])
    with pytest.raises(InvalidInput, match=r"server\.pem must hold for new\.lan; remove it"):
        make_keys(tmp_path, [], ["new.lan"])


def test_the_same_hosts_may_be_named_again(tmp_path: Path) -> None:
    """Devices are added by the same command with another fleet."""
    make_keys(tmp_path, ["a"], ["server.lan", "192.0.2.5"])
    keys = make_keys(tmp_path, ["a", "b"], ["192.0.2.5", "server.lan"])
    assert ("a", "b") == keys.devices()


def test_a_certificate_that_was_removed_is_made_anew_by_the_same_authority(tmp_path: Path) -> None:
    """As the message says; boards that have ca.pem trust it."""
    keys = make_keys(tmp_path, [])
    authority = keys.authority.read_bytes()
    keys.certificate.unlink()
    make_keys(tmp_path, [], ["new.lan"])
    assert authority == keys.authority.read_bytes()
    assert "hello" == speaks(keys, keys, "new.lan")


def test_an_authority_whose_key_is_elsewhere_is_not_replaced(tmp_path: Path) -> None:
    """All boards would refuse the server."""
    keys = make_keys(tmp_path, [])
    authority = keys.authority.read_bytes()
    keys.certificate.unlink()
    keys.authority_key.unlink()
    with pytest.raises(InvalidInput, match=r"ca\.key must be there.*bring it back"):
        make_keys(tmp_path, [], ["new.lan"])
    assert authority == keys.authority.read_bytes()


@pytest.mark.parametrize("device", ["../out", "a/b", "", ".hidden", 'a"b', "a b", "/etc/x"])
def test_a_device_is_a_plain_file_name(tmp_path: Path, device: str) -> None:
    """Keys, logs and memories are files of its name."""
    with pytest.raises(InvalidInput, match="device must be of letters"):
        make_keys(tmp_path / "keys", [device])
    assert not (tmp_path / "keys").exists()


def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    """It may be anybody's; each secret has its own."""
    tmp_path.chmod(0o755)
    keys = make_keys(tmp_path, ["a"])
    assert 0o755 == stat.S_IMODE(tmp_path.stat().st_mode)
    assert 0o600 == stat.S_IMODE(keys.private("a").stat().st_mode)


def test_a_folder_without_keys_is_told_so(tmp_path: Path) -> None:
    """With the command that makes them."""
    with pytest.raises(InvalidInput, match=r"ca\.pem is missing.*federated deploy keys"):
        existing_keys(tmp_path)
