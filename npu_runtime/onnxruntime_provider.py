"""Run a policy on an accelerator that onnxruntime has an execution provider for.

``onnxruntime:PROVIDER``, for example ``onnxruntime:QNNExecutionProvider``. A provider that comes as
a plug-in is a library of its own; the environment variable `PLUGIN` says which.

Asked for a provider that it lacks, onnxruntime runs the network on the CPU and says so in a warning
only. Here that is an error, in three ways: the fallback is switched off, the session has to name
the provider, and every node has to be assigned to it. The features are scaled on the CPU before,
in float32, and the batch is a fixed one, since providers for NPUs take no other.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from npu_runtime.backend import Capabilities, Rows
from npu_runtime.convert.layers_onnx import layers_onnx
from npu_runtime.errors import BackendUnavailable
from npu_runtime.layers import layered_network
from npu_runtime.onnxruntime_backend import imported, single_threaded
from npu_runtime.policy_file import PolicyFile

PREFIX = "onnxruntime:"

PLUGIN = "ILGOV_ONNXRUNTIME_PLUGIN"
"""Environment variable: ``PROVIDER=PATH`` of the library, where the provider is a plug-in."""

OPTIONS = "ILGOV_ONNXRUNTIME_OPTIONS"
"""Environment variable: the provider's own options, as ``key=value;key=value``."""

ROWS = 64
"""Rows of every call (chosen): as many as ilgov's search asks for in the median call, 63 in ten
simulated minutes; TOP-IL asks for a row per application."""

CPU = "CPUExecutionProvider"


class ProviderBackend:
    """A policy on one execution provider, and on nothing else.

    `capabilities.device` is the provider that every node was assigned to. Raises BackendUnavailable
    where onnxruntime, the provider, its library or its device is missing, or where it leaves nodes
    to the CPU; ValueError for a network that is no chain of layers.
    """

    def __init__(self, file: PolicyFile, provider: str, *, plugin: Path | None = None) -> None:
        self._network = layered_network(file)
        onnxruntime = imported()
        self._session = _session(
            onnxruntime, layers_onnx(self._network, ROWS), provider, plugin=plugin
        )
        _prove(self._session, provider)
        (self._input,) = (tensor.name for tensor in self._session.get_inputs())
        self.input_shape: tuple[int | None, ...] = (ROWS, self._network.width)
        self.output_shape: tuple[int | None, ...] = (ROWS, self._network.outputs)
        self.capabilities = Capabilities(
            name=f"{PREFIX}{provider}",
            version=onnxruntime.__version__,
            device="cpu" if provider == CPU else provider,
            precision="float32" if provider == CPU else "float16",
            max_batch=ROWS,
            dynamic_batch=False,
        )

    def run(self, rows: Rows) -> Rows:
        """The scores of `ROWS` rows."""
        scaled = np.ascontiguousarray(self._network.normalised(rows))
        scores: Rows = self._session.run(None, {self._input: scaled})[0]
        return scores

    def warm_up(self, batch: int) -> None:
        """Run a batch of zeros; it is always of `ROWS` rows."""
        self.run(np.zeros((ROWS, self._network.width), np.float32))

    def close(self) -> None:
        """Drop the session; a plug-in's library stays, until the process ends."""
        self._session = None


def opener(name: str) -> Callable[[PolicyFile], ProviderBackend]:
    """What opens ``onnxruntime:PROVIDER``, with the plug-in that the environment names."""
    provider = name.removeprefix(PREFIX)
    found = plugin_in_environment()
    plugin = found[1] if found and found[0] == provider else None
    return lambda file: ProviderBackend(file, provider, plugin=plugin)


def plugin_in_environment() -> tuple[str, Path] | None:
    """Provider and library that the environment names; None where it names none."""
    provider, _, path = os.environ.get(PLUGIN, "").partition("=")
    return (provider, Path(path)) if provider and path else None


def provider_options(text: str) -> dict[str, str]:
    """The options in an environment variable.

    >>> provider_options("backend_path=libQnnHtp.so; htp_performance_mode=balanced")
    {'backend_path': 'libQnnHtp.so', 'htp_performance_mode': 'balanced'}
    >>> provider_options("")
    {}
    """
    pairs = (pair.partition("=") for pair in text.split(";") if pair.strip())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _session(onnxruntime: Any, network: bytes, provider: str, *, plugin: Path | None) -> Any:
    """A session with this provider alone; whatever onnxruntime says against it is told."""
    options = single_threaded(onnxruntime)
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if provider != CPU:  # it is an error to switch off the fallback to what was asked for
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    its_own = provider_options(os.environ.get(OPTIONS, ""))
    devices = [] if plugin is None else _devices(onnxruntime, provider, plugin)
    if not devices and provider not in onnxruntime.get_available_providers():
        known = ", ".join(onnxruntime.get_available_providers())
        raise BackendUnavailable(
            f"onnxruntime {onnxruntime.__version__} must have {provider} (it has {known}); install "
            f"the vendor's build of onnxruntime, or name its plug-in: "
            f"{PLUGIN}={provider}=PATH"
        )
    try:
        if devices:
            options.add_provider_for_devices(devices, its_own)
            return onnxruntime.InferenceSession(network, options)
        return onnxruntime.InferenceSession(network, options, providers=[(provider, its_own)])
    except Exception as error:  # onnxruntime's errors share no base class but this one
        raise BackendUnavailable(
            f"{provider} must run the whole network ({_first_line(error)}); the CPU would do that "
            "without it: use the back end numpy"
        ) from error


def _devices(onnxruntime: Any, provider: str, plugin: Path) -> list[Any]:
    """The devices for which the plug-in in this library has that provider."""
    try:
        onnxruntime.register_execution_provider_library(provider, str(plugin))
    except AttributeError as error:
        raise BackendUnavailable(
            f"plug-ins need onnxruntime 1.23 or newer (got {onnxruntime.__version__})"
        ) from error
    except Exception as error:  # as above
        if "already" not in str(error):
            raise BackendUnavailable(
                f"{PLUGIN} must name a plug-in's library ({_first_line(error)})"
            ) from error
    devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == provider]
    if not devices:
        raise BackendUnavailable(
            f"{provider} of {plugin} must find its device on this machine (it finds none)"
        )
    return devices


def _prove(session: Any, provider: str) -> None:
    """Raise BackendUnavailable unless every node runs on `provider`, by the session's own word."""
    if provider not in session.get_providers():
        raise BackendUnavailable(
            f"the session must run on {provider} (got {', '.join(session.get_providers())})"
        )
    try:
        assigned = session.get_provider_graph_assignment_info()
    except AttributeError as error:
        raise BackendUnavailable(
            f"that {provider} runs the network must be proved, which needs a newer onnxruntime "
            "than this (1.32 can)"
        ) from error
    elsewhere = sorted({part.ep_name for part in assigned} - {provider})
    if elsewhere or not assigned:
        raise BackendUnavailable(
            f"every node must be assigned to {provider} (got {', '.join(elsewhere) or 'none'})"
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
