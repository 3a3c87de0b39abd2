"""The simulated board as a Gymnasium environment, so that others train their agents on it.

Importing this package registers its ids (`IDS`); Gymnasium 1.x looks for none by itself. Either of

    import training.environment
    gymnasium.make("ilgov/HiKey970-v0")

    gymnasium.make("training.environment:ilgov/HiKey970-v0")

makes one. What an agent sees and does is in `observations` and `actions`, what it is paid in
`reward`, and all of it for readers in ``docs/environment.md``.
"""

IDS = {
    "ilgov/HiKey970-v0": "hikey970",
    "ilgov/HiKey960-v0": "hikey960",
    "ilgov/RK3588-v0": "rk3588",
}
"""The ids and the shipped boards that they stand for."""

_ENTRY_POINT = "training.environment.simulated_environment:SimulatedEnvironment"


def register() -> None:
    """Make the ids known to Gymnasium; again does nothing. The environment itself loads later."""
    import gymnasium

    for name, board in IDS.items():
        if name not in gymnasium.registry:
            gymnasium.register(id=name, entry_point=_ENTRY_POINT, kwargs={"board": board})


register()
