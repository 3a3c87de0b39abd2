"""Small random boards and applications, on which all decisions can be tried one by one."""

from collections.abc import Sequence

import numpy as np

from oracle.whatif import Wanted
from platforms.application import ApplicationProfile, CoreProfile, Phase
from platforms.board import (
    Board,
    Cluster,
    CoolingSetup,
    IdleState,
    Leakage,
    Memory,
    OperatingPoint,
    RestOfBoard,
    Sensor,
    Thermal,
    ThermalLink,
    ThermalNode,
)

COOLING = CoolingSetup(name="fan", conductance_w_per_k=0.4, ambient_c=25.0, sources={})
CORE_TYPES = ("weak", "strong", "prime")
SLEEP = (IdleState(name="sleep", entry_s=1e-5, exit_s=1e-5, min_residency_s=1e-3),)


def cluster(
    name: str,
    cores: tuple[int, ...],
    rng: np.random.Generator,
    *,
    points: int,
    strength: float,
    sleeps: bool = False,
    paired: bool = False,
) -> Cluster:
    """A cluster whose power grows as that of real ones; `strength` scales clock and power.

    `paired`: two points, from the lowest on, have one voltage, that of the higher.
    """
    freqs_hz = np.sort(rng.uniform(0.4e9, 2.0e9, size=points)) * strength
    volts = 0.6 + 0.4 * (freqs_hz / freqs_hz[-1])
    if paired:
        volts = volts[np.minimum(np.arange(points) | 1, points - 1)]
    leakage = 0.04 * strength
    busy_w = leakage * volts**3 + 0.15 * strength**2 * volts**2 * freqs_hz / 1e9
    opps = [
        OperatingPoint(
            freq_hz=round(freq), volt_v=float(volt), core_busy_w=float(w), cluster_busy_w=0.1 * w
        )
        for freq, volt, w in zip(freqs_hz, volts, busy_w, strict=True)
    ]
    return Cluster(
        name=name,
        core_type=name,
        cores=cores,
        opps=tuple(opps),
        core_wfi_w=0.01,
        cluster_idle_w=0.01,
        leakage_w_per_v3=leakage,
        activity_floor=0.3,
        l2_bytes=1 << 20,
        dvfs_latency_s=1e-4,
        thermal_weight=1024,
        idle_states=SLEEP if sleeps else (),
        sources={},
    )


def uniform_heat(cores: int, rng: np.random.Generator) -> Thermal:
    """All cores on one die, which gives its heat to the air."""
    nodes = [ThermalNode(name=f"core{i}", capacity_j_per_k=0.2, core=i) for i in range(cores)]
    links = [
        ThermalLink(between=(node.name, "die"), conductance_w_per_k=float(rng.uniform(0.6, 1.0)))
        for node in nodes
    ]
    return Thermal(
        nodes=(*nodes, ThermalNode(name="die", capacity_j_per_k=10.0)),
        links=tuple(links),
        ambient_node="die",
        cluster_node="die",
        sources={},
    )


def uneven_heat(cores: int, rng: np.random.Generator) -> Thermal:
    """Cores in a row, the last one nearest to the board, the clusters' shared parts elsewhere."""
    nodes = [ThermalNode(name=f"core{i}", capacity_j_per_k=0.2, core=i) for i in range(cores)]
    row = [("core0", "uncore"), *((f"core{i}", f"core{i + 1}") for i in range(cores - 1))]
    ends = [(f"core{cores - 1}", "board"), ("uncore", "board")]
    others = [ThermalNode(name=name, capacity_j_per_k=5.0) for name in ("uncore", "board")]
    return Thermal(
        nodes=(*nodes, *others),
        links=tuple(
            ThermalLink(between=pair, conductance_w_per_k=float(rng.uniform(0.2, 0.9)))
            for pair in (*row, *ends)
        ),
        ambient_node="board",
        cluster_node="uncore",
        sources={},
    )


def board(
    rng: np.random.Generator,
    *,
    points: int = 3,
    sizes: tuple[int, ...] = (2, 2),
    sleeps: bool = False,
    uneven: bool = False,
    paired: bool = False,
    bandwidth_bytes_per_s: float = 5e9,
) -> Board:
    """A board with a weak, a strong and perhaps a prime cluster and a few operating points each."""
    starts = np.cumsum((0, *sizes)).tolist()
    clusters = tuple(
        cluster(
            CORE_TYPES[i],
            tuple(range(starts[i], starts[i + 1])),
            rng,
            points=points,
            strength=1.0 + 0.3 * i,
            sleeps=sleeps,
            paired=paired,
        )
        for i in range(len(sizes))
    )
    heat = uneven_heat if uneven else uniform_heat
    return Board(
        schema=1,
        name="small",
        title="Small",
        soc="none",
        clusters=clusters,
        leakage=Leakage(
            ref_temp_c=65.0,
            coefficients=(0.05, 0.002, -0.00005, 0.000001),
            lowest=0.0,
            highest=10.0,
            sources={},
        ),
        memory=Memory(bandwidth_bytes_per_s=bandwidth_bytes_per_s, latency_s=1e-7, sources={}),
        thermal=heat(starts[-1], rng),
        cooling=(COOLING,),
        sensors=(
            Sensor(
                name="soc",
                weights={"core0": 0.75, "core1": 0.25} if uneven else {"die": 1.0},
                step_k=0.1,
                offset_c=0.0,
                period_s=1.0,
                noise_k=0.1,
                sources={},
            ),
        ),
        rest_of_board=RestOfBoard(power_w=1.0, sources={}),
    )


def profile(name: str, rng: np.random.Generator) -> ApplicationProfile:
    """A program that is slower and stalls longer on the weak cores."""
    cpi, stall_s = rng.uniform(0.5, 1.5), rng.uniform(0.0, 0.5e-9)
    scale = float(rng.uniform(0.8, 1.2))
    phases = tuple(
        Phase(instructions=1e12, cpi_scale=s, stall_scale=s, activity_scale=1.0 / s)
        for s in (scale, 2.0 - scale)
    )
    return ApplicationProfile(
        name=name,
        suite="small",
        core_profiles={
            "prime": CoreProfile(cpi=cpi * rng.uniform(0.7, 1.0), stall_s=stall_s),
            "strong": CoreProfile(cpi=cpi, stall_s=stall_s),
            "weak": CoreProfile(cpi=cpi * rng.uniform(1.1, 2.0), stall_s=1.4 * stall_s),
        },
        activity=float(rng.uniform(0.5, 0.8)),
        l2d_per_instruction=0.01,
        bytes_per_instruction=float(stall_s * 1e9),
        phases=phases,
        sources={},
    )


def wanted(
    on: Board,
    rng: np.random.Generator,
    *,
    count: int,
    most: float = 0.9,
    threads: int = 1,
    programs: Sequence[ApplicationProfile] = (),
) -> list[Wanted]:
    """Applications with targets up to `most` of what a strong core gives, placed anywhere.

    Drawn from `programs`, all with one target, or else each another program.
    """
    strongest = on.clusters[-1]
    shares = rng.uniform(0.1, most, size=count)
    apps = []
    for number in range(count):
        program = profile(f"app{number}", rng)
        if programs:
            program, shares[number] = programs[int(rng.integers(len(programs)))], shares[0]
        best_ips = program.ips(strongest, strongest.freqs_hz[-1])
        many = int(rng.integers(1, threads + 1))
        home = int(rng.integers(len(on.clusters)))
        cores = (int(rng.integers(on.core_count)),) if many == 1 else on.clusters[home].cores
        phase = 0 if programs else int(rng.integers(len(program.phases)))
        target_ips = float(shares[number] * best_ips * many)
        apps.append(Wanted(number, program, phase, target_ips, many, cores))
    return apps
