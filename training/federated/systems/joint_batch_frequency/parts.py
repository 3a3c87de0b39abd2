"""Which digits a device of a setup has, and which the server judges by."""

from functools import lru_cache

from platforms.errors import InvalidInput
from training.federated.fleet import load_fleet
from training.federated.system import Setup
from training.federated.systems.joint_batch_frequency.digits import half_of, halves
from training.federated.tasks.digits import digits
from training.federated.tasks.split import split
from training.federated.tasks.task import Examples


def parts_of(setup: Setup) -> dict[str, Examples]:
    """The digits 5 to 9, shared out over the fleet's devices by label, by device.

    InvalidInput where the setup names another task or a stand-in.
    """
    if setup.task != "digits":
        raise InvalidInput(f"task must be digits for {setup.system} (got {setup.task})")
    if setup.stand_in:
        raise InvalidInput(
            f"stand_in must be empty for {setup.system}: its option workload says what network "
            f"stands behind time and power (got {setup.stand_in})"
        )
    names = tuple(device.name for device in load_fleet(setup.fleet, setup.devices).devices)
    return dict(zip(names, _shared(len(names), setup.alpha, setup.seed), strict=True))


@lru_cache(maxsize=8)
def _shared(devices: int, alpha: float, seed: int) -> tuple[Examples, ...]:
    return split(halves("target")[0], devices=devices, alpha=alpha, seed=seed)


def judged(which: str) -> Examples:
    """The digits 5 to 9 of "validation" or "test"."""
    pool = digits()
    return half_of(pool.test if which == "test" else pool.validation, "target")
