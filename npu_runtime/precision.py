"""Precisions from the finest to the coarsest, and which of two counts."""

from npu_runtime.policy_file import Precision

PRECISIONS: tuple[Precision, ...] = ("float32", "float16", "int8")


def coarser(one: str, *others: str) -> Precision:
    """The coarsest of some precisions; those without a name here count as the finest.

    >>> coarser("float32", "float16")
    'float16'
    >>> coarser("float32", "bfloat16")
    'float32'
    """
    return max((known for known in PRECISIONS if known in (PRECISIONS[0], one, *others)), key=_rank)


def _rank(precision: Precision) -> int:
    return PRECISIONS.index(precision)
