"""What is assumed of a board where nothing better is known, and whose value it is.

Every value is another board's that we ship or a figure published for a core type; the words beside
it become the value's source in the board file.
"""

from msgspec import Struct

from platforms.linux.probe.core_types import is_little


class Typical(Struct, frozen=True):
    """Typical of a kind of cores; powers in W, `leakage_w_per_v3` at 65 degC, ratios unitless."""

    leakage_w_per_v3: float
    activity_floor: float
    idle_ratio: float
    like: str
    l2_bytes: int
    stand_in: str


LITTLE = Typical(0.037, 0.15, 14 / 23, "cortex-a53", 512 * 1024, "cortex-a53")
BIG = Typical(0.114, 0.53, 44 / 83, "cortex-a73", 1024 * 1024, "cortex-a73")
"""Leakage, idle ratio and activity of the HiKey 970's clusters; L2 caches of the RK3399's."""

CLUSTER_SHARE = 0.2
"""The cluster's shared power as a share of one busy core's (HiKey 970 at its top points)."""

LOWEST_V, HIGHEST_V = 0.70, 1.05
"""Supply at the lowest and at the highest operating point (HiKey 970 and RK3588: 0.675 to 1.05)."""

DVFS_LATENCY_S = 300e-6
"""The HiKey boards' clock-latency."""

OPP_STEPS = 8
"""Operating points where only the lowest and the highest frequency are known."""

DYNAMIC_COEFFICIENT = {
    "cortex-a7": (90, "the Exynos 5422"),
    "cortex-a15": (310, "the Exynos 5422"),
    "cortex-a53": (100, "the RK3399"),
    "cortex-a55": (228, "the RK3588"),
    "cortex-a57": (530, "Juno r0"),
    "cortex-a72": (436, "the RK3399"),
    "cortex-a73": (342, "the Kirin 970"),
    "cortex-a76": (416, "the RK3588"),
}
"""dynamic-power-coefficient, uW per MHz and V^2, in the device trees of these chips."""

COREMARK_PER_MHZ = {
    "cortex-a53": 3.247,
    "cortex-a55": 3.71,
    "cortex-a15": 4.60,
    "cortex-a73": 5.38,
    "cortex-a76": 7.79,
    "cortex-a77": 8.45,
}
"""freqbench @9eb16ad."""

WITH_PROFILES = ("cortex-a53", "cortex-a73")
"""Core types for which the shipped application profiles have numbers."""


def typical_of(core_type: str, *, weak: bool) -> Typical:
    """What is typical of a core type; `weak` decides where the type alone does not tell.

    `weak` says that the board has cores of more capacity.
    """
    if core_type.startswith("cortex-"):
        return LITTLE if is_little(core_type) else BIG
    return LITTLE if weak else BIG


def dynamic_coefficient(core_type: str, typical: Typical) -> tuple[int, str]:
    """The coefficient (uW per MHz and V^2) assumed for a core type, and whose it is."""
    if core_type in DYNAMIC_COEFFICIENT:
        number, chip = DYNAMIC_COEFFICIENT[core_type]
        return number, f"{number} as {chip}'s {core_type}"
    number, chip = DYNAMIC_COEFFICIENT[typical.like]
    return number, f"{number} as {chip}'s {typical.like}, none is known for a {core_type}"
