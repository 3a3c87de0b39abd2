"""Check that a platform keeps its promises: for everybody who writes one.

    check_platform(my_platform, my_clock)

It observes and steers for about a second of the clock's time: it tries operating points and moves
one application to and fro. At the end everything is asked for as it was.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from platforms.decision_check import placement_problems
from platforms.observation_check import observation_problems
from platforms.platform import Clock, Decision, Migration, Observation, Platform

TIME_TOLERANCE_S = 0.01
"""How far times may disagree that ought to be equal: reading a board's counters takes a while."""


class BrokenContract(Exception):
    """Promises of a protocol are broken; `violations` names each, the message lists them all."""

    def __init__(self, subject: str, violations: Sequence[str]) -> None:
        """`subject` is who breaks them."""
        self.violations = tuple(violations)
        lines = "".join(f"\n- {violation}" for violation in self.violations)
        super().__init__(f"{subject} breaks {len(self.violations)} promises:{lines}")


def check_platform(platform: Platform, clock: Clock, *, period_s: float = 0.05) -> None:
    """Observe and steer `platform`, waiting `period_s` by `clock` for what a decision brings about.

    Raises BrokenContract with all violations of `platforms.platform` that were found. What needs a
    running application is checked only where there is one.
    """
    visit = _Visit(platform, clock, period_s)
    with suppress(_Broken):  # what broke is among the violations
        visit.run()
    if visit.violations:
        raise BrokenContract(type(platform).__name__, visit.violations)


class _Broken(Exception):
    """The platform can be asked no further."""


class _Visit:
    """One walk through everything that a governor does with a platform."""

    def __init__(self, platform: Platform, clock: Clock, period_s: float) -> None:
        self.violations: list[str] = []
        self._platform = platform
        self._clock = clock
        self._period_s = period_s
        self._last: Observation | None = None
        self._told: set[str] = set()

    def run(self) -> None:
        """Check the clock, then what is seen, then what is decided."""
        self._check_clock()
        before = self._observe("at first")
        self._observe("at once after another")
        self._wait("without a decision")
        self._check_opps()
        self._check_empty_decisions()
        self._check_migrations()
        self._apply(Decision((), before.opp_index), "the first operating points")

    def _expect(self, kept: bool, violation: str) -> None:
        if not kept:
            self.violations.append(violation)

    @contextmanager
    def _calling(self, what: str) -> Iterator[None]:
        """Whatever the platform raises is a violation and the end of the visit."""
        try:
            yield
        except Exception as error:
            name = type(error).__name__
            self.violations.append(f"{what} must not raise (got {name}: {error})")
            raise _Broken from error

    def _check_clock(self) -> None:
        start_s = self._clock.now_s()
        self._clock.sleep_until(start_s + self._period_s)
        end_s = self._clock.now_s()
        self._expect(
            end_s >= start_s + self._period_s - 1e-9,
            f"sleep_until must return when the time has come (got {end_s - start_s} s after a "
            f"sleep of {self._period_s} s)",
        )
        self._clock.sleep_until(start_s)
        now_s = self._clock.now_s()
        self._expect(now_s >= end_s, f"now_s must never go back (got {now_s} after {end_s})")

    def _observe(self, when: str) -> Observation:
        called_s = self._clock.now_s()
        with self._calling(f"observe {when}"):
            seen = self._platform.observe()
        took_s = self._clock.now_s() - called_s
        if not isinstance(seen, Observation):
            self.violations.append(f"observe {when} must give an Observation (got {seen!r})")
            raise _Broken
        for problem in observation_problems(self._platform.board, seen):
            if problem not in self._told:
                self._told.add(problem)
                self.violations.append(f"observe {when}: {problem}")
        if self._last is not None:
            passed_s = seen.time_s - self._last.time_s
            self._expect(passed_s >= 0, f"observe {when}: time_s must not go back (got {passed_s})")
            self._expect(
                abs(seen.window_s - passed_s) <= TIME_TOLERANCE_S + took_s,
                f"observe {when}: window_s must be the time since the previous observation, "
                f"{passed_s} (got {seen.window_s})",
            )
        self._last = seen
        return seen

    def _wait(self, after: str) -> Observation:
        """Observe a period later."""
        called_s = self._clock.now_s()
        before = self._last
        self._clock.sleep_until(called_s + self._period_s)
        seen = self._observe(after)
        if before is not None:
            passed_s, waited_s = seen.time_s - before.time_s, self._clock.now_s() - called_s
            self._expect(
                passed_s >= self._period_s - TIME_TOLERANCE_S,
                f"observe {after}: time_s must pass with the clock, by {waited_s} s "
                f"(got {passed_s} s)",
            )
        return seen

    def _apply(self, decision: Decision, what: str) -> Observation:
        """Carry a decision out and look a period later."""
        with self._calling(f"apply of {what}"):
            self._platform.apply(decision)
        return self._wait(f"after {what}")

    def _check_empty_decisions(self) -> None:
        """What decides nothing changes nothing."""
        before = self._observe("before a decision")
        gone = 1 + max((app.id for app in before.applications), default=0)
        for what, decision in (
            ("an empty decision", Decision()),
            ("a migration of a vanished application", Decision((Migration(gone, (0,)),))),
        ):
            after = self._apply(decision, what)
            placed = {app.id: app.cores for app in before.applications}
            moved = [a.id for a in after.applications if placed.get(a.id, a.cores) != a.cores]
            self._expect(not moved, f"{what} must move no application (moved {moved})")
            if after.opp_cap == before.opp_cap:
                self._expect_opps(after, before.opp_index, what)

    def _check_opps(self) -> None:
        """Operating points that were asked for are there, or are capped."""
        board = self._platform.board
        lowest, highest = board.lowest_opps, board.highest_opps
        wanted = [lowest, highest]
        for number in range(len(lowest)):
            wanted.append(
                tuple(highest[i] if i == number else lowest[i] for i in range(len(lowest)))
            )
        for opps in wanted:
            what = f"operating points {list(opps)}"
            self._expect_opps(self._apply(Decision((), opps), what), opps, what)

    def _expect_opps(self, seen: Observation, asked: tuple[int, ...], what: str) -> None:
        allowed = tuple(min(pair) for pair in zip(asked, seen.opp_cap, strict=False))
        self._expect(
            seen.opp_index == allowed,
            f"after {what} opp_index must be {list(allowed)} (got {list(seen.opp_index)})",
        )

    def _check_migrations(self) -> None:
        """An application that was moved is there, and comes back."""
        seen, board = self._observe("before a migration"), self._platform.board
        single = [app for app in seen.applications if app.threads == 1]
        if not single or list(placement_problems(board, 1, single[0].cores)):
            return
        app, start = single[0], single[0].cores[0]
        near = [core for core in range(board.core_count) if core != start]
        near.sort(key=lambda core: board.cluster_of_core[core] != board.cluster_of_core[start])
        for core in dict.fromkeys((*near[:1], *near[-1:], start)):
            what = f"a migration of application {app.id} to core {core}"
            after = self._apply(Decision((Migration(app.id, (core,)),)), what)
            for reading in after.applications:
                self._expect(
                    reading.id != app.id or reading.cores == (core,),
                    f"after {what} it must be there (got {list(reading.cores)})",
                )
