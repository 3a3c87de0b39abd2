"""What is left to do once a policy was converted: on the board, or with a vendor's own tools."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from npu_runtime.convert import caffe
from npu_runtime.hiai_connection import SOCKET_VARIABLE
from npu_runtime.layers import LayeredNetwork
from npu_runtime.policy_file import PolicyFile

_SOCKET, _WRITABLE = "@ilgov-hiai", "/data/local/tmp"
"""Under Android: a name that a chroot sees too, and a folder for programs of the shell's."""


class Step(Struct, frozen=True, kw_only=True):
    """Something to do, in words, and the command that does it where there is one."""

    what: str
    command: str | None = None


def steps_for(
    file: PolicyFile,
    network: LayeredNetwork,
    target: str,
    written: Sequence[Path],
    *,
    batch: int | None,
) -> tuple[Step, ...]:
    """What to do with the files that were written for `target`."""
    return _STEPS[target](file, network, written, batch)


def _kirin970(
    file: PolicyFile, network: LayeredNetwork, written: Sequence[Path], batch: int | None
) -> tuple[Step, ...]:
    """The server's options are those of npu_runtime/hiai/ilgov_hiai_server.c."""
    if any(path.suffix == ".cambricon" for path in written):
        started = Step(what="there, under Android, start the server", command=_server())
        return (_copied(file, written), started, _asked_over(_SOCKET, _checked(file, "hiai")))
    compiled = f"{file.path.stem}.kirin970.cambricon"
    return (
        _copied(file, written),
        Step(
            what="there, under Android, start the server: it has the vendor's library compile the "
            "Caffe files as it loads them (HIAI_ModelManager_buildModel; no Kirin 970 was at hand "
            "to try it), and keeps the result",
            command=_server("--build", f"{_WRITABLE}/{compiled}"),
        ),
        Step(
            what="or compile them before, with the converter in Huawei's HiAI DDK V100.150. Its "
            "command line is in no public source that this project knows, so none is given here; "
            f"what it needs to know: framework Caffe, the files {written[0].name} and "
            f"{written[1].name}, one input {caffe.INPUT!r} of {batch} x {network.width} x 1 x 1, "
            f"one output {caffe.OUTPUT!r} of {batch} x {network.outputs}",
        ),
        Step(
            what="either way, have the compiled model take the place of the Caffe files in the "
            "sidecar, so that nothing is compiled at the next start",
            command=_again(file, written, compiled, batch),
        ),
        _asked_over(_SOCKET, _checked(file, "hiai")),
    )


def _server(*words: str) -> str:
    """Its default socket is below /run, which Android has not."""
    return shlex.join(["ilgov_hiai_server", "--socket", _SOCKET, *words])


def _asked_over(socket: str, step: Step) -> Step:
    return Step(what=step.what, command=f"{SOCKET_VARIABLE}={socket} {step.command}")


def _again(file: PolicyFile, written: Sequence[Path], compiled: str, batch: int | None) -> str:
    """This command once more, with what was compiled in between."""
    words = ["ilgov", "npu", "convert", str(file.path), "--target", "kirin970"]
    words += ["--batch", str(batch), "--compiled", compiled]
    if written[0].parent != file.path.parent:
        words += ["--out", str(written[0].parent)]
    return shlex.join(words)


def _checked(file: PolicyFile, backend: str) -> Step:
    return Step(
        what="there, see whether the NPU computes what the policy computes",
        command=shlex.join(["ilgov", "npu", "check", file.path.name, "--backend", backend]),
    )


def _rk3588(
    file: PolicyFile, network: LayeredNetwork, written: Sequence[Path], batch: int | None
) -> tuple[Step, ...]:
    return (
        _copied(file, written),
        Step(
            what="there, install the runtime: Rockchip's librknnrt.so (of the toolkit's version or "
            "newer) into /usr/lib, and its Python interface into the Python that runs ilgov",
            command="pip install rknn-toolkit-lite2",
        ),
        _checked(file, "rknn"),
    )


def _onnx(
    file: PolicyFile, network: LayeredNetwork, written: Sequence[Path], batch: int | None
) -> tuple[Step, ...]:
    """It is a policy file like any other."""
    return ()


_STEPS: Mapping[
    str,
    Callable[[PolicyFile, LayeredNetwork, Sequence[Path], int | None], tuple[Step, ...]],
] = {"kirin970": _kirin970, "rk3588": _rk3588, "onnx": _onnx}


def _copied(file: PolicyFile, written: Sequence[Path]) -> Step:
    names = [file.path.name, *(path.name for path in written)]
    return Step(what=f"copy these to the board, into one folder: {', '.join(names)}")
