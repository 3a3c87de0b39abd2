"""What was found of a policy of lower precision, and whether that is within the limits."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from npu_runtime.policy_file import Precision
from rm.npu.closed_loop import ClosedLoop
from rm.npu.held_out import HeldOut
from rm.npu.text_table import table


class Verdict(Struct, frozen=True, kw_only=True):
    """A candidate against the float32 policy that it was made from, and the limits in force."""

    policy: str
    precision: Precision
    backend: str
    size_bytes: int
    held_out: HeldOut
    closed_loop: ClosedLoop
    most_changed_share: float
    most_hotter_k: float

    @property
    def failures(self) -> tuple[str, ...]:
        """What exceeds its limit, in words; nothing where it passes."""
        found = []
        if not self.held_out.decisions:
            found.append("the policy must have decided something (it was never asked)")
        if not self.held_out.changed_of_moving_share <= self.most_changed_share:
            found.append(
                f"changed decisions must be at most {self.most_changed_share:.1%} of those that "
                f"migrate (got {self.held_out.changed_of_moving_share:.3%})"
            )
        if not self.closed_loop.hotter_k <= self.most_hotter_k:
            found.append(
                f"the hottest core must be at most {self.most_hotter_k:g} K hotter "
                f"(got {self.closed_loop.hotter_k:+.3f} K)"
            )
        return tuple(found)

    @property
    def passes(self) -> bool:
        """Whether it may be offered."""
        return not self.failures

    def lines(self) -> Iterator[str]:
        """The verdict as a table, then why not."""
        yield (
            f"{self.policy} in {self.precision} ({self.size_bytes:,} bytes) on {self.backend}, "
            "against float32:"
        )
        yield from (f"  {line}" for line in table(tuple(self._rows()), left=(0, 2)))
        yield from (f"  refused: {failure}" for failure in self.failures)

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        held, loop = self.held_out, self.closed_loop
        yield (
            "changed decisions",
            f"{held.changed_share:.3%}",
            (
                f"{held.changed} of {held.decisions}, in {held.episodes_changed} of "
                f"{held.episodes} episodes; 95 %: {held.low_share:.3%} to {held.high_share:.3%}"
            ),
        )
        yield (
            "of those that migrate",
            f"{held.changed_of_moving_share:.3%}",
            f"{held.changed} of {held.moving}; at most {self.most_changed_share:.1%}",
        )
        if held.mean_dearer_k is not None and held.worst_dearer_k is not None:
            yield (
                "a changed one costs",
                f"{held.mean_dearer_k:+.4f} K",
                (
                    f"in the mean, {held.worst_dearer_k:+.4f} K at worst, by float32's scores; "
                    f"{held.worse_served} miss more targets"
                ),
            )
        sure = "" if loop.low_k is None else f"95 %: {loop.low_k:+.3f} to {loop.high_k:+.3f} K; "
        yield (
            "hottest core, mean",
            f"{loop.hotter_k:+.3f} K",
            f"over {loop.episodes} episodes; {sure}at most {self.most_hotter_k:+.3f} K",
        )
        yield (
            "targets missed",
            f"{loop.missed}",
            f"of {loop.applications} applications; float32: {loop.missed_exact}",
        )

    def document(self) -> bytes:
        """The verdict as JSON, with whether it passes and why not."""
        values = msgspec.to_builtins(self)
        values |= {"passes": self.passes, "failures": self.failures}
        return msgspec.json.format(msgspec.json.encode(values), indent=2)
