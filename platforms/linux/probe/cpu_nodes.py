"""Which node of the device tree describes which core."""

from pathlib import Path

from platforms.linux.probe.device_tree import DeviceTree, Node


def cpu_nodes(root: Path, tree: DeviceTree, cores: tuple[int, ...]) -> dict[int, Node]:
    """The nodes of these cores; cores without one are left out.

    The kernel links every core to its node (``cpuN/of_node``). Kernels that do not are taken to
    number the cores in the order of the tree.
    """
    listed = [node for node in tree.top.child("cpus").children() if node.name == "cpu"]
    in_order = sorted(listed, key=lambda node: node.cells("reg"))
    found = {}
    for core in cores:
        linked = root / f"sys/devices/system/cpu/cpu{core}/of_node"
        if linked.is_dir():
            found[core] = Node(linked)
        elif core < len(in_order):
            found[core] = in_order[core]
    return found
