"""The physics of HotSpot's block model: a network from a floorplan and its package.

Four layers lie on each other: silicon, interface, spreader and sink; each block of the floorplan
has a node in all four. Heat flows between blocks that touch, within every layer, and from layer to
layer below each block. The spreader beyond the die has four more nodes (west, east, north, south),
the sink eight: four below the spreader's, four beyond it. All parts of the sink give heat to the
air, each by its share of the sink's area.

The model is the one published with HotSpot (Skadron et al., ISCA 2003; Huang et al., DAC 2004 and
IEEE Trans. Computers 57(9), 2008), with the formulas of version 7. Its heat capacities carry a
fitting factor (`CAPACITY_FACTOR`), air included.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platforms.errors import InvalidInput
from platforms.floorplan.block_network import BlockNetwork
from platforms.floorplan.package import Layer, Package
from platforms.floorplan.plan import Floorplan

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

CAPACITY_FACTOR = 0.333
"""What HotSpot 7 multiplies every heat capacity by: one lump for what is spread out in depth."""

SIDES = ("west", "east", "north", "south")
_SPREADER, _SINK = 2, 3
_SPREADER_EDGE, _INNER_SINK, _OUTER_SINK = 0, 4, 8
_EXTRA = 12
_SAME_M = 1e-9


def block_network(plan: Floorplan, package: Package) -> BlockNetwork:
    """The network of `plan` in `package`; InvalidInput where one does not fit on the other."""
    _check_fit(plan, package)
    n = len(plan.blocks)
    links = np.zeros((4 * n + _EXTRA, 4 * n + _EXTRA))
    _link_layers(links, plan, package)
    _link_edges(links, plan, package)
    areas = _sink_areas(plan, package)
    air = package.convection_k_per_w * package.sink_side_m**2
    to_air = np.zeros(len(links))
    through = package.sink.thickness_m / package.sink.conductivity_w_per_m_k
    to_air[_SINK * n :] = areas / (through + air)
    return BlockNetwork(
        _names(plan), n, _capacities(plan, package, areas), links, to_air, package.ambient_k
    )


def _check_fit(plan: Floorplan, package: Package) -> None:
    for name, side_m in (("s_spreader", package.spreader_side_m), ("s_sink", package.sink_side_m)):
        if max(plan.width_m, plan.height_m) > side_m + _SAME_M:
            raise InvalidInput(
                f"the die must lie within {name} = {side_m:g} m (it measures {plan.width_m:g} x "
                f"{plan.height_m:g} m: a block lies outside, or lengths are not in metres)"
            )


def _names(plan: Floorplan) -> tuple[str, ...]:
    """The nodes as HotSpot's steady-state files name them."""
    layers = ("", "iface_", "hsp_", "hsink_")
    names = (
        *(prefix + name for prefix in layers for name in plan.names),
        *(f"inode_{i}" for i in range(_EXTRA)),
    )
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            raise InvalidInput(
                "names of blocks must not be those of other blocks with iface_, hsp_ or hsink_ "
                f"before them, nor inode_0 and so on (got {name!r})"
            )
        seen.add(name.lower())
    return names


def _layers(package: Package) -> tuple[Layer, ...]:
    return package.chip, package.interface, package.spreader, package.sink


def _link_layers(links: Matrix, plan: Floorplan, package: Package) -> None:
    """Conduction between touching blocks, and from each layer down to the next."""
    n = len(plan.blocks)
    side, stacked = plan.contacts
    # From centre to centre: half of each of the two blocks
    per_sheet = side / _half_sums(plan.widths_m) + stacked / _half_sums(plan.heights_m)
    below = np.arange(n)
    for i, layer in enumerate(_layers(package)):
        if i > 0 or not package.omit_lateral:
            sheet = layer.conductivity_w_per_m_k * layer.thickness_m
            links[i * n : (i + 1) * n, i * n : (i + 1) * n] = sheet * per_sheet
        if i < _SINK:
            down = layer.conductivity_w_per_m_k / layer.thickness_m * plan.areas_m2
            links[i * n + below, (i + 1) * n + below] = down
            links[(i + 1) * n + below, i * n + below] = down


def _half_sums(lengths: Vector) -> Matrix:
    return np.add.outer(lengths, lengths) / 2


@dataclass(frozen=True)
class _Rim:
    """A plate's trapezoid beyond the die on one side: `across` its depth, `along` the die's edge.

    `outer` is the square plate's side. The trapezoid reaches from the die's edge to the plate's.
    """

    outer: float
    across: float
    along: float

    @property
    def depth_m(self) -> float:
        """From the die's edge to the plate's; what rounding leaves of a depth is none."""
        beyond = self.outer - self.across
        return beyond / 2 if beyond > _SAME_M else 0.0

    @property
    def area_m2(self) -> float:
        """Its area."""
        return (self.outer + self.along) / 2 * self.depth_m

    @property
    def inner_squares(self) -> float:
        """Length over mean width of the half nearer to the die."""
        return self.depth_m / 2 / ((self.outer + 3 * self.along) / 4)

    @property
    def outer_squares(self) -> float:
        """Length over mean width of the half nearer to the plate's edge."""
        return self.depth_m / 2 / ((3 * self.outer + self.along) / 4)


def _rims(plan: Floorplan, package: Package) -> dict[str, _Rim]:
    """The spreader's parts beyond the die; the sink's inner ones have the same shape."""
    x = _Rim(package.spreader_side_m, plan.width_m, plan.height_m)
    y = _Rim(package.spreader_side_m, plan.height_m, plan.width_m)
    return dict(zip(SIDES, (x, x, y, y), strict=True))


def _outer_rim(package: Package) -> _Rim:
    """The sink's part beyond the spreader, on any side."""
    return _Rim(package.sink_side_m, package.spreader_side_m, package.spreader_side_m)


def _link_edges(links: Matrix, plan: Floorplan, package: Package) -> None:
    """Conduction from the blocks at the die's edges outwards, and down at the spreader's edge."""
    n, outer = len(plan.blocks), _outer_rim(package)
    rims, at_edges = _rims(plan, package), plan.at_edges
    for i, side in enumerate(SIDES):
        rim, here = rims[side], at_edges[side]
        lateral = (side in {"west", "east"}, here)
        for layer, plate, first in (
            (_SPREADER, package.spreader, _SPREADER_EDGE),
            (_SINK, package.sink, _INNER_SINK),
        ):
            node = 4 * n + first + i
            blocks = layer * n + np.flatnonzero(here)
            _join(links, blocks, node, _outwards(plan, plate, rim, *lateral))
        spread, sink = package.spreader, package.sink
        down = spread.conductivity_w_per_m_k / spread.thickness_m * rim.area_m2
        _join(links, 4 * n + _SPREADER_EDGE + i, 4 * n + _INNER_SINK + i, down)
        squares = rim.outer_squares + outer.inner_squares
        # Where neither part has any depth, the outer one has no area either and carries no heat
        sheet = sink.conductivity_w_per_m_k * sink.thickness_m
        _join(links, 4 * n + _INNER_SINK + i, 4 * n + _OUTER_SINK + i, sheet / (squares or 1.0))


def _outwards(
    plan: Floorplan, plate: Layer, rim: _Rim, sideways: bool, here: NDArray[np.bool_]
) -> Vector:
    """From the centres of a side's blocks to the middle of the rim: its path is shared by them."""
    ratio = plan.heights_m / plan.widths_m if sideways else plan.widths_m / plan.heights_m
    sheet = plate.conductivity_w_per_m_k * plate.thickness_m
    to_edge = 2 * sheet * ratio[here]
    result: Vector = to_edge / (1.0 + rim.inner_squares / sheet * to_edge.sum())
    return result


def _join(
    links: Matrix, ours: NDArray[np.int64] | int, node: int, conductance: Vector | float
) -> None:
    links[ours, node] = conductance
    links[node, ours] = conductance


def _sink_areas(plan: Floorplan, package: Package) -> Vector:
    """The sink's area by node: below each block, then the spreader's edges (none), then its own."""
    inner = [rim.area_m2 for rim in _rims(plan, package).values()]
    return np.array([*plan.areas_m2, *([0.0] * 4), *inner, *([_outer_rim(package).area_m2] * 4)])


def _capacities(plan: Floorplan, package: Package, sink_areas: Vector) -> Vector:
    """Heat capacities; the air's is spread over the sink."""
    edges = [rim.area_m2 for rim in _rims(plan, package).values()]
    areas = [plan.areas_m2, plan.areas_m2, plan.areas_m2, sink_areas]
    parts = [
        layer.heat_j_per_m3_k * layer.thickness_m * area
        for layer, area in zip(_layers(package), areas, strict=True)
    ]
    parts[_SINK] = parts[_SINK] + package.convection_j_per_k / package.sink_side_m**2 * sink_areas
    spreader = package.spreader
    n = len(plan.blocks)
    parts[_SINK][n : n + 4] = spreader.heat_j_per_m3_k * spreader.thickness_m * np.array(edges)
    return CAPACITY_FACTOR * np.concatenate(parts)
