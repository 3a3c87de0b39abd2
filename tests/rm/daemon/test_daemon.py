"""Tests of the daemon's parts together, in the test's own process and on a clock that it turns.

What needs a process of its own is in `test_run_command` and `test_faults`.
"""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from platforms.errors import InvalidInput
from platforms.linux.knobs.journal import JOURNAL_NAME, Journal, read_boot_id
from platforms.platform import Migration, Observation
from rm.daemon.clients.server import Server
from rm.daemon.configuration.settings import (
    ApplicationRule,
    Configuration,
    LogSettings,
    SafetySettings,
    TrainingSettings,
)
from rm.daemon.daemon import NEEDS_RESTART, Daemon
from rm.daemon.notify import Notifier
from tests.platforms.linux.fake_root import FakeRoot
from tests.platforms.linux.living_board import LivingClock

CPUFREQ = "/sys/devices/system/cpu/cpufreq"
GOVERNOR = f"{CPUFREQ}/policy4/scaling_governor"
START = Configuration(
    board="hikey970",
    policy="gts-performance",
    log=LogSettings(decisions=Path("/log.jsonl")),
    safety=SafetySettings(critical_c=90.0, well_for_s=1.0),
)


class Scripted(LivingClock):
    """A clock on which things happen: `events` are what, by the second after the start."""

    def __init__(self, root: FakeRoot) -> None:
        super().__init__(root)
        self.start_s = self.now_s()
        self.events: list[tuple[float, Callable[[], object]]] = []

    def sleep_until(self, time_s: float) -> None:
        """Let time pass, then what is due happen."""
        super().sleep_until(time_s)
        passed_s = self.now_s() - self.start_s
        due = [what for at_s, what in self.events if at_s <= passed_s]
        self.events = [event for event in self.events if event[0] > passed_s]
        for what in due:
            what()


class InProcess:
    """A daemon on a fake root, with a policy that a test may give."""

    def __init__(self, folder: Path, configuration: Configuration = START) -> None:
        self.root = FakeRoot(folder / "root")
        self.clock = Scripted(self.root)
        self.wanted = configuration
        state = folder / "state" / JOURNAL_NAME
        boot_id = read_boot_id(self.root.path)
        self.journal = Journal.open(state, boot_id=boot_id, strict=False)
        self.before = self.knobs()
        self.daemon = self.made()

    def made(self, *, dry_run: bool = False) -> Daemon:
        """The daemon, which must not have run yet."""
        return Daemon(
            self.wanted,
            root=self.root.path,
            journal=None if dry_run else self.journal,
            clock=self.clock,
            notifier=Notifier(None),
            reread=self.reread,
            wall_clock=lambda: 0.0,
        )

    def reread(self) -> Configuration:
        """What the file says now."""
        return self.wanted

    def run(self, seconds: float, **events: Callable[[], object]) -> None:
        """Govern for so long; ``at_2_5=what`` happens after 2.5 s."""
        for name, what in events.items():
            at_s = float(name.removeprefix("at_").replace("_", "."))
            self.clock.events.append((at_s, what))
        self.clock.events.append((seconds, lambda: self.daemon.stop("end")))
        self.daemon.run()

    def reload(self, **changes: Any) -> Callable[[], None]:
        """Change the file and let the daemon read it."""

        def change() -> None:
            self.wanted = replace(self.wanted, **changes)
            self.daemon.reload()

        return change

    def knobs(self) -> dict[str, str]:
        """All of them, and the masks."""
        return {
            path: text
            for path, text in self.root.snapshot().items()
            if not path.endswith(("cur_freq", "cgroup.procs"))
        }

    def lines(self) -> list[dict[str, Any]]:
        """The decision log."""
        text = (self.root.path / "log.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A server that waits by the test's clock, and a process that keeps its memory."""

    def serve_until(server: Server, time_s: float) -> None:
        server.serve_pending()
        server._clock.sleep_until(time_s)

    monkeypatch.setattr(Server, "serve_until", serve_until)
    monkeypatch.setattr("rm.daemon.daemon.give_back_start_up_memory", lambda: 0)
    monkeypatch.setattr("rm.daemon.daemon.gather_in_huge_pages", lambda: 0)
    return monkeypatch


@pytest.fixture
def inside(tmp_path: Path, patched: pytest.MonkeyPatch) -> Iterator[InProcess]:
    """A daemon in this process that is not started yet."""
    made = InProcess(tmp_path)
    yield made
    made.journal.close()


class Said:
    """A policy whose answers a test gives."""

    name = "said"

    def __init__(self) -> None:
        self.moves: tuple[Migration, ...] = ()
        self.error: BaseException | None = None

    def migrate(self, seen: Observation) -> tuple[Migration, ...]:
        """As given."""
        return self.moves

    def scale(self, seen: Observation) -> tuple[int, ...]:
        """The lowest clocks, or an error."""
        if self.error is not None:
            raise self.error
        return (0, 0)


def install(patched: pytest.MonkeyPatch, policy: Any) -> None:
    """Let every name of a policy stand for this one, or for what is raised in its place."""

    def make(context: object) -> Any:
        if isinstance(policy, Exception):
            raise policy
        return policy

    patched.setattr("rm.daemon.policy_loader.policy_factory", lambda name: make)


# --- a run --------------------------------------------------------------------------------------


def test_it_steers_and_leaves_everything_as_it_was(inside: InProcess) -> None:
    """A round every 50 ms of its clock."""
    seen: list[str] = []
    inside.run(1.0, at_0_5=lambda: seen.append(inside.root.read(GOVERNOR)))
    assert ["userspace"] == seen
    assert inside.before == inside.knobs()
    status = inside.daemon.status()
    assert (20, 0) == (pytest.approx(status.loop.rounds, abs=1), status.loop.missed_rounds)
    assert ("stopped", "end") == (status.state, status.reason)
    assert not (inside.root.path / "run/ilgov/socket").exists()


def test_a_dry_run_writes_nothing(inside: InProcess) -> None:
    """Not even the governor."""
    inside.daemon.close()
    inside.daemon = inside.made(dry_run=True)
    seen: list[dict[str, str]] = []
    inside.run(1.0, at_0_5=lambda: seen.append(inside.knobs()))
    assert [inside.before] == seen
    assert inside.before == inside.knobs()
    assert inside.daemon.status().dry_run


def test_whatever_ends_the_loop_the_knobs_are_given_back(
    inside: InProcess, patched: pytest.MonkeyPatch
) -> None:
    """A fault of ilgov's own as well; it is not hidden."""

    def fail() -> None:
        assert "userspace" == inside.root.read(GOVERNOR)
        patched.setattr("rm.daemon.daemon.Daemon._write_log", None)

    with pytest.raises(TypeError):
        inside.run(1.0, at_0_5=fail)
    assert inside.before == inside.knobs()
    assert "fault" == inside.daemon.status().reason


def test_a_start_that_fails_lets_go_of_the_socket(
    inside: InProcess, patched: pytest.MonkeyPatch
) -> None:
    """The next one finds its place free."""
    patched.setattr("rm.daemon.daemon.give_back_start_up_memory", None)
    with pytest.raises(TypeError):
        inside.daemon.run()
    assert not (inside.root.path / "run/ilgov/socket").exists()


# --- time ---------------------------------------------------------------------------------------


def test_after_an_hour_in_which_nothing_ran_there_is_one_late_round(inside: InProcess) -> None:
    """The missed ones are counted, not made up for."""
    rounds: list[int] = []

    def jump() -> None:
        rounds.append(inside.daemon.status().loop.rounds)
        inside.clock.jump(3600.0)

    inside.run(3602.0, at_1=jump)
    loop = inside.daemon.status().loop
    assert 72_000 == pytest.approx(loop.missed_rounds, abs=2)
    assert loop.rounds - rounds[0] == pytest.approx(20, abs=3)
    assert "normal" == inside.lines()[-1]["state"]
    assert inside.before == inside.knobs()


def test_a_policy_that_takes_long_costs_rounds_and_no_burst_follows(
    inside: InProcess, patched: pytest.MonkeyPatch
) -> None:
    """The round that took long is in the loop's times."""
    said = Said()
    install(patched, said)
    inside.daemon.close()
    inside.daemon = inside.made()

    def stall() -> None:
        patched.setattr(said, "migrate", lambda seen: (inside.clock.jump(0.25), ())[1])

    inside.run(2.0, at_1=stall)
    loop = inside.daemon.status().loop
    assert 0.25 == pytest.approx(loop.most_s, abs=0.06)
    assert loop.missed_rounds > 0
    assert 40 == pytest.approx(loop.rounds + loop.missed_rounds, abs=2)


# --- what is written down -----------------------------------------------------------------------


def test_what_was_refused_once_is_logged_once(
    inside: InProcess, patched: pytest.MonkeyPatch
) -> None:
    """In the round in which it was."""
    said = Said()
    install(patched, said)
    rule = ApplicationRule(
        name="work", executable="/usr/bin/work", target=1e9, target_unit="instructions/s"
    )
    inside.wanted = replace(inside.wanted, applications=(rule,))
    inside.daemon.close()
    inside.daemon = inside.made()
    inside.root.add_process(100)

    def move_once() -> None:
        said.moves = (Migration(1, (5,)),)

    def enough() -> None:
        said.moves = ()

    inside.run(4.0, at_1=lambda: inside.root.unplug(5), at_2=move_once, at_2_5=enough)
    told = [line["refused"] for line in inside.lines() if line["refused"]]
    assert [["application 1: core 5 is offline, core 4 taken instead"]] == told


def test_a_policys_fault_is_told_and_over_when_it_is(
    inside: InProcess, patched: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Hands-off for a while, then normal."""
    said = Said()
    install(patched, said)
    inside.daemon.close()
    inside.daemon = inside.made()
    states: list[tuple[str, str | None]] = []

    def look() -> None:
        status = inside.daemon.status()
        states.append((status.state, status.reason))

    def fail() -> None:
        said.error = RuntimeError("bug")

    def heal() -> None:
        said.error = None

    with caplog.at_level(logging.WARNING):
        inside.run(4.0, at_1=fail, at_1_1=heal, at_1_5=look, at_3=look)
    assert ["hands-off", "normal"] == [state for state, _ in states]
    assert "policy said: scale failed (RuntimeError: bug)" == states[0][1]
    assert 1 == sum("-> hands-off" in message for message in caplog.messages)


def test_the_status_says_how_old_it_is(inside: InProcess) -> None:
    """Ages are counted from the answer, not from the round."""
    ages: list[float | None] = []

    def look() -> None:
        ages.append(inside.daemon.status().temperatures[0].age_s)

    inside.run(1.0, at_0_5=look)
    (age_s,) = ages
    assert 0.05 == pytest.approx(age_s, abs=0.01)


# --- reload -------------------------------------------------------------------------------------


def test_a_reload_takes_over_what_it_can(
    inside: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    """Policy and safety; no round is missed for it."""
    safety = SafetySettings(critical_c=40.0)
    with caplog.at_level(logging.INFO):
        inside.run(2.0, at_1=inside.reload(policy="gts-powersave", safety=safety))
    assert "reload: done" in caplog.messages
    status = inside.daemon.status()
    assert ("gts-powersave", 0) == (status.policy, status.loop.missed_rounds)
    assert 20 == pytest.approx(status.counts.failsafe_rounds, abs=2)


def test_a_reload_takes_over_all_of_the_safety_section(
    inside: InProcess, patched: pytest.MonkeyPatch
) -> None:
    """How many foreign writes are tolerated, and how long all must be well, as well."""
    safety = replace(START.safety, rival_writes=1, rival_within_s=0.5, well_for_s=0.3)
    states: list[str] = []

    def disturb() -> None:
        now_s = inside.clock.now_s()
        for _ in range(2):
            inside.daemon._interfered(now_s, "/sys/x", "1 Hz", "2 Hz")
        inside.clock.events += [(1.7, look), (2.5, look)]

    def look() -> None:
        states.append(inside.daemon.status().state)

    inside.run(3.0, at_1=inside.reload(safety=safety), at_1_5=disturb)
    assert ["hands-off", "normal"] == states


def test_what_needs_a_restart_stays_and_is_named(
    inside: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    """The back end too: it is not even looked for."""
    changes = {"backend": "nosuch", "dvfs_period_s": 0.5, "sensors": {"nosuch": "x"}}
    with caplog.at_level(logging.WARNING):
        inside.run(2.0, at_1=inside.reload(policy="ilgov", **changes))
    assert "reload: backend, dvfs_period_s, sensors take effect at the next start only" in (
        caplog.messages
    )
    status = inside.daemon.status()
    assert "ilgov" == status.policy
    assert 40 == pytest.approx(status.loop.rounds, abs=2)


def test_what_needs_a_restart_is_named_as_in_the_configuration() -> None:
    """A key that is renamed must be renamed there."""
    known = {*Configuration.__struct_fields__}
    known |= {f"training.{name}" for name in TrainingSettings.__struct_fields__}
    assert set(NEEDS_RESTART) <= known


def test_the_watches_over_the_board_go_on_through_a_reload(inside: InProcess) -> None:
    """Where nothing is new for them: a failsafe that acts does not let go."""
    clocks: list[int | None] = []

    def look() -> None:
        clocks.extend(cluster.asked_hz for cluster in inside.daemon.status().clusters)

    inside.run(
        40.0,
        at_5=lambda: inside.root.set_temp("cls0", 80.0),
        at_20=lambda: inside.root.set_temp("cls0", 91.0),
        at_30=lambda: inside.root.set_temp("cls0", 86.0),
        at_35=inside.reload(),
        at_38=look,
    )
    lowest = [cluster.freqs_hz[0] for cluster in inside.daemon._board.clusters]
    assert lowest == clocks


@pytest.mark.parametrize(
    "fault",
    [InvalidInput("policy must be one of"), RuntimeError("bug"), OSError(5, "no")],
    ids=type,
)
def test_a_reload_that_fails_changes_nothing(
    inside: InProcess,
    patched: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: Exception,
) -> None:
    """Whoever's fault it is: the policy and its limits stay, and the daemon runs."""

    def break_it() -> None:
        install(patched, fault)
        inside.reload(policy="other", safety=SafetySettings(critical_c=40.0))()

    inside.run(2.0, at_1=break_it)
    assert any("reload refused" in message for message in caplog.messages)
    status = inside.daemon.status()
    assert (0, 0) == (status.counts.failsafe_rounds, status.counts.hands_off)
    assert "end" == status.reason
    assert 40 == pytest.approx(status.loop.rounds, abs=2)


def test_a_file_that_cannot_be_read_changes_nothing(
    inside: InProcess, patched: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With all its mistakes in the log."""

    def fail() -> Configuration:
        raise InvalidInput("ilgov.toml: board must be given")

    inside.daemon._reread = fail
    inside.run(1.0, at_0_5=inside.daemon.reload)
    assert any("board must be given" in message for message in caplog.messages)
    assert "end" == inside.daemon.status().reason


def test_the_network_before_is_let_go_only_when_the_new_policy_is_there(
    tmp_path: Path, patched: pytest.MonkeyPatch
) -> None:
    """A reload that fails must not leave a policy without its network."""
    inside = InProcess(tmp_path, replace(START, policy="ilgov"))
    before = inside.daemon._loaded
    closed: list[str] = []

    def fail_first() -> None:
        assert before.network is not None
        patched.setattr(before.network.backend, "close", lambda: closed.append("old"))
        inside.wanted = replace(inside.wanted, safety=SafetySettings(critical_c=40.0))
        with patched.context() as patch:
            patch.setattr("rm.daemon.daemon.watches_for", None)
            inside.daemon._reload()
        closed.append("kept")

    inside.run(2.0, at_1=fail_first, at_1_5=inside.reload(policy="gts-powersave"))
    assert ["kept", "old"] == closed
    assert "gts-powersave" == inside.daemon.status().policy
    inside.journal.close()
