"""Tests of the program in C itself: what it makes of clients that are rude, odd, or too many."""

import contextlib
import os
import shutil
import socket
import stat
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from npu_runtime.errors import BackendUnavailable
from npu_runtime.hiai_backend import HiaiBackend
from npu_runtime.hiai_protocol import LOAD, PART, Model, packed_model, read_hello
from npu_runtime.isolation_messages import (
    ANSWER,
    FAILED,
    HEADER,
    HELLO,
    MAGIC,
    MOST_BYTES,
    REQUEST,
    Message,
    packed_rows,
    unpacked,
)
from npu_runtime.layers import layered_network
from npu_runtime.load import run_in_batches
from npu_runtime.policy_file import PolicyFile
from tests.npu_runtime.hiai.stub_npu import (
    BATCH,
    PATIENCE_S,
    SANITIZERS,
    Programs,
    StubNpu,
    build_library,
    build_server,
    stub_model,
    with_artifact,
)

FUZZED_PACKETS = 4000
HEADER_BYTES = HEADER.size


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """Server and stub with checks of every memory access and of undefined behaviour."""
    folder = tmp_path_factory.mktemp("sanitized")
    made = build_server("host", folder / "server", CFLAGS=SANITIZERS)
    if "cannot find" in made.stderr:
        pytest.skip("the compiler has no sanitizers (libasan, libubsan)")
    assert (0, "") == (made.returncode, made.stderr)
    library = build_library(folder / "libai_client.so", *SANITIZERS.split())
    return Programs(server=folder / "server", library=library, minimal_library=library)


@pytest.fixture
def checked_npu(sanitized: Programs, tmp_path: Path) -> Iterator[StubNpu]:
    """A server that ends its process with words at the first wrong access."""
    with StubNpu(sanitized, tmp_path) as running:
        yield running
        running.stop()
        for words in ("Sanitizer", "runtime error", "broken rule"):
            assert words not in running.log, running.log


def received(link: socket.socket) -> Message:
    """The server's next message."""
    return unpacked(link.recv(MOST_BYTES))


def greeted(npu: StubNpu) -> socket.socket:
    """A client that has been greeted."""
    link = npu.connect()
    message = received(link)
    assert HELLO == message.kind, message.text
    return link


def model_of(file: PolicyFile) -> Model:
    """The policy as the stub takes it."""
    network = layered_network(file)
    return Model(
        name="policy",
        batch=BATCH,
        inputs=network.width,
        outputs=network.outputs,
        parts=(stub_model(network),),
    )


def loaded(npu: StubNpu, file: PolicyFile) -> socket.socket:
    """A client whose model is loaded, under the sequence 1."""
    link = greeted(npu)
    for packet in packed_model(1, model_of(file)):
        link.send(packet)
    assert (ANSWER, 1) == (received(link).kind, 1)
    return link


# --- clients ----------------------------------------------------------------------------------


def test_it_greets_with_the_version_of_the_library(npu: StubNpu) -> None:
    """The back end reports it as evidence of the device."""
    with npu.connect() as link:
        hello = read_hello(received(link).text)
    assert ("100.150.010.010", True) == (hello.version, hello.builds)


def test_a_greeting_that_is_none_is_refused() -> None:
    """Something else may listen there."""
    for text in ("", "[]", '{"version":1,"builds":true}', '{"version":"1"}'):
        with pytest.raises(ValueError, match="its first message must say what it is"):
            read_hello(text)


def test_a_second_client_is_refused_and_the_first_goes_on(npu: StubNpu, file: PolicyFile) -> None:
    """And is welcome when the first has gone."""
    rows = np.zeros((BATCH, 21), np.float32)
    with loaded(npu, file) as link:
        with npu.connect() as second:
            message = received(second)
            assert FAILED == message.kind
            assert "the server must be free: another client is connected" in message.text
            assert b"" == second.recv(MOST_BYTES)
        link.send(packed_rows(REQUEST, 2, rows))
        assert ANSWER == received(link).kind
    greeted(npu).close()


def test_a_second_client_is_refused_even_while_the_library_hangs(
    npu: StubNpu, file: PolicyFile
) -> None:
    """The process that answers it runs no vendor code."""
    npu.restart("load-hangs")
    with greeted(npu) as link:
        for packet in packed_model(1, model_of(file)):
            link.send(packet)
        with npu.connect() as second:
            assert "another client" in received(second).text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can connect as another user")
def test_a_client_of_another_user_is_refused(built: Programs, tmp_path: Path) -> None:
    """An abstract name has no file with permissions; the kernel says who it is."""
    with StubNpu(built, tmp_path, path=f"@ilgov-{os.getpid()}-server") as npu:
        os.seteuid(65534)
        try:
            stranger = npu.connect()
        finally:
            os.seteuid(0)
        with stranger:
            assert "a client must be root" in received(stranger).text
        greeted(npu).close()


def test_its_socket_is_for_its_user_alone(npu: StubNpu) -> None:
    """Before anybody is asked who he is."""
    assert 0o600 == stat.S_IMODE(Path(npu.path).stat().st_mode)


# --- messages ---------------------------------------------------------------------------------


def header(kind: int, sequence: int = 1, rows: int = 0, columns: int = 0) -> bytes:
    """That of a message."""
    return HEADER.pack(MAGIC, kind, sequence, rows, columns)


def load(
    shape: tuple[int, int, int] = (BATCH, 21, 8),
    parts: int = 1,
    sizes: tuple[int, int] = (100, 0),
    name: bytes = b"policy",
) -> bytes:
    """A LOAD, sound but for what is given."""
    return header(LOAD) + struct.pack("<IIIIII64s", *shape, parts, *sizes, name)


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (b"x", "a message must be whole, and of a known kind"),
        (header(REQUEST)[:-1], "a message must be whole"),
        (b"ilg0" + header(REQUEST)[4:], "a message must be whole, and of a known kind"),
        (header(HELLO), "a message must be whole, and of a known kind"),
        (header(7), "a message must be whole, and of a known kind"),
        (header(REQUEST) + bytes(MOST_BYTES), "a message must be whole"),
        (header(REQUEST), "a model must be loaded before it is asked"),
        (header(PART) + b"x", "PART must follow the LOAD that it belongs to"),
        (header(LOAD), "LOAD must have its size"),
        (load() + b"x", "LOAD must have its size"),
        (load(name=b""), "name must have 1 to 63 letters"),
        (load(name=b"x" * 64), "name must have 1 to 63 letters"),
        (load(name=b"a/b"), "name must have 1 to 63 letters"),
        (load(name=b"a\n"), "name must have 1 to 63 letters"),
        (load((0, 21, 8)), "batch, inputs and outputs must be 1 or more"),
        (load((BATCH, 0, 8)), "batch, inputs and outputs must be 1 or more"),
        (load((2**31, 2, 2**31)), "and rows fit into a message"),
        (load((1, 1, 16385)), "and rows fit into a message"),
        (load(parts=0), "parts must be 1 (compiled) or 2"),
        (load(parts=3), "parts must be 1 (compiled) or 2"),
        (load(sizes=(0, 0)), "each part must have 1 byte to 16 MiB"),
        (load(sizes=(2**32 - 1, 0)), "each part must have 1 byte to 16 MiB"),
        (load(parts=2), "each part must have 1 byte to 16 MiB"),
    ],
)
def test_a_message_that_is_none_is_refused_with_its_reason_and_the_client_stays(
    npu: StubNpu, file: PolicyFile, packet: bytes, words: str
) -> None:
    """Sizes are checked before they are used, and what follows is taken as if nothing was."""
    with greeted(npu) as link:
        link.send(packet)
        message = received(link)
        assert FAILED == message.kind
        assert words in message.text
        for sound in packed_model(1, model_of(file)):
            link.send(sound)
        assert ANSWER == received(link).kind


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (header(PART, 1, 0, 4) + b"x", "parts must come in order, and in their size"),
        (header(PART, 1, 1, 0) + b"x", "parts must come in order, and in their size"),
        (header(PART, 1, 2**32 - 1, 0) + b"x", "parts must come in order, and in their size"),
        (header(PART, 1, 0, 0), "parts must come in order, and in their size"),
        (header(PART, 1, 0, 0) + bytes(101), "parts must come in order, and in their size"),
        (header(PART, 2, 0, 0) + b"x", "PART must follow the LOAD that it belongs to"),
        (load(), "a client must load one model only"),
        (header(REQUEST), "a model must be loaded before it is asked"),
        (header(PART, 1, 0, 0) + bytes(100), "loadFromModelBuffers must not fail (got -2)"),
    ],
)
def test_a_model_whose_parts_do_not_fit_is_refused(npu: StubNpu, part: bytes, words: str) -> None:
    """Nothing is written beyond what was announced."""
    with greeted(npu) as link:
        link.send(load())
        link.send(part)
        message = received(link)
        assert FAILED == message.kind
        assert words in message.text


@pytest.mark.parametrize(
    ("shape", "payload_bytes"),
    [
        ((BATCH, 21), 0),
        ((BATCH, 21), BATCH * 21 * 4 - 4),
        ((BATCH, 21), BATCH * 21 * 4 + 4),
        ((BATCH - 1, 21), BATCH * 21 * 4),
        ((BATCH, 2**30), BATCH * 21 * 4),
    ],
)
def test_rows_of_another_shape_than_the_models_are_refused(
    npu: StubNpu, file: PolicyFile, shape: tuple[int, int], payload_bytes: int
) -> None:
    """What the header says and what is there must both fit; the model stays loaded."""
    with loaded(npu, file) as link:
        link.send(header(REQUEST, 2, *shape) + bytes(payload_bytes))
        message = received(link)
        assert (FAILED, 2) == (message.kind, message.sequence)
        assert "rows must have the shape of the model's input" in message.text
        link.send(packed_rows(REQUEST, 3, np.ones((BATCH, 21), np.float32)))
        message = received(link)
        assert (ANSWER, 3, (BATCH, 8)) == (message.kind, message.sequence, message.matrix.shape)


def test_thousands_of_mutated_messages_neither_crash_it_nor_touch_wrong_memory(
    checked_npu: StubNpu, file: PolicyFile
) -> None:
    """Random bytes, and sound conversations with bytes and lengths changed; then it serves on."""
    rng = np.random.default_rng(11)
    rows = packed_rows(REQUEST, 2, np.ones((BATCH, 21), np.float32))
    conversation = [*packed_model(1, model_of(file)), rows, rows]
    sent = 0
    while sent < FUZZED_PACKETS:
        with greeted(checked_npu) as link:
            for number in range(100):
                packet = conversation[number % len(conversation)]
                link.send(mutated(packet, rng) if rng.random() < 0.8 else packet)
                sent += 1
                drain(link)
    backend = HiaiBackend(file)
    assert np.isfinite(run_in_batches(backend, file.metadata.parity_rows()[0])).all()
    backend.close()
    assert "the vendor's library ended its process" not in checked_npu.log
    assert checked_npu.log.count("server: loaded policy") >= 10, "few conversations got that far"


def mutated(packet: bytes, rng: np.random.Generator) -> bytes:
    """A packet with something wrong; never an empty one, which says that the client is gone."""
    content = bytearray(packet)
    way = rng.integers(5)
    if way == 0:
        return rng.bytes(int(rng.integers(1, 200)))
    if way == 1:
        return bytes(content[: rng.integers(1, len(content) + 1)])
    if way == 2:
        return bytes(content) + rng.bytes(int(rng.integers(1, 200)))
    place = int(rng.integers(4, HEADER_BYTES + 24 if way == 3 else len(content)))
    value = [0, 1, 2**16, 2**31 - 1, 2**32 - 1, int(rng.integers(2**32))][rng.integers(6)]
    content[place : place + 4] = struct.pack("<I", value)[: len(content) - place]
    return bytes(content)


def drain(link: socket.socket) -> None:
    """Read what was answered so far, so that the server never waits for this client."""
    link.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while link.recv(MOST_BYTES):
            pass
    link.settimeout(PATIENCE_S)


@pytest.mark.parametrize(
    "mode",
    [
        *("sound", "stamps", "zeros", "nan", "run-fails", "positive-error"),
        *("load-fails", "no-manager", "no-buffer", "no-tensor", "short-tensor", "two-inputs"),
        *("build-fails", "version-zeros", "version-odd"),
    ],
)
@pytest.mark.parametrize("made_of", ["cambricon", "caffe"])
def test_no_fault_of_the_library_makes_it_touch_wrong_memory_or_break_a_rule(
    checked_npu: StubNpu, tmp_path: Path, mode: str, made_of: str
) -> None:
    """Every way out gives back what was made, once."""
    if mode != "sound":
        checked_npu.restart(mode)
    with contextlib.suppress(BackendUnavailable):
        backend = HiaiBackend(with_artifact(tmp_path, made_of=made_of))
        with contextlib.closing(backend):
            for _ in range(3):
                backend.warm_up(BATCH)
    if mode not in ("no-manager", "version-zeros", "version-odd"):
        checked_npu.wait_for("stub: all is given back")


# --- its life ---------------------------------------------------------------------------------


def test_it_ends_when_it_is_told_to_and_removes_its_socket(npu: StubNpu) -> None:
    """With a client connected, and at once."""
    with greeted(npu) as link:
        assert 0 == npu.stop()
        assert b"" == link.recv(MOST_BYTES)
    assert not Path(npu.path).exists()


def test_what_a_killed_server_left_is_no_hindrance(npu: StubNpu, file: PolicyFile) -> None:
    """Its socket lies there still; the process that served has gone with it."""
    with loaded(npu, file) as link:
        assert npu.process is not None
        npu.process.kill()
        npu.process.wait(PATIENCE_S)
        assert b"" == link.recv(MOST_BYTES)
    assert Path(npu.path).exists()
    npu.process = None
    npu.start()
    greeted(npu).close()


def ended(built: Programs, *words: object) -> subprocess.CompletedProcess[str]:
    """The server with other words, which it refuses."""
    return subprocess.run(
        [built.server, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def test_a_second_server_leaves_the_first_alone(npu: StubNpu, built: Programs) -> None:
    """And says why it does not start."""
    second = ended(built, "--socket", npu.path)
    assert 1 == second.returncode
    assert "must not be in use by another server or file" in second.stderr
    greeted(npu).close()


def test_it_removes_no_file_that_is_no_socket(built: Programs, tmp_path: Path) -> None:
    """A typing mistake must not cost anybody a file."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    assert 1 == ended(built, "--socket", precious).returncode
    assert "precious" == precious.read_text()


def test_words_that_it_does_not_know_are_answered_with_its_usage(built: Programs) -> None:
    """All of them."""
    for words in (["--port", "1"], ["--socket"], ["x"]):
        refused = ended(built, *words)
        assert 2 == refused.returncode
        assert refused.stderr.startswith("usage: ilgov_hiai_server [--socket PATH]")


def test_a_place_that_cannot_be_had_is_told(built: Programs, tmp_path: Path) -> None:
    """A folder that is not there, and a name that is too long for a socket."""
    for path, words in (
        (tmp_path / "none" / "s", "must be a place for a socket: No such file or directory"),
        ("/" + "x" * 200, "--socket must have 1 to 107 bytes"),
    ):
        refused = ended(built, "--socket", path)
        assert 1 == refused.returncode
        assert words in refused.stderr


def test_it_checks_a_library_without_serving(built: Programs, tmp_path: Path) -> None:
    """The first step on a board."""
    for library, says in (
        (built.library, "version 100.150.010.010, tells its shapes, compiles Caffe models"),
        (built.minimal_library, "does not tell its shapes, does not compile Caffe models"),
    ):
        checked = ended(built, "--check", "--library", library)
        assert (0, "") == (checked.returncode, checked.stderr)
        assert says in checked.stdout
    broken = build_library(tmp_path / "libbroken.so", "-DHIAI_ModelManager_runModel=gone")
    refused = ended(built, "--check", "--library", broken)
    assert 1 == refused.returncode
    assert "must have the symbol HIAI_ModelManager_runModel" in refused.stderr
    refused = ended(built, "--check", "--library", tmp_path / "none.so")
    assert 1 == refused.returncode
    assert "the library must be there" in refused.stderr


# --- its build script -------------------------------------------------------------------------


def test_it_compiles_for_arm64_without_a_warning(tmp_path: Path) -> None:
    """The board's processor, with glibc: Android's own compiler cannot be had here."""
    if shutil.which("aarch64-linux-gnu-gcc") is None:
        pytest.skip("there is no cross compiler (gcc-aarch64-linux-gnu)")
    made = build_server("host", tmp_path / "server", CC="aarch64-linux-gnu-gcc")
    assert (0, "", "") == (made.returncode, made.stdout, made.stderr)
    machine = struct.unpack_from("<H", (tmp_path / "server").read_bytes(), 18)
    assert (183,) == machine, "EM_AARCH64"


def test_for_android_the_ndks_compiler_is_called_with_the_api_level(
    built: Programs, tmp_path: Path
) -> None:
    """Position-independent, as Android demands; the compiler here is the host's in disguise."""
    folder = tmp_path / "toolchains" / "llvm" / "prebuilt" / "linux-x86_64" / "bin"
    folder.mkdir(parents=True)
    disguise = folder / "clang"
    disguise.write_text('#!/bin/sh\necho "$@"\nshift\nexec cc "$@"\n')
    disguise.chmod(0o755)
    made = build_server("android", tmp_path / "server", ANDROID_NDK=str(tmp_path))
    assert (0, "") == (made.returncode, made.stderr)
    assert made.stdout.startswith("--target=aarch64-linux-android26 -std=c11")
    assert " -fPIE -pie " in made.stdout
    assert (tmp_path / "server").exists()


def test_the_build_script_says_what_it_needs(tmp_path: Path) -> None:
    """A target and a place; for Android, where the NDK is."""
    assert 2 == build_server("windows", tmp_path / "server").returncode
    without = build_server("android", tmp_path / "server", ANDROID_NDK="")
    assert without.returncode != 0
    assert "ANDROID_NDK: must name the folder of the NDK" in without.stderr
