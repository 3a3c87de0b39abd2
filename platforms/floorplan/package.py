"""A chip's package as HotSpot's block model sees it: layers, spreader, sink, air."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Layer:
    """A slab of one material: thickness, thermal conductivity, heat capacity by volume."""

    thickness_m: float
    conductivity_w_per_m_k: float
    heat_j_per_m3_k: float


@dataclass(frozen=True)
class Package:
    """All that a configuration file says about the block model. The defaults are HotSpot's own.

    Spreader and sink are square plates, centred on the die. `convection_k_per_w` and
    `convection_j_per_k` stand for the fins and the air, over the whole sink. `init_k` is the
    temperature of everything at the start where there is no `init_file`; `clip_k` scales such a
    file down to this hottest block. `leakage` adds HotSpot's exponential leakage to steady states.
    """

    chip: Layer = Layer(0.15e-3, 100.0, 1.75e6)
    interface: Layer = Layer(20e-6, 4.0, 4.0e6)
    spreader: Layer = Layer(1e-3, 400.0, 3.55e6)
    sink: Layer = Layer(6.9e-3, 400.0, 3.55e6)
    spreader_side_m: float = 30e-3
    sink_side_m: float = 60e-3
    convection_k_per_w: float = 0.1
    convection_j_per_k: float = 140.4
    ambient_k: float = 318.15
    init_k: float = 333.15
    init_file: str | None = None
    clip_k: float | None = None
    step_s: float = 3.333e-6
    omit_lateral: bool = False
    leakage: bool = False
    defaulted: tuple[str, ...] = field(default=(), compare=False)
    """Keys that the file does not have, so that HotSpot's defaults hold."""
