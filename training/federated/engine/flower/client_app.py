"""The device's side on Flower: an order comes in, a client is built, its reply goes out.

A SuperNode says who it is by ``--node-config 'device="agx-3"'``, or by ``partition-id`` (its place
in the fleet). ``memory="DIR"`` lets it remember beyond a run; ``governed="FILE"`` lets it train
under the ilgov daemon's grants (`governed_mod`).
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.clientapp.mod import fixedclipping_mod
from flwr.clientapp.typing import ClientAppCallable, Mod

from training.federated.engine.flower.encode import WHO, order_of, reply_records
from training.federated.engine.flower.memory import folder_of_run, remember, remembered
from training.federated.engine.flower.secure_mod import secure_mod
from training.federated.fleet import load_fleet
from training.federated.governed_mod import governed
from training.federated.models.load import fingerprints
from training.federated.registry import find_system
from training.federated.system import Setup

Configuration = Mapping[str, Any]


class WrongDevice(ValueError):
    """A node was told to be another device than the one whose key it has."""


class WrongModel(ValueError):
    """This device's store holds another model under the name of one of the server's."""


def make_client_app(given: Configuration | None = None) -> ClientApp:
    """A ClientApp for any system; the run's configuration says which.

    The simulation has none of its own: it is `given`.
    """
    made = ClientApp()

    def configuration(context: Context) -> Configuration:
        return {**(given or {}), **context.run_config}

    @made.query()
    def who(message: Message, context: Context) -> Message:
        """Which device of the fleet this is."""
        content = RecordDict(
            {WHO: ConfigRecord({"device": device_of(context, configuration(context))})}
        )
        return Message(content, reply_to=message)

    def when(flag: str, mod: Mod) -> Mod:
        """A mod that works only in runs that ask for it."""

        def asked_for(message: Message, context: Context, go_on: ClientAppCallable) -> Message:
            if configuration(context).get(flag):
                return mod(message, context, go_on)
            return go_on(message, context)

        return asked_for

    @made.train(mods=[when("clip", fixedclipping_mod), when("secure", secure_mod)])
    def act(message: Message, context: Context) -> Message:
        """Do what is ordered."""
        told = configuration(context)
        setup, device = setup_of(told), device_of(context, told)
        folder = memory_of(context, told)
        order, told_with = order_of(message.content)
        if told_with.device != device:
            raise WrongDevice(f"this node is {device}; the order is for {told_with.device}")
        memory = remembered(context, folder, told_with.round)
        with governed(message, context.node_config) as governor:
            reply = find_system(setup.system).client(setup, device).act(order, memory)
        if governor is not None:
            reply = replace(reply, metrics={**reply.metrics, **governor.said})
        check_models(told_with.models, fingerprints())
        remember(context, folder, told_with.round, memory)
        return Message(reply_records(reply), reply_to=message)

    return made


def check_models(servers: Mapping[str, str], mine: Mapping[str, str]) -> None:
    """Raise WrongModel where a model of the same name is another one here than at the server.

    What is frozen of a model never travels: trained on, two models would be mixed silently.
    """
    for name in sorted(servers.keys() & mine.keys()):
        if servers[name] != mine[name]:
            raise WrongModel(
                f"{name} must be the server's, {servers[name][:12]} (got {mine[name][:12]}); copy "
                "its folder from the server's store of models"
            )


def setup_of(told: Configuration) -> Setup:
    """The run's setup."""
    return msgspec.json.decode(str(told["setup"]), type=Setup)


def device_of(context: Context, told: Configuration) -> str:
    """The device that this node is: as it was told, or by its place in the fleet."""
    if "device" in context.node_config:
        return str(context.node_config["device"])
    setup = setup_of(told)
    place = int(str(context.node_config["partition-id"]))
    return load_fleet(setup.fleet, setup.devices).devices[place].name


def memory_of(context: Context, told: Configuration) -> Path | None:
    """The folder where this device remembers, if it has one."""
    if "memory" in context.node_config:
        folder, run = Path(str(context.node_config["memory"])), str(told.get("run", ""))
        return folder_of_run(folder, run) if run else folder
    shared = told.get("memory")
    return Path(str(shared)) / device_of(context, told) if shared else None


app = make_client_app()
"""What a SuperNode runs."""
