"""What a probe found out: a value, where it comes from, and what it stands in for."""

from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Gap(Struct, frozen=True):
    """Something that this machine does not show: what, where it was looked for, what is used.

    `way_out` is what the user can do to have it seen, empty where nothing helps.
    """

    what: str
    looked_at: str
    instead: str
    way_out: str = ""


class Fact(Struct, Generic[T], frozen=True):
    """A value with its source, ``"<kind>: <where>"`` as board files have it.

    `gap` is set where the value had to be assumed although a kernel can show it.
    """

    value: T
    source: str
    gap: Gap | None = None

    @property
    def assumed(self) -> bool:
        """Whether nobody saw or computed the value."""
        return self.source.startswith("assumed")


def unseen(value: T, instead: str, *, what: str, looked_at: str, way_out: str = "") -> Fact[T]:
    """A value that the kernel might have shown and did not: `instead` says which is assumed."""
    return Fact(value, f"assumed: {instead}", Gap(what, looked_at, instead, way_out))


def typical(value: T, why: str) -> Fact[T]:
    """A value that no kernel shows."""
    return Fact(value, f"assumed: {why}")
