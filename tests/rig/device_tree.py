"""The guest's hardware as its kernel is told: QEMU's ``virt`` machine with a big.LITTLE board.

The board file says cores, operating points, capacities, power, sensors and trips; QEMU's machine
says where its devices lie. Each part of the tree is a function of its own.
"""

from platforms.board import Board, Cluster, Sensor
from tests.rig.registers import (
    AREA_BASE,
    AREA_BYTES,
    CRYSTAL_HZ,
    DOMAIN_BYTES,
    RAM_BASE,
    RAM_BYTES,
    SENSOR_BYTES,
    STEP_MILLI_C,
    domain_address,
    sensor_address,
)
from tests.rig.tree_text import Cells, Node, Value, cells, source

CRITICAL_MILLI_C = 150_000
"""At this reading the guest's kernel switches off."""

_UNCOOLED_TRIP_MILLI_C = 95_000
_PER_CPU, _SHARED, _LEVEL = 1, 0, 4
_PMU_INTERRUPT = 7
_NO_LIMIT = 0xFFFF_FFFF


def device_tree(board: Board, *, pmu: bool = True, ram_bytes: int = RAM_BYTES) -> str:
    """Device tree source for the board; without `pmu` the guest has no hardware counters.

    Raises ValueError for a frequency that the frequency driver cannot count.
    """
    _check(board)
    root = Node(
        "/",
        {
            "model": f"ilgov rig, {board.title}",
            "compatible": "linux,dummy-virt",
            "interrupt-parent": cells("&gic"),
            "#address-cells": 2,
            "#size-cells": 2,
        },
        [_psci(), _memory(ram_bytes), _reserved(), _chosen(), _cpus(board), _gic(board)],
    )
    root.children += _pmus(board) if pmu else []
    root.children += [_timer(), _clock("crystal", CRYSTAL_HZ), _clock("pll", 600_000_000)]
    root.children += [_serial(), _calendar(), *_virtio(), _soc(board), _zones(board)]
    return source(root)


def _check(board: Board) -> None:
    for cluster in board.clusters:
        for freq_hz in cluster.freqs_hz:
            if freq_hz % CRYSTAL_HZ or freq_hz // CRYSTAL_HZ > 255:
                raise ValueError(
                    f"{board.name}: {cluster.name}.freq_hz must be a multiple of {CRYSTAL_HZ} "
                    f"up to {255 * CRYSTAL_HZ} for the rig (got {freq_hz})"
                )


def _reg(address: int, length: int) -> Cells:
    return cells(0, address, 0, length)


def _psci() -> Node:
    return Node("psci", {"compatible": ("arm,psci-1.0", "arm,psci-0.2"), "method": "hvc"})


def _memory(ram_bytes: int) -> Node:
    reg = cells(0, RAM_BASE, ram_bytes >> 32, ram_bytes & 0xFFFF_FFFF)
    return Node(f"memory@{RAM_BASE:x}", {"device_type": "memory", "reg": reg})


def _reserved() -> Node:
    """The registers' area, which the kernel must not use as memory."""
    area = Node(f"registers@{AREA_BASE:x}", {"reg": _reg(AREA_BASE, AREA_BYTES), "no-map": True})
    sizes: dict[str, Value] = {"#address-cells": 2, "#size-cells": 2, "ranges": True}
    return Node("reserved-memory", sizes, [area])


def _chosen() -> Node:
    """The console; and randomness that is always the same, so that nothing waits for any."""
    seed = cells(*[0x9E37_79B9 * word % (1 << 32) for word in range(1, 17)])
    return Node("chosen", {"stdout-path": "/pl011@9000000", "rng-seed": seed})


def _cpus(board: Board) -> Node:
    places = Node("cpu-map")
    cores = []
    for domain, cluster in enumerate(board.clusters):
        members = [
            Node(f"core{i}", {"cpu": cells(f"&cpu{core}")}) for i, core in enumerate(cluster.cores)
        ]
        places.children.append(Node(f"cluster{domain}", {}, members))
        cores += [_core(core, cluster, domain) for core in cluster.cores]
    return Node("cpus", {"#address-cells": 1, "#size-cells": 0}, [places, *cores])


def _core(core: int, cluster: Cluster, domain: int) -> Node:
    properties: dict[str, Value] = {
        "device_type": "cpu",
        "reg": core,
        "enable-method": "psci",
        "compatible": f"arm,{cluster.core_type}",
        "capacity-dmips-mhz": capacity_per_ghz(cluster),
        "dynamic-power-coefficient": power_coefficient(cluster),
        "#cooling-cells": 2,
        "qcom,freq-domain": cells("&cpufreq", domain),
    }
    return Node(f"cpu@{core:x}", properties, label=f"cpu{core}")


def capacity_per_ghz(cluster: Cluster) -> int:
    """What a core is worth at the same clock, on a scale that is the same for all clusters."""
    return round(1e9 * cluster.strength / cluster.freqs_hz[-1])


def power_coefficient(cluster: Cluster) -> int:
    """The core's dynamic power in uW/MHz/V^2, at the top operating point."""
    top = cluster.opps[-1]
    dynamic_w = top.core_busy_w - cluster.leakage_w_per_v3 * top.volt_v**3
    return round(1e6 * dynamic_w / (top.freq_hz / 1e6 * top.volt_v**2))


def _core_types(board: Board) -> dict[str, list[int]]:
    """The cores of each type, in the order of the clusters."""
    found: dict[str, list[int]] = {}
    for cluster in board.clusters:
        found.setdefault(cluster.core_type, []).extend(cluster.cores)
    return found


def _gic(board: Board) -> Node:
    """The interrupt controller; its partitions give each core type a PMU of its own."""
    partitions = [
        Node(
            f"interrupt-partition-{i}",
            {"affinity": cells(*[f"&cpu{core}" for core in cores])},
            label=f"part{i}",
        )
        for i, cores in enumerate(_core_types(board).values())
    ]
    properties: dict[str, Value] = {
        "compatible": "arm,gic-v3",
        "interrupt-controller": True,
        "#interrupt-cells": 4,
        "#address-cells": 2,
        "#size-cells": 2,
        "ranges": True,
        "#redistributor-regions": 1,
        "reg": (_reg(0x800_0000, 0x1_0000), _reg(0x80A_0000, 0xF6_0000)),
    }
    return Node("intc@8000000", properties, [Node("ppi-partitions", {}, partitions)], label="gic")


def _pmus(board: Board) -> list[Node]:
    return [
        Node(
            f"pmu-{core_type}",
            {
                "compatible": f"arm,{core_type}-pmu",
                "interrupts": cells(_PER_CPU, _PMU_INTERRUPT, _LEVEL, f"&part{i}"),
            },
        )
        for i, core_type in enumerate(_core_types(board))
    ]


def _timer() -> Node:
    interrupts = tuple(cells(_PER_CPU, number, _LEVEL, 0) for number in (13, 14, 11, 10))
    return Node(
        "timer", {"compatible": "arm,armv8-timer", "always-on": True, "interrupts": interrupts}
    )


def _clock(name: str, freq_hz: int) -> Node:
    return Node(
        name,
        {"compatible": "fixed-clock", "#clock-cells": 0, "clock-frequency": freq_hz},
        label=name,
    )


def _serial() -> Node:
    return Node(
        "pl011@9000000",
        {
            "compatible": ("arm,pl011", "arm,primecell"),
            "reg": _reg(0x900_0000, 0x1000),
            "interrupts": cells(_SHARED, 1, _LEVEL, 0),
            "clocks": (cells("&crystal"), cells("&crystal")),
            "clock-names": ("uartclk", "apb_pclk"),
        },
    )


def _calendar() -> Node:
    """The real-time clock: certificates and log lines have a date."""
    return Node(
        "pl031@9010000",
        {
            "compatible": ("arm,pl031", "arm,primecell"),
            "reg": _reg(0x901_0000, 0x1000),
            "interrupts": cells(_SHARED, 2, _LEVEL, 0),
            "clocks": cells("&crystal"),
            "clock-names": "apb_pclk",
        },
    )


def _virtio() -> list[Node]:
    """QEMU fills these slots from the last; the shared folders need a few."""
    return [
        Node(
            f"virtio_mmio@{0xA00_0000 + 0x200 * slot:x}",
            {
                "compatible": "virtio,mmio",
                "reg": _reg(0xA00_0000 + 0x200 * slot, 0x200),
                "interrupts": cells(_SHARED, 16 + slot, 1, 0),
                "dma-coherent": True,
            },
        )
        for slot in range(32)
    ]


def _soc(board: Board) -> Node:
    sizes: dict[str, Value] = {
        "compatible": "simple-bus",
        "#address-cells": 2,
        "#size-cells": 2,
        "ranges": True,
    }
    sensors = [_sensor(number) for number in range(len(board.sensors))]
    return Node("soc", sizes, [_cpufreq(len(board.clusters)), *sensors])


def _cpufreq(domains: int) -> Node:
    properties: dict[str, Value] = {
        "compatible": "qcom,cpufreq-hw",
        "reg": tuple(_reg(domain_address(i), DOMAIN_BYTES) for i in range(domains)),
        "reg-names": tuple(f"freq-domain{i}" for i in range(domains)),
        "clocks": (cells("&crystal"), cells("&pll")),
        "clock-names": ("xo", "alternate"),
        "#freq-domain-cells": 1,
        "#clock-cells": 1,
    }
    return Node(f"cpufreq@{AREA_BASE:x}", properties, label="cpufreq")


def _sensor(number: int) -> Node:
    address = sensor_address(number)
    reading = Node(
        "thermal",
        {"compatible": "brcm,bcm2711-thermal", "#thermal-sensor-cells": 0},
        label=f"sensor{number}",
    )
    monitor: dict[str, Value] = {
        "compatible": ("brcm,bcm2711-avs-monitor", "syscon", "simple-mfd"),
        "reg": _reg(address, SENSOR_BYTES),
    }
    return Node(f"avs@{address:x}", monitor, [reading])


def _zones(board: Board) -> Node:
    zones = [_zone(board, number, sensor) for number, sensor in enumerate(board.sensors)]
    return Node("thermal-zones", {}, zones)


def _zone(board: Board, number: int, sensor: Sensor) -> Node:
    """A zone per sensor, of the same name; the protection's one throttles all clusters."""
    protection = board.protection
    guarded = protection is not None and protection.sensor == sensor.name
    trip_milli_c, hysteresis_milli_c, polling_ms = _UNCOOLED_TRIP_MILLI_C, 2000, 100
    if protection is not None and guarded:
        trip_milli_c = round(1000 * protection.target_c)
        hysteresis_milli_c = round(1000 * protection.hysteresis_k)
        polling_ms = round(1000 * protection.polling_s)
    properties: dict[str, Value] = {
        "polling-delay-passive": polling_ms,
        "polling-delay": round(1000 * sensor.period_s),
        "coefficients": cells(STEP_MILLI_C, 0),
        "thermal-sensors": cells(f"&sensor{number}"),
    }
    trips = Node(
        "trips",
        {},
        [
            _trip("passive", trip_milli_c, hysteresis_milli_c, label=f"trip{number}"),
            _trip("critical", CRITICAL_MILLI_C, 2000),
        ],
    )
    maps = [_cooling_map(board, number)] if guarded else []
    return Node(sensor.name, properties, [trips, *maps])


def _trip(kind: str, temp_milli_c: int, hysteresis_milli_c: int, *, label: str = "") -> Node:
    properties: dict[str, Value] = {
        "temperature": temp_milli_c,
        "hysteresis": hysteresis_milli_c,
        "type": kind,
    }
    return Node(f"{kind}-trip", properties, label=label)


def _cooling_map(board: Board, number: int) -> Node:
    devices = tuple(cells(f"&cpu{core}", _NO_LIMIT, _NO_LIMIT) for core in range(board.core_count))
    throttled: dict[str, Value] = {"trip": cells(f"&trip{number}"), "cooling-device": devices}
    return Node("cooling-maps", {}, [Node("map0", throttled)])
