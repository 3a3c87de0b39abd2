"""A folder that looks like the root of a Linux board, for tests without one.

``FakeRoot(tmp_path)`` is a HiKey 970; other boards by name or as clusters. It is only files: what
is written to them is looked at by `FakeRoot.settle`, which does the kernel's part. `FakeKernel`
calls it all the time, for tests with the daemon as a process of its own.

    root = FakeRoot(tmp_path)
    root.add_process(100, name="video", cmdline=("video", "--loop"), threads=4, uid=1000)
    root.run_for(1.0, busy={4: 0.5}, process_cpu={100: 0.5})
    root.set_temp("cls0", 91.0)
    before = root.snapshot()
"""

import contextlib
import shutil
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from platforms.board_file import load_board
from tests.platforms.linux.fake_cpufreq import FakeCluster, FakePolicy
from tests.platforms.linux.fake_files import content, cpu_list, create, replace
from tests.platforms.linux.fake_processes import TICKS_PER_S, FakeProcess, FakeThread

BOOT_ID = "11111111-2222-3333-4444-555555555555"
MIDR = {
    "cortex-a53": 0x410FD034,
    "cortex-a55": 0x411FD050,
    "cortex-a72": 0x410FD083,
    "cortex-a73": 0x410FD092,
    "cortex-a76": 0x414FD0B0,
}
CPU = "sys/devices/system/cpu"
THERMAL = "sys/devices/virtual/thermal"


class FakeRoot:
    """The root folder at `path`, and the kernel behind it.

    `board` is the name of a board that ships with ilgov, or its clusters. `zones` are the thermal
    zones' types. `cooling` is how cpufreq cooling devices are called: ``cpufreq-cpu{core}`` on
    kernels from 5.12 on, ``thermal-cpufreq-{index}`` before.
    """

    def __init__(
        self,
        path: Path,
        board: str | Sequence[FakeCluster] = "hikey970",
        *,
        zones: Sequence[str] = ("cls0",),
        cooling: str = "cpufreq-cpu{core}",
    ) -> None:
        self.path = path
        self.clusters = _clusters(board) if isinstance(board, str) else tuple(board)
        self.zones = tuple(zones)
        self.cores = sorted(core for cluster in self.clusters for core in cluster.cores)
        self.online = set(self.cores)
        self.policies = [
            FakePolicy(self._at(f"{CPU}/cpufreq/policy{cluster.cores[0]}"), cluster)
            for cluster in self.clusters
        ]
        self.processes: dict[int, FakeProcess] = {}
        self._busy_s = dict.fromkeys(self.cores, 0.0)
        self._up_s = 1000.0
        self._lock = threading.RLock()
        self._make_cpus()
        for policy in self.policies:
            policy.create()
        self._make_thermal(cooling)
        self._make_devfreq()
        self._make_pmus()
        self._make_debugfs()
        self._make_proc()
        self._make_cgroups()
        self.add_process(1, name="init", cmdline=("/sbin/init",), cgroup="/init.scope")
        self.settle()

    # --- files ------------------------------------------------------------------------------------

    def _at(self, path: str) -> Path:
        return self.path / path.lstrip("/")

    def read(self, path: str) -> str:
        """What a file says, by its path as on a real machine, without line breaks at its end."""
        return content(self._at(path))

    def write(self, path: str, text: str) -> None:
        """Write as root would with ``echo``; then the kernel does its part.

        A file of no bytes at all stands for one that the kernel gives an error for.
        """
        with self._lock:
            self._at(path).parent.mkdir(parents=True, exist_ok=True)
            replace(self._at(path), text or "\n")
            self.settle()
            self.settle()

    def snapshot(self, under: Sequence[str] = ("sys", "ilgov-affinity")) -> dict[str, str]:
        """Every file's content by path, once the kernel has settled. Times in it stand still."""
        with self._lock:
            self.settle()
            return {
                f"/{path.relative_to(self.path)}": content(path)
                for top in under
                for path in sorted(self._at(top).rglob("*"))
                if path.is_file() and not path.is_symlink() and not path.name.startswith(".")
            }

    # --- what happens on the machine --------------------------------------------------------------

    def settle(self) -> None:
        """Do the kernel's part: limits, governors and the frequencies that follow from them."""
        with self._lock:
            for policy in self.policies:
                policy.settle()

    def policy(self, core: int) -> FakePolicy:
        """The cpufreq policy of a core."""
        return next(policy for policy in self.policies if core in policy.cluster.cores)

    def cap(self, core: int, freq_khz: int | None) -> None:
        """Let the kernel's thermal governor cap the policy of `core`; None takes the cap away.

        The cooling device's state follows: the number of operating points that are forbidden.
        """
        with self._lock:
            policy = self.policy(core)
            policy.cap_khz = freq_khz
            freqs = policy.cluster.freqs_khz
            state = 0 if freq_khz is None else sum(freq > freq_khz for freq in freqs)
            index = self.policies.index(policy)
            replace(self._at(f"{THERMAL}/cooling_device{index}/cur_state"), str(state))
            self.settle()

    def set_temp(self, zone: str, temp_c: float | None) -> None:
        """Let a zone, by its type, read this; None: reading gives nothing that is a number."""
        index = self.zones.index(zone)
        text = "" if temp_c is None else str(round(temp_c * 1000))
        replace(self._at(f"{THERMAL}/thermal_zone{index}/temp"), text)

    def unplug(self, core: int) -> None:
        """Take a core offline."""
        self._plug(self.online - {core})

    def plug(self, core: int) -> None:
        """Bring a core back online."""
        self._plug(self.online | {core})

    def _plug(self, online: set[int]) -> None:
        with self._lock:
            self.online = online
            create(self._at(CPU), {"online": cpu_list(sorted(online))})
            create(self._at(CPU), {"offline": cpu_list(sorted(set(self.cores) - online))})
            for core in self.cores:
                replace(self._at(f"{CPU}/cpu{core}/online"), str(int(core in online)))
            for policy in self.policies:
                policy.plug([core for core in policy.cluster.cores if core in online])
            self._write_proc_stat()

    def run_for(
        self,
        seconds: float,
        *,
        busy: Mapping[int, float] | None = None,
        process_cpu: Mapping[int, float] | None = None,
    ) -> None:
        """Let time pass: the counters in /proc go on.

        `busy` is the busy share of each core, 0 to 1; `process_cpu` the share of one core that a
        process had, by pid, spread evenly over its threads, or that one thread had, by tid.
        """
        with self._lock:
            self._up_s += seconds
            for core, share in (busy or {}).items():
                self._busy_s[core] += share * seconds
            for policy in self.policies:
                policy.load = max((busy or {}).get(core, 0.0) for core in policy.cluster.cores)
            for number, share in (process_cpu or {}).items():
                self._run_process(number, share * seconds)
            self._write_proc_stat()
            replace(self._at("proc/uptime"), f"{self._up_s:.2f} {self._up_s:.2f}")
            self.settle()

    def _run_process(self, number: int, cpu_s: float) -> None:
        for process in self.processes.values():
            if process.pid == number:
                threads = process.threads
            else:
                threads = [thread for thread in process.threads if thread.tid == number]
            if threads:
                for thread in threads:
                    thread.cpu_s += cpu_s / len(threads)
                process.update(self._at("proc"))
                return
        message = f"number must be a pid or tid of this root (got {number})"
        raise KeyError(message)

    @contextlib.contextmanager
    def refusing(self, path: str) -> Iterator[None]:
        """Within, the file at `path` can be read but not opened for writing, not even by root."""
        target = self._at(path)
        kept = target.read_bytes()
        _set_immutable(target, True)
        try:
            yield
        finally:
            _set_immutable(target, False)
            assert kept == target.read_bytes()

    # --- processes --------------------------------------------------------------------------------

    def add_process(
        self,
        pid: int,
        *,
        name: str = "work",
        cmdline: Sequence[str] | None = None,
        uid: int = 0,
        threads: int | Sequence[int] = 1,
        cgroup: str = "/",
        ppid: int = 1,
        executable: str | None = None,
        start_ticks: int | None = None,
    ) -> FakeProcess:
        """Start a process; its tids are `pid` and those after it, or as given."""
        with self._lock:
            start = round(self._up_s * TICKS_PER_S) if start_ticks is None else start_ticks
            words = (name,) if cmdline is None else tuple(cmdline)
            tids = range(pid, pid + threads) if isinstance(threads, int) else threads
            process = FakeProcess(
                pid=pid,
                name=name,
                cmdline=words,
                uid=uid,
                ppid=0 if pid == 1 else ppid,
                executable=executable or f"/usr/bin/{name}",
                cgroup=cgroup,
                start_ticks=start,
                threads=[FakeThread(tid, name, start_ticks=start) for tid in tids],
            )
            self.processes[pid] = process
            process.create(self._at("proc"), cpu_list(self.cores))
            self._inherit_cores(process.ppid, [thread.tid for thread in process.threads])
            self._join_cgroup(process)
            self._write_children(process.ppid)
            return process

    def add_thread(self, pid: int, tid: int) -> None:
        """Start one more thread of a process; it may run where the first one may."""
        process = self.processes[pid]
        thread = FakeThread(tid, process.name, start_ticks=round(self._up_s * TICKS_PER_S))
        process.threads.append(thread)
        process.create_thread(self._at("proc"), thread)
        process.update(self._at("proc"))
        self._inherit_cores(pid, [tid])

    def remove_thread(self, pid: int, tid: int) -> None:
        """End one thread of a process."""
        self.processes[pid].remove_thread(self._at("proc"), tid)
        self.processes[pid].update(self._at("proc"))
        self._at(f"ilgov-affinity/{tid}").unlink(missing_ok=True)

    def remove_process(self, pid: int) -> None:
        """End a process; with it goes what the kernel knew of its threads' cores."""
        with self._lock:
            process = self.processes.pop(pid)
            shutil.rmtree(self._at(f"proc/{pid}"))
            for thread in process.threads:
                self._at(f"ilgov-affinity/{thread.tid}").unlink(missing_ok=True)
            procs = self._at(f"sys/fs/cgroup{process.cgroup}/cgroup.procs")
            left = [number for number in content(procs).split() if number != str(pid)]
            replace(procs, "")
            replace(procs, "\n".join(left))
            self._write_children(process.ppid)

    def _inherit_cores(self, parent: int, tids: Sequence[int]) -> None:
        cores = self._at(f"ilgov-affinity/{parent}")
        if cores.exists():
            for tid in tids:
                replace(self._at(f"ilgov-affinity/{tid}"), content(cores))

    def _join_cgroup(self, process: FakeProcess) -> None:
        folder = self._at(f"sys/fs/cgroup{process.cgroup}")
        if not (folder / "cgroup.procs").exists():
            self._make_cgroup(folder)
        before = content(folder / "cgroup.procs").split()
        replace(folder / "cgroup.procs", "\n".join([*before, str(process.pid)]))

    def _write_children(self, ppid: int) -> None:
        path = self._at(f"proc/{ppid}/task/{ppid}/children")
        if path.exists():
            children = [str(pid) for pid, process in self.processes.items() if process.ppid == ppid]
            replace(path, "")
            replace(path, " ".join(children))

    # --- building ---------------------------------------------------------------------------------

    def _make_cpus(self) -> None:
        every = cpu_list(self.cores)
        names = dict.fromkeys(("online", "possible", "present"), every)
        create(self._at(CPU), {**names, "offline": "", "isolated": "", "kernel_max": "255"})
        for index, cluster in enumerate(self.clusters):
            for core in cluster.cores:
                self._make_cpu(core, index, cluster)

    def _make_cpu(self, core: int, index: int, cluster: FakeCluster) -> None:
        folder = self._at(f"{CPU}/cpu{core}")
        siblings = cpu_list(list(cluster.cores))
        midr = MIDR.get(cluster.core_type, cluster.midr)
        files = {
            "online": "1",
            "cpu_capacity": str(cluster.capacity),
            "topology/core_id": str(core - cluster.cores[0]),
            "topology/cluster_id": str(index),
            "topology/physical_package_id": "0",
            "topology/cluster_cpus_list": siblings,
            "topology/core_siblings_list": cpu_list(self.cores),
            "topology/package_cpus_list": cpu_list(self.cores),
            "topology/thread_siblings_list": str(core),
            "topology/core_cpus_list": str(core),
            "regs/identification/midr_el1": f"0x{midr:016x}",
            "cache/index2/level": "2",
            "cache/index2/size": "1024K",
            "cache/index2/shared_cpu_list": siblings,
        }
        states = (("WFI", 1, 1), ("cpu-sleep", 70, 3000))
        for number, (name, latency_us, residency_us) in enumerate(states):
            at = f"cpuidle/state{number}"
            files |= {
                f"{at}/name": name,
                f"{at}/desc": name,
                f"{at}/latency": str(latency_us),
                f"{at}/residency": str(residency_us),
                f"{at}/disable": "0",
                f"{at}/usage": "0",
                f"{at}/time": "0",
            }
        create(folder, files)
        (folder / "cpufreq").symlink_to(f"../cpufreq/policy{cluster.cores[0]}")
        self._make_cpu_node(core, cluster)

    def _make_cpu_node(self, core: int, cluster: FakeCluster) -> None:
        node = self._at(f"sys/firmware/devicetree/base/cpus/cpu@{core:x}")
        node.mkdir(parents=True, exist_ok=True)
        (node / "compatible").write_bytes(f"arm,{cluster.core_type}\0".encode())
        (node / "device_type").write_bytes(b"cpu\0")
        (node / "reg").write_bytes(struct.pack(">I", core))
        coefficient = struct.pack(">I", cluster.power_coefficient)
        (node / "dynamic-power-coefficient").write_bytes(coefficient)
        (node / "capacity-dmips-mhz").write_bytes(struct.pack(">I", cluster.capacity))
        link = self._at(f"{CPU}/cpu{core}/of_node")
        link.symlink_to(f"../../../../firmware/devicetree/base/cpus/cpu@{core:x}")

    def _make_thermal(self, cooling: str) -> None:
        links = self._at("sys/class/thermal")
        links.mkdir(parents=True)
        for index, cluster in enumerate(self.clusters):
            name = f"cooling_device{index}"
            files = {
                "type": cooling.format(core=cluster.cores[0], index=index),
                "cur_state": "0",
                "max_state": str(len(cluster.freqs_khz) - 1),
            }
            create(self._at(f"{THERMAL}/{name}"), files)
            (links / name).symlink_to(f"../../devices/virtual/thermal/{name}")
        for index, zone in enumerate(self.zones):
            name = f"thermal_zone{index}"
            create(self._at(f"{THERMAL}/{name}"), _zone_files(zone))
            for number in range(len(self.clusters)):
                at = self._at(f"{THERMAL}/{name}")
                create(at, {f"cdev{number}_trip_point": "1", f"cdev{number}_weight": "1024"})
                (at / f"cdev{number}").symlink_to(f"../cooling_device{number}")
            (links / name).symlink_to(f"../../devices/virtual/thermal/{name}")

    def _make_devfreq(self) -> None:
        if not self.clusters:
            return
        devices = {
            "e82c0000.gpu": "103750000 332000000 767000000",
            "ddrfreq": "415000000 830000000 1866000000",
        }
        for name, freqs in devices.items():
            lowest, highest = freqs.split()[0], freqs.split()[-1]
            files = {
                "name": name,
                "cur_freq": lowest,
                "min_freq": lowest,
                "max_freq": highest,
                "available_frequencies": freqs,
                "governor": "simple_ondemand",
                "available_governors": "userspace powersave performance simple_ondemand",
            }
            create(self._at(f"sys/class/devfreq/{name}"), files)

    def _make_pmus(self) -> None:
        pmus: dict[str, list[int]] = {}
        for cluster in self.clusters:
            pmus.setdefault(cluster.core_type, []).extend(cluster.cores)
        for number, (core_type, cores) in enumerate(pmus.items(), start=8):
            name = f"armv8_{core_type.replace('-', '_')}"
            files = {"type": str(number), "cpus": cpu_list(cores)}
            create(self._at(f"sys/bus/event_source/devices/{name}"), files)
        create(self._at("sys/bus/event_source/devices/software"), {"type": "1"})

    def _make_debugfs(self) -> None:
        for cluster in self.clusters:
            core = cluster.cores[0]
            for freq_khz, volt_v in zip(cluster.freqs_khz, cluster.volts, strict=True):
                microvolts = str(round(volt_v * 1e6))
                opp = self._at(f"sys/kernel/debug/opp/cpu{core}/opp:{freq_khz * 1000}")
                create(opp, {"supply-0/u_volt_target": microvolts, "rate_hz": str(freq_khz * 1000)})
                power_uw = cluster.power_coefficient * (freq_khz / 1000) * volt_v**2
                ps = self._at(f"sys/kernel/debug/energy_model/cpu{core}/ps:{freq_khz}")
                create(ps, {"frequency": str(freq_khz), "power": str(round(power_uw))})

    def _make_proc(self) -> None:
        files = {
            "meminfo": "MemTotal: 6000000 kB\nMemFree: 3000000 kB\nMemAvailable: 4000000 kB",
            "uptime": f"{self._up_s:.2f} {self._up_s:.2f}",
            "loadavg": "0.00 0.00 0.00 1/100 100",
            "version": "Linux version 6.12.0-arm64 (fake)",
            "sys/kernel/random/boot_id": BOOT_ID,
            "sys/kernel/osrelease": "6.12.0-arm64",
            "sys/kernel/sched_energy_aware": "1",
            "sys/kernel/perf_event_paranoid": "2",
            "sys/kernel/pid_max": "4194304",
            "pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0",
            "cpuinfo": "\n\n".join(f"processor\t: {core}" for core in self.cores),
        }
        create(self._at("proc"), files)
        if self.clusters:
            (self._at("proc") / "device-tree").symlink_to("../sys/firmware/devicetree/base")
            self._at("sys/firmware/devicetree/base/model").write_bytes(b"HiKey970\0")
            compatible = b"hisilicon,kirin970-hikey970\0hisilicon,kirin970\0"
            self._at("sys/firmware/devicetree/base/compatible").write_bytes(compatible)
        self._write_proc_stat()

    def _write_proc_stat(self) -> None:
        lines = [self._cpu_line(f"cpu{core}", [core]) for core in sorted(self.online)]
        lines.insert(0, self._cpu_line("cpu", self.cores))
        text = "\n".join([*lines, "intr 0", "ctxt 0", "btime 1700000000", "processes 100"])
        replace(self._at("proc/stat"), text)

    def _cpu_line(self, name: str, cores: list[int]) -> str:
        user = sum(int(self._busy_s[core] * TICKS_PER_S) for core in cores)
        total = round(self._up_s * TICKS_PER_S) * len(cores)
        return f"{name} {user} 0 0 {total - user} 0 0 0 0 0 0"

    def _make_cgroups(self) -> None:
        root = self._at("sys/fs/cgroup")
        every = cpu_list(self.cores)
        files = {
            "cgroup.controllers": "cpuset cpu io memory pids",
            "cgroup.subtree_control": "cpuset cpu io memory pids",
            "cgroup.procs": "",
            "cpuset.cpus.effective": every,
        }
        create(root, files)

    def _make_cgroup(self, folder: Path) -> None:
        if not (folder.parent / "cgroup.procs").exists():
            self._make_cgroup(folder.parent)
        files = {
            "cgroup.controllers": "cpuset cpu io memory pids",
            "cgroup.subtree_control": "",
            "cgroup.procs": "",
            "cgroup.type": "domain",
            "cgroup.events": "populated 1\nfrozen 0",
            "cpuset.cpus": "\n",
            "cpuset.cpus.effective": cpu_list(self.cores),
        }
        create(folder, files)


class FakeKernel:
    """Calls `FakeRoot.settle` every `period_s` from a thread while the context lasts."""

    def __init__(self, root: FakeRoot, *, period_s: float = 0.002) -> None:
        self._root = root
        self._period_s = period_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "FakeKernel":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._period_s):
            self._root.settle()


def _clusters(name: str) -> tuple[FakeCluster, ...]:
    """The clusters of a board that ships with ilgov."""
    board = load_board(name)
    top = max(cluster.opps[-1].freq_hz * _width(cluster.core_type) for cluster in board.clusters)
    return tuple(
        FakeCluster(
            name=cluster.name,
            core_type=cluster.core_type,
            cores=tuple(cluster.cores),
            freqs_khz=tuple(opp.freq_hz // 1000 for opp in cluster.opps),
            volts=tuple(opp.volt_v for opp in cluster.opps),
            capacity=round(1024 * cluster.opps[-1].freq_hz * _width(cluster.core_type) / top),
            power_coefficient=100 if _width(cluster.core_type) < 2 else 400,
        )
        for cluster in board.clusters
    )


def _width(core_type: str) -> float:
    """Work per cycle, relative to a Cortex-A53; a rough number for ``cpu_capacity``."""
    return 1.0 if core_type in {"cortex-a53", "cortex-a55"} else 2.0


def _zone_files(zone: str) -> dict[str, str]:
    trips = (("passive", 65000, 1000), ("passive", 85000, 1000), ("critical", 110000, 0))
    files = {
        "type": zone,
        "temp": "45000",
        "mode": "enabled",
        "policy": "step_wise",
        "available_policies": "step_wise power_allocator",
        "sustainable_power": "4000",
    }
    for number, (kind, temp_mc, hysteresis_mc) in enumerate(trips):
        files |= {
            f"trip_point_{number}_type": kind,
            f"trip_point_{number}_temp": str(temp_mc),
            f"trip_point_{number}_hyst": str(hysteresis_mc),
        }
    return files


def _set_immutable(path: Path, immutable: bool) -> None:
    """Make a file unwritable: the file system's own flag for root, the mode for all others."""
    import fcntl
    import os

    if os.getuid() != 0:
        path.chmod(0o444 if immutable else 0o644)
        return
    get_flags, set_flags, flag = 0x80086601, 0x40086602, 0x10
    with path.open("rb") as file:
        old = struct.unpack("i", fcntl.ioctl(file, get_flags, b"\0" * 4))[0]
        new = old | flag if immutable else old & ~flag
        fcntl.ioctl(file, set_flags, struct.pack("i", new))
