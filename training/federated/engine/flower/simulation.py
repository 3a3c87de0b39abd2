"""The run on Flower's simulation engine: devices are actors of Ray on this machine."""

import logging
import os
import secrets
from typing import TYPE_CHECKING, cast

import msgspec

from platforms.errors import InvalidInput
from training.federated.engine.flower.quiet import be_quiet
from training.federated.engine.progress import Progress
from training.federated.fleet import load_fleet
from training.federated.running import MEMORY, Plan

if TYPE_CHECKING:
    from flwr.serverapp import Grid

HOME = "flower"
"""Flower's own folder within the run's."""


def simulate(plan: Plan, progress: Progress, *, actors: int) -> None:
    """Carry a plan out with so many devices at a time; InvalidInput where Flower is missing.

    It is made for a process of its own: Flower and Ray change the environment and the loggers.
    Ctrl-C ends the round that is being played, then raises KeyboardInterrupt.
    """
    be_quiet(plan.folder / HOME)
    shut_ray()
    try:
        from flwr.serverapp import ServerApp
        from flwr.simulation import run_simulation

        from training.federated.engine.flower.client_app import make_client_app
        from training.federated.engine.flower.server_app import serve
        from training.federated.engine.flower.stoppable import Stoppable, stopped_by_ctrl_c
    except ImportError as error:
        raise InvalidInput(
            f"engine simulation needs Flower and Ray ({error}); pip install 'ilgov[federated]'"
        ) from error
    logging.getLogger("flwr").setLevel(logging.ERROR)
    with stopped_by_ctrl_c() as stopped:
        server_app = ServerApp()
        server_app.main()(
            lambda grid, context: serve(
                plan, cast("Grid", Stoppable(grid, stopped)), context, progress
            )
        )
        run_simulation(
            server_app=server_app,
            client_app=make_client_app(run_configuration(plan)),
            num_supernodes=len(load_fleet(plan.setup.fleet, plan.setup.devices).devices),
            backend_config={
                "init_args": {
                    "num_cpus": actors,
                    "include_dashboard": False,
                    "log_to_driver": False,
                    "logging_level": logging.ERROR,
                },
                "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
            },
        )


def run_configuration(plan: Plan) -> dict[str, str | bool]:
    """What Flower hands to both sides of a run."""
    return {
        "setup": msgspec.json.encode(plan.setup).decode(),
        "memory": str((plan.folder / MEMORY).resolve()),
        "clip": plan.privacy is not None and plan.privacy.side == "client",
        "secure": plan.secure,
    }


def shut_ray() -> None:
    """Ray listens at all addresses, and unpickles: only who has the run's token may speak."""
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def cpus() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0))
