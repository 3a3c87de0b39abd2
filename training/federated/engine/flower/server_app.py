"""The server's side on Flower: waits for the devices, plays the rounds, writes what came of it."""

import traceback
from pathlib import Path

import msgspec
from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from platforms.errors import InvalidInput
from training.federated.engine.deployment.processes import end_with_parent
from training.federated.engine.flower.carrier import flower_carrier
from training.federated.engine.progress import Progress
from training.federated.fleet import load_fleet
from training.federated.running import Plan, carry_out


class NobodyThere(Exception):
    """A run without devices: all its rounds would be over at once."""


app = ServerApp()
"""What a SuperLink runs."""


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Carry out the plan that the run's configuration names.

    Flower's own way of ending with its parent left ServerApps behind that never ended.
    """
    end_with_parent()
    plan = msgspec.json.decode(str(context.run_config["plan"]), type=Plan)
    serve(plan, grid, context, Progress(Path(str(context.run_config["progress"]))))


def serve(plan: Plan, grid: Grid, context: Context, progress: Progress) -> None:
    """The same for any grid; how it ends is told, whatever happens."""
    try:
        carrier = flower_carrier(plan, grid, context)
        devices = [
            device.name for device in load_fleet(plan.setup.fleet, plan.setup.devices).devices
        ]
        missing = carrier.nodes.wait_for(devices, plan.wait_s)
        progress.connected(len(devices) - len(missing), sorted(missing))
        if len(missing) == len(devices):
            raise NobodyThere(f"no device of the fleet is connected (waited {plan.wait_s:g} s)")
        carry_out(plan, carrier, progress.round)
    except InvalidInput as error:
        progress.failed(str(error), "", mistake=True)
        raise
    except NobodyThere as error:
        progress.failed(str(error), "")
        raise
    except Exception as error:
        progress.failed(f"{type(error).__name__}: {error}", traceback.format_exc())
        raise
    progress.done()
