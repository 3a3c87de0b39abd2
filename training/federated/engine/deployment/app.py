"""The Flower app of a run: nothing but names of our own modules, and the run's configuration.

No code travels to the devices: each runs the ilgov that is installed there.
"""

import json
from collections.abc import Mapping
from pathlib import Path

_PROJECT = """[project]
name = "ilgov-federated"
version = "1.0.0"
license = "Apache-2.0"
dependencies = []

[tool.hatch.build.targets.wheel]
packages = ["."]

[tool.flwr.app]
publisher = "ilgov"

[tool.flwr.app.components]
serverapp = "training.federated.engine.flower.server_app:app"
clientapp = "training.federated.engine.flower.client_app:app"

[tool.flwr.app.config]
"""


def write_app(folder: Path, configuration: Mapping[str, str | bool]) -> Path:
    """The app's folder; JSON's strings are TOML's as well."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in configuration.items()
    ]
    (folder / "pyproject.toml").write_text(_PROJECT + "\n".join(lines) + "\n", "utf-8")
    return folder
