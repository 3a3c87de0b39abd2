"""What one place makes of a training step: how long a sample takes there, alone, and at what power.

On cores it is what the simulated board does with a job that has it to itself: its own threads
queue for the memory, and leakage is taken at its reference temperature.
"""

from msgspec import Struct


class TrainingPoint(Struct, frozen=True, gc=False):
    """Seconds per sample, highest and mean power in watts."""

    sample_s: float
    peak_w: float
    mean_w: float
