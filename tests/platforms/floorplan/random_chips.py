"""Floorplans and packages for property tests: sliced dies, with gaps or without."""

from hypothesis import strategies as st

from platforms.floorplan.package import Layer, Package
from platforms.floorplan.plan import Block, Floorplan

_SHARE = st.floats(0.25, 0.75)
Cut = tuple[float, float, float, float]


@st.composite
def floorplans(draw: st.DrawFn, *, gaps: bool = True) -> Floorplan:
    """A die of 2 to 15 mm, sliced again and again; some slices may be left out."""
    side = st.floats(2e-3, 15e-3)
    cuts: list[Cut] = [(0.0, 0.0, draw(side), draw(side))]
    for _ in range(draw(st.integers(0, 7))):
        left, bottom, width, height = cuts.pop(draw(st.integers(0, len(cuts) - 1)))
        share = draw(_SHARE)
        if draw(st.booleans()):
            cuts.append((left, bottom, width * share, height))
            cuts.append((left + width * share, bottom, width * (1 - share), height))
        else:
            cuts.append((left, bottom, width, height * share))
            cuts.append((left, bottom + height * share, width, height * (1 - share)))
    if gaps and len(cuts) > 2 and draw(st.booleans()):
        del cuts[draw(st.integers(0, len(cuts) - 1))]
    return Floorplan.of(
        tuple(Block(f"b{i}", w, h, left, bottom) for i, (left, bottom, w, h) in enumerate(cuts))
    )


@st.composite
def packages(draw: st.DrawFn, plan: Floorplan) -> Package:
    """A package around `plan`; spreader and sink may be just as large as what they cool."""

    def layer(thickness_m: float, conductivity: float) -> Layer:
        factor = st.floats(0.3, 3.0)
        return Layer(
            thickness_m * draw(factor), conductivity * draw(factor), 2e6 * draw(st.floats(0.5, 2.0))
        )

    die_m = max(plan.width_m, plan.height_m)
    spreader_m = die_m + draw(st.sampled_from([0.0, 1e-3, 12e-3]))
    return Package(
        chip=layer(2e-4, 120.0),
        interface=layer(3e-5, 3.0),
        spreader=layer(1e-3, 300.0),
        sink=layer(5e-3, 300.0),
        spreader_side_m=spreader_m,
        sink_side_m=spreader_m * draw(st.sampled_from([1.0, 1.2, 2.5])),
        convection_k_per_w=draw(st.floats(0.05, 20.0)),
        convection_j_per_k=draw(st.floats(0.0, 200.0)),
    )


@st.composite
def powered_chips(draw: st.DrawFn, *, gaps: bool = True) -> tuple[Floorplan, Package, list[float]]:
    """A chip and the power of each of its blocks, some of it above zero."""
    plan = draw(floorplans(gaps=gaps))
    power = st.floats(0.01, 5.0)
    count = len(plan.blocks)
    return plan, draw(packages(plan)), draw(st.lists(power, min_size=count, max_size=count))
