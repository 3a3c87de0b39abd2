"""Where the kernel describes a cluster: its cpufreq policy, its cores, their device tree nodes."""

from functools import cached_property
from pathlib import Path

from msgspec import Struct

from platforms.linux.clocks.frequency_policies import policy_folders
from platforms.linux.files.maybe_file import numbers_at
from platforms.linux.probe.cpu_nodes import cpu_nodes
from platforms.linux.probe.device_tree import DeviceTree, Node


class Place(Struct, frozen=True, dict=True):
    """A cluster's place. `folder` is the policy's; `nodes` are by core, some may be missing."""

    root: Path
    tree: DeviceTree
    folder: Path
    cores: tuple[int, ...]
    nodes: dict[int, Node]

    @property
    def core(self) -> int:
        """The core that stands for all of the cluster."""
        return self.cores[0]

    @property
    def node(self) -> Node | None:
        """The device tree's node of that core."""
        return self.nodes.get(self.core)

    @cached_property
    def power_coefficient(self) -> int | None:
        """The device tree's dynamic-power-coefficient, uW per MHz and V^2."""
        return self.node.cell("dynamic-power-coefficient") if self.node else None


def find_places(root: Path) -> tuple[Place, ...]:
    """The places of all clusters, by first core; policies whose cores are all offline are not one.

    A policy's cores include those of its cores that are offline now.
    """
    tree = DeviceTree(root)
    places = []
    for folder in policy_folders(root):
        cores = numbers_at(folder / "related_cpus")
        if cores and numbers_at(folder / "affected_cpus"):
            places.append(Place(root, tree, folder, cores, cpu_nodes(root, tree, cores)))
    return tuple(sorted(places, key=lambda place: place.core))
