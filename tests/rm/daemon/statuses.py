"""Statuses of a daemon, for tests of those who show one."""

from msgspec.structs import replace

from rm.daemon.status import (
    ApplicationStatus,
    BackendStatus,
    ClusterStatus,
    CoreStatus,
    Counts,
    LoopTimes,
    Status,
    TemperatureStatus,
    TrainingRoundStatus,
    TrainingStatus,
)

LITTLE = ClusterStatus(
    name="little",
    cores=(0, 1, 2, 3),
    freq_hz=1_402_000_000,
    asked_hz=1_402_000_000,
    cap_hz=1_844_000_000,
)
BIG = ClusterStatus(
    name="big", cores=(4, 5, 6, 7), freq_hz=1_210_000_000, asked_hz=None, cap_hz=1_364_000_000
)

APPLICATION = ApplicationStatus(
    id=1,
    name="video",
    pid=1201,
    source="client",
    priority=0,
    threads=1,
    cores=(4,),
    rate=30.4,
    target=30.0,
    unit="heartbeats/s",
    met=True,
    measured_by="heartbeats",
)
SLOW = replace(
    APPLICATION,
    id=2,
    name="index",
    pid=1377,
    source="configuration",
    priority=5,
    threads=4,
    cores=(0, 1, 2, 3),
    rate=8.5e8,
    target=1.2e9,
    unit="instructions/s",
    met=False,
    measured_by="counters",
)
UNMEASURED = replace(SLOW, id=3, name="silent", pid=1400, rate=None, met=None, measured_by="none")

TRAINS = TrainingStatus(
    id=3,
    name="tiny-4",
    pid=1500,
    state="granted",
    setting=4,
    knobs={"batch": 32.0, "depth": 4.0},
    cores=(0, 1, 2),
    accelerator=None,
    rate=39.5,
    samples=4160.0,
    loss=1.25,
    rounds_done=6,
    rounds_missed=1,
    round=TrainingRoundStatus(
        number=7,
        samples=2000.0,
        done=500.0,
        deadline_s=57.4,
        meets=True,
        finish_s=38.1,
        samples_possible=2000.0,
    ),
    held_by=None,
)
LATE = replace(
    TRAINS,
    id=4,
    name="late",
    state="paused",
    cores=(),
    rate=0.0,
    loss=None,
    round=TrainingRoundStatus(
        number=1,
        samples=900.0,
        done=0.0,
        deadline_s=12.0,
        meets=False,
        finish_s=None,
        samples_possible=300.0,
        reason="it may not train now",
    ),
    held_by="frozen",
)
WAITS = replace(TRAINS, id=5, name="waits", state="waiting", cores=(), rate=0.0, round=None)
ON_GPU = replace(TRAINS, id=6, name="big", cores=(), accelerator="ga10b")

BACKEND = BackendStatus(
    name="onnxruntime", device="cpu", answers=720, late=3, crashed=1, wrong=0, restarts=1
)

STATUS = Status(
    version="0.1.0",
    pid=812,
    board="hikey970",
    policy="ilgov",
    dry_run=False,
    state="normal",
    reason=None,
    state_for_s=752.0,
    uptime_s=11_525.0,
    features=("counters", "setspeed", "affinity"),
    clusters=(LITTLE, BIG),
    cores=(
        *(CoreStatus(core=c, cluster="little", online=True, utilisation=c / 4) for c in range(4)),
        *(CoreStatus(core=c, cluster="big", online=c != 7, utilisation=0.0) for c in range(4, 8)),
    ),
    temperatures=(
        TemperatureStatus(sensor="soc", temp_c=61.2, age_s=0.012),
        TemperatureStatus(sensor="board", temp_c=45.0, age_s=7.5, problem="is 7.5 s old"),
        TemperatureStatus(sensor="gpu", temp_c=None, age_s=None, problem="was never read"),
    ),
    applications=(APPLICATION, SLOW, UNMEASURED),
    backend=BACKEND,
    loop=LoopTimes(
        rounds=230_000, missed_rounds=2, least_s=0.0009, mean_s=0.0012, most_s=0.0081, sd_s=0.0003
    ),
    counts=Counts(
        migrations=12,
        opp_changes=340,
        writes=361,
        writes_refused=1,
        clamped=4,
        failsafe_rounds=0,
        hands_off=1,
        connections=9,
        connections_closed_for_cause=2,
    ),
)


TRAINING = replace(
    STATUS,
    training=(WAITS, TRAINS, LATE),
    counts=replace(STATUS.counts, training_grants=14, training_pauses=3, training_held=1),
)


def empty() -> Status:
    """A daemon that has just started: no reading, no application, no back end."""
    return replace(STATUS, clusters=(), cores=(), temperatures=(), applications=(), backend=None)


def crowded(number: int) -> Status:
    """Many applications, every third of which misses its target."""
    apps = tuple(
        replace(
            APPLICATION,
            id=i,
            name=f"worker-{i}",
            pid=2000 + i,
            rate=20.0 if i % 3 == 0 else 31.0,
            met=i % 3 != 0,
        )
        for i in range(number)
    )
    return replace(STATUS, applications=apps)
