"""The oracle: per device the best arm, by one that knows every hidden speed."""

from collections.abc import Mapping, Sequence

from training.federated.systems.fedspine.options import Options
from training.federated.systems.fedspine.reward import balance, progress, reward

_PASSES = 8


def oracle_values(times: Mapping[str, Sequence[float]], options: Options) -> dict[str, list[float]]:
    """What every arm is worth to every device, given how long it takes it.

    The pace is the mean time of what all choose; it is found by choosing anew for the pace that the
    last choices gave, a few times over. What an arm does for the loss nobody knows beforehand: it
    counts as equal for all arms, the update's importance as the root of the rank.
    """
    pace_s = _mean([seconds[len(options.grid) // 2] for seconds in times.values()])
    values: dict[str, list[float]] = {}
    for _ in range(_PASSES):
        values = {name: _values(seconds, pace_s, options) for name, seconds in times.items()}
        pace_s = _mean([times[name][_argmax(worth)] for name, worth in values.items()])
    return values


def _values(times: Sequence[float], pace_s: float, options: Options) -> list[float]:
    grid = options.grid
    return [
        reward(
            options.weights,
            gain=0.0,
            progress=progress(arm.ratio, options.final_ratio),
            update=(arm.rank / grid.ranks[-1]) ** 0.5,
            balance=balance(time_s, pace_s, late_only=options.late_only),
        )
        for arm, time_s in zip(grid.arms(), times, strict=True)
    ]


def _argmax(values: Sequence[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
