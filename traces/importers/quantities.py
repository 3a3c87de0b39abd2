"""What the numbers of a file may be: their unit, their range, the unit they are mistaken for."""

from msgspec import Struct


class Quantity(Struct, frozen=True):
    """A number in a file: its unit there, the range it must lie in, its factor to SI.

    `mistakes` are units that files of others came in, with the factor from there to `unit`: where
    a value is possible only so, the error says what it looks like.
    """

    unit: str
    low: float
    high: float
    scale: float = 1.0
    mistakes: tuple[tuple[str, float], ...] = ()

    def requirement(self, value: float) -> str:
        """What the value must be, and what it seems to be.

        >>> FREQ_MHZ.requirement(1800000.0)
        'must lie in 10 ... 6000 MHz (got 1800000; that looks like kHz)'
        """
        got = "nothing" if value != value else f"{value:.12g}"
        looks = [unit for unit, factor in self.mistakes if self.low <= value * factor <= self.high]
        hint = f"; that looks like {looks[0]}" if looks else ""
        unit = f" {self.unit}" if self.unit else ""
        return f"must lie in {self.low:g} ... {self.high:g}{unit} (got {got}{hint})"


_KILO, _MILLI = 1e3, 1e-3

FREQ_MHZ = Quantity("MHz", 10, 6000, 1e6, (("kHz", 1e-3), ("Hz", 1e-6), ("GHz", 1e3)))
FREQ_KHZ = Quantity("kHz", 10e3, 6e6, 1e3, (("MHz", 1e3), ("Hz", 1e-3), ("GHz", 1e6)))
VOLT_V = Quantity("V", 0.3, 2.0, 1.0, (("mV", 1e-3), ("µV", 1e-6)))
CURRENT_A = Quantity("A", -1, 100, 1.0, (("mA", 1e-3),))
RAIL_W = Quantity("W", -1, 50, 1.0, (("mW", 1e-3), ("µW", 1e-6)))
POWER_W = Quantity("W", -1, 200, 1.0, (("mW", 1e-3), ("µW", 1e-6)))
POWER_MW = Quantity("mW", -1e3, 200e3, 1e-3, (("µW", 1e-3),))
TEMP_C = Quantity("°C", -40, 150, 1.0, (("milli-degrees", 1e-3),))
PERCENT = Quantity("%", 0, 100.5, 0.01)
COUNT = Quantity("", 0, 1e18)
DURATION_S = Quantity("s", 1e-6, 1e7, 1.0)
TIME_S = Quantity("s", 0, 1e9, 1.0)
UNIX_NS = Quantity(
    "ns since 1970", 9.4e17, 2.5e18, 1e-9, (("µs", 1e3), ("ms", 1e6), ("seconds", 1e9))
)
