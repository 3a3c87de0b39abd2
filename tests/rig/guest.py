"""Run a command as root in the emulated guest; its output comes as it is written.

The guest sees the checkout at ``/repo`` (read-only) and may write below ``/out``, which the host
finds in the slot that the guest runs in. Guest time follows the clock that is chosen:

- ``icount``: executed instructions make the time, so that no result depends on the host's load.
- ``host``: one thread per emulated core, in the host's time; for looking around.
"""

import shlex
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from platforms.board import Board
from tests.rig.debian import RigUnavailable
from tests.rig.device_tree import device_tree
from tests.rig.places import CHECKOUT, Build, Slot
from tests.rig.registers import RAM_BYTES, Registers, initial_words, write_memory

Clock = Literal["icount", "host"]

START_TEMP_C = 40.0
_POLL_S = 0.1


class GuestFailed(Exception):
    """The guest gave no exit status: it crashed, or ran past its time."""


@dataclass(frozen=True)
class Setup:
    """What is emulated.

    With ``icount``, an instruction takes ``2 ** shift`` nanoseconds of guest time. Without `pmu`
    there are no hardware counters: those of the emulator count the whole machine's instructions,
    which no application's speed can be taken from. With `systemd` that is the first process, and
    the command is a service of it. `ram_bytes` are at least a GiB. `shared` are more folders for
    the guest, by the tag (at most 31 bytes) under which it may mount them, read-only. `cpu` is the
    core that QEMU emulates, whatever the kernel is told of clusters.
    """

    board: Board
    clock: Clock = "icount"
    shift: int = 1
    pmu: bool = True
    systemd: bool = False
    ram_bytes: int = RAM_BYTES
    shared: Mapping[str, Path] = field(default_factory=dict)
    cpu: str = "cortex-a57"


@dataclass(frozen=True)
class Ended:
    """What a command in the guest left behind; `guest_s` is how long it took there."""

    exit_code: int
    output: str
    out: Path
    guest_s: float
    host_s: float


def run(
    setup: Setup,
    build: Build,
    slot: Slot,
    words: Sequence[str],
    *,
    timeout_s: float,
    hear: Callable[[str], None] = lambda text: None,
) -> Ended:
    """Boot, run a command, power off. `hear` gets the output as it comes.

    Raises GuestFailed with the console's end when it takes longer than `timeout_s` on the host.
    """
    started_s = time.monotonic()
    _prepare(setup, slot)
    (slot.out / "command").write_text(shlex.join(words) + "\n")
    output = _follow(
        _command_line(setup, build, slot, "systemd" if setup.systemd else "run"),
        slot,
        timeout_s,
        hear,
    )
    return _ended(slot, output, time.monotonic() - started_s)


def shell(setup: Setup, build: Build, slot: Slot) -> None:
    """Boot to a shell on this terminal; powering off ends it."""
    _prepare(setup, slot)
    subprocess.run(_command_line(setup, build, slot, "shell"), check=False)


def registers_of(slot: Slot) -> Registers:
    """The registers of the guest that runs in a slot, from the host."""
    try:
        return Registers(slot.ram)
    except FileNotFoundError as error:
        raise RigUnavailable("no guest runs: there is no memory to look into") from error


def _prepare(setup: Setup, slot: Slot) -> None:
    """Write the guest's hardware, memory and empty output folder."""
    shutil.rmtree(slot.out, ignore_errors=True)
    slot.out.mkdir()
    (slot.out / "output").touch()
    _write_metadata(slot.out / "metadata")
    subprocess.run(
        ["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", str(slot.device_tree)],
        input=device_tree(setup.board, pmu=setup.pmu, ram_bytes=setup.ram_bytes),
        text=True,
        check=True,
    )
    tables = [[(opp.freq_hz, opp.volt_v) for opp in c.opps] for c in setup.board.clusters]
    words = initial_words(tables, len(setup.board.sensors), START_TEMP_C)
    write_memory(slot.ram, words, setup.ram_bytes)


def _write_metadata(folder: Path) -> None:
    """What ``pip install`` would leave of ilgov's entry points, so that the command works."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    info = folder / f"ilgov-{project['version']}.dist-info"
    info.mkdir(parents=True)
    head = f"Metadata-Version: 2.1\nName: ilgov\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(head)
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *[f"{name} = {target}" for name, target in points.items()], ""]
    (info / "entry_points.txt").write_text("\n".join(lines))


def _command_line(setup: Setup, build: Build, slot: Slot, mode: str) -> list[str]:
    kernel = f"console=ttyAMA0 iomem=relaxed loglevel=4 panic=-1 rig={mode}"
    if setup.clock == "icount":
        kernel += f" rig.shift={setup.shift}"
    memory = f"memory-backend-file,id=ram,mem-path={slot.ram},size={setup.ram_bytes},share=on"
    return [
        "qemu-system-aarch64",
        *("-machine", "virt,gic-version=3,memory-backend=ram", "-cpu", setup.cpu),
        *_accelerator(setup),
        *(
            "-smp",
            str(setup.board.core_count),
            "-m",
            f"{setup.ram_bytes >> 20}M",
            "-object",
            memory,
        ),
        *("-kernel", str(build.kernel), "-initrd", str(_initramfs(setup, build, slot))),
        *("-dtb", str(slot.device_tree), "-append", kernel),
        *_shared("repo", CHECKOUT, writable=False),
        *_shared("site", build.site, writable=False),
        *_shared("out", slot.out, writable=True),
        *_shared("compiled", build.compiled, writable=True),
        *[
            word
            for tag, path in setup.shared.items()
            for word in _shared(tag, path, writable=False)
        ],
        *("-nographic", "-monitor", "none", "-serial", "stdio", "-nic", "none", "-no-reboot"),
    ]


def _initramfs(setup: Setup, build: Build, slot: Slot) -> Path:
    """The guest's root file system: archives one after the other are unpacked as one."""
    if not setup.systemd:
        return build.initramfs
    with slot.initramfs.open("wb") as whole:
        for part in (build.initramfs, build.systemd):
            whole.write(part.read_bytes())
    return slot.initramfs


def _accelerator(setup: Setup) -> list[str]:
    if setup.clock == "host":
        return ["-accel", "tcg,thread=multi"]
    return ["-accel", "tcg,thread=single", "-icount", f"shift={setup.shift}"]


def _shared(tag: str, folder: Path, *, writable: bool) -> list[str]:
    access = "" if writable else ",readonly=on"
    return [
        *("-fsdev", f"local,id={tag},path={folder},security_model=none{access}"),
        *("-device", f"virtio-9p-device,fsdev={tag},mount_tag={tag}"),
    ]


def _follow(
    command: Sequence[str], slot: Slot, timeout_s: float, hear: Callable[[str], None]
) -> str:
    """Run QEMU and hand on what the guest's command writes."""
    deadline_s = time.monotonic() + timeout_s
    heard: list[str] = []
    with slot.console.open("wb") as console, (slot.out / "output").open(errors="replace") as log:
        qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        try:
            while qemu.poll() is None and time.monotonic() < deadline_s:
                _hand_on(log.read(), heard, hear)
                time.sleep(_POLL_S)
        finally:
            qemu.kill()
            qemu.wait()
        _hand_on(log.read(), heard, hear)
    return "".join(heard)


def _hand_on(text: str, heard: list[str], hear: Callable[[str], None]) -> None:
    if text:
        heard.append(text)
        hear(text)


def _ended(slot: Slot, output: str, host_s: float) -> Ended:
    try:
        code = int((slot.out / "exit_code").read_text())
        up_s = float((slot.out / "up_s").read_text())
        down_s = float((slot.out / "down_s").read_text())
    except (FileNotFoundError, ValueError):
        console = slot.console.read_text(errors="replace")
        last = "\n".join([*output.splitlines()[-20:], "--- console:", *console.splitlines()[-20:]])
        raise GuestFailed(f"the guest gave no exit status within {host_s:.0f} s; {last}") from None
    return Ended(code, output, slot.out, down_s - up_s, host_s)
