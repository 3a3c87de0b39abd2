"""A training on disk: model, optimiser and how far it is; the file is whole or not there."""

import pickle
from pathlib import Path
from typing import Any

import msgspec
import torch
from msgspec import Struct

from platforms.atomic_file import replacing
from platforms.errors import InvalidInput

_DAMAGES = (
    *(EOFError, KeyError, RuntimeError, TypeError, ValueError),
    *(pickle.UnpicklingError, msgspec.MsgspecError),
)


class Progress(Struct, kw_only=True):
    """How far a training is.

    `round` counts rounds that are over; of the present one `done` are reference samples, `taken`
    rows of its stream. `steps`, `samples` and `loss_sum` are of all rounds.
    """

    round: int = 0
    done: float = 0.0
    taken: int = 0
    steps: int = 0
    samples: int = 0
    loss_sum: float = 0.0


def keep(path: Path, model: Any, optimiser: Any, progress: Progress) -> None:
    """Write it. OSError where that cannot be done; what was there before is then still there."""
    content = {
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "progress": msgspec.to_builtins(progress),
    }
    with replacing(path) as building:
        torch.save(content, building)


def take_up(path: Path, model: Any, optimiser: Any) -> Progress | None:
    """Put what was kept into model and optimiser; how far that is, None where nothing was kept.

    InvalidInput where the file is of another training.
    """
    if not path.exists():
        return None
    try:
        content = torch.load(path, weights_only=True)
        model.load_state_dict(content["model"])
        optimiser.load_state_dict(content["optimiser"])
        return msgspec.convert(content["progress"], Progress)
    except _DAMAGES as error:
        raise InvalidInput(
            f"{path} must be a checkpoint of this training ({_first_line(error)}); "
            "remove it to begin anew"
        ) from error


def _first_line(error: Exception) -> str:
    """PyTorch's errors go on for pages."""
    return str(error).partition("\n")[0] or type(error).__name__
