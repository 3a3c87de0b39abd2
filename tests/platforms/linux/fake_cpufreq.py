"""One cpufreq policy of a fake root: its files, and what the kernel makes of what is written."""

from dataclasses import dataclass, field
from pathlib import Path

from tests.platforms.linux.fake_files import content, create, replace

GOVERNORS = ("conservative", "ondemand", "userspace", "powersave", "performance", "schedutil")
UNSUPPORTED = "<unsupported>"


@dataclass(frozen=True)
class FakeCluster:
    """A cluster to build files for; frequencies in kHz ascending, voltages in volts."""

    name: str
    core_type: str
    cores: tuple[int, ...]
    freqs_khz: tuple[int, ...]
    volts: tuple[float, ...]
    capacity: int
    power_coefficient: int = 100
    midr: int = 0x410FD034


@dataclass
class FakePolicy:
    """A policy, its folder, and the kernel's side of it."""

    folder: Path
    cluster: FakeCluster
    governor: str = "schedutil"
    cap_khz: int | None = None
    load: float = 0.0
    online: list[int] = field(default_factory=list)
    user_max_khz: int = 0
    user_min_khz: int = 0
    shown_max_khz: int = 0
    shown_min_khz: int = 0
    saved: dict[str, str] = field(default_factory=dict)

    def create(self) -> None:
        """Write all files that a real policy has."""
        freqs = self.cluster.freqs_khz
        self.online = list(self.cluster.cores)
        self.user_max_khz = self.shown_max_khz = freqs[-1]
        self.user_min_khz = self.shown_min_khz = freqs[0]
        cores = " ".join(map(str, self.cluster.cores))
        files = {
            "affected_cpus": cores,
            "related_cpus": cores,
            "cpuinfo_cur_freq": str(freqs[0]),
            "cpuinfo_max_freq": str(freqs[-1]),
            "cpuinfo_min_freq": str(freqs[0]),
            "cpuinfo_transition_latency": "300000",
            "scaling_available_frequencies": " ".join(map(str, freqs)) + " ",
            "scaling_available_governors": " ".join(GOVERNORS) + " ",
            "scaling_cur_freq": str(freqs[0]),
            "scaling_driver": "cpufreq-dt",
            "scaling_governor": self.governor,
            "scaling_max_freq": str(freqs[-1]),
            "scaling_min_freq": str(freqs[0]),
            "scaling_setspeed": UNSUPPORTED,
            "stats/time_in_state": "\n".join(f"{freq} 0" for freq in freqs),
            "stats/total_trans": "0",
        }
        create(self.folder, files)

    def settle(self) -> None:
        """Do what the kernel does with what was written since the last call."""
        if not self.online:
            self._go_dark()
            return
        self._settle_limits()
        self._settle_governor()
        self._settle_freq()

    def plug(self, online: list[int]) -> None:
        """Tell which of its cores are online; without one, its files cannot be read."""
        came_back = bool(online) and not self.online
        self.online = online
        replace(self.folder / "affected_cpus", " ".join(map(str, online)))
        if came_back:
            for name, text in self.saved.items():
                replace(self.folder / name, text)
            self.saved.clear()
        self.settle()

    def _go_dark(self) -> None:
        for path in self.folder.iterdir():
            if path.is_file() and path.name not in {"affected_cpus", "related_cpus"}:
                self.saved.setdefault(path.name, content(path))
                replace(path, "")

    def _settle_limits(self) -> None:
        lowest, highest = self.cluster.freqs_khz[0], self.cluster.freqs_khz[-1]
        wrote_max = self._number("scaling_max_freq")
        wrote_min = self._number("scaling_min_freq")
        if wrote_max is not None and wrote_max != self.shown_max_khz:
            self.user_max_khz = wrote_max
        if wrote_min is not None and wrote_min != self.shown_min_khz:
            self.user_min_khz = wrote_min
        cap = highest if self.cap_khz is None else self.cap_khz
        self.shown_max_khz = max(lowest, min(self.user_max_khz, cap, highest))
        self.shown_min_khz = max(lowest, min(self.user_min_khz, self.shown_max_khz))
        if wrote_max != self.shown_max_khz:
            replace(self.folder / "scaling_max_freq", str(self.shown_max_khz))
        if wrote_min != self.shown_min_khz:
            replace(self.folder / "scaling_min_freq", str(self.shown_min_khz))

    def _settle_governor(self) -> None:
        """Speed is read before the governor: who writes both writes the governor first.

        A new userspace governor shows the present frequency one round later, so that a writer who
        follows up at once is not overwritten.
        """
        speed = content(self.folder / "scaling_setspeed")
        wrote = content(self.folder / "scaling_governor")
        entered = wrote == "userspace" != self.governor
        if wrote in GOVERNORS:
            self.governor = wrote
        else:
            replace(self.folder / "scaling_governor", self.governor)
        if self.governor != "userspace":
            self._show("scaling_setspeed", UNSUPPORTED)
        elif not speed.isdigit() and not entered:
            self._show("scaling_setspeed", content(self.folder / "scaling_cur_freq"))

    def _settle_freq(self) -> None:
        freqs = self.cluster.freqs_khz
        wanted = {
            "performance": freqs[-1],
            "powersave": freqs[0],
            "userspace": self._number("scaling_setspeed") or freqs[0],
        }.get(self.governor, int(1.25 * self.load * freqs[-1]))
        wanted = max(self.shown_min_khz, min(wanted, self.shown_max_khz))
        reachable = [freq for freq in freqs if freq <= self.shown_max_khz] or [freqs[0]]
        freq = next((freq for freq in reachable if freq >= wanted), reachable[-1])
        self._show("scaling_cur_freq", str(freq))
        self._show("cpuinfo_cur_freq", str(freq))

    def _number(self, name: str) -> int | None:
        try:
            return int(content(self.folder / name))
        except ValueError:
            return None

    def _show(self, name: str, text: str) -> None:
        if content(self.folder / name) != text:
            replace(self.folder / name, text)
