"""What ``ilgov npu check`` and ``bench`` have in common: the policy, and which back ends."""

import argparse
from pathlib import Path

from platforms.errors import InvalidInput
from rm.policies.shipped_files import shipped

_SHIPPED = "ilgov-hikey970.onnx"


def add_policy_arguments(parser: argparse.ArgumentParser) -> None:
    """The policy file and the back ends."""
    parser.add_argument(
        "policy",
        nargs="?",
        type=Path,
        metavar="POLICY.onnx",
        help=f"the policy; what was made of it for NPUs lies beside it [the shipped {_SHIPPED}]",
    )
    parser.add_argument(
        "--backend",
        action="append",
        metavar="NAME",
        help="a back end, may be repeated: numpy, onnxruntime, hiai, rknn, onnxruntime:PROVIDER, "
        "an entry point of ilgov.backends, module:callable, each also as isolated:NAME "
        "[all that have a name, and providers that are found]",
    )


def chosen_policy(args: argparse.Namespace) -> Path:
    """The policy that was named, or the shipped one."""
    path: Path | None = args.policy or shipped(_SHIPPED)
    if path is None:
        raise InvalidInput(f"a policy must be named: {_SHIPPED} is not there")
    return path
