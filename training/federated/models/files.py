"""A model in a folder, as Hugging Face writes BERT: config.json and model.safetensors."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from platforms.errors import InvalidInput
from training.federated.exchange import Arrays
from training.federated.models.names import canonical, hugging_face
from training.federated.models.shape import Shape

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
ORIGIN = "pretrained.json"


def write_model(
    folder: Path, shape: Shape, arrays: Arrays, *, tokenizer: str | None, origin: Mapping[str, Any]
) -> None:
    """Put a model into `folder`, which appears as a whole or not at all; one there is replaced.

    `arrays` go by canonical names, `tokenizer` is the text of tokenizer.json, and `origin` says
    what the model was made of. Equal input gives equal bytes.
    """
    from safetensors.numpy import save_file

    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
    old = part.with_suffix(".old")
    try:
        part.chmod(0o755)
        _write_json(part / CONFIG, _settings(shape))
        _write_json(part / ORIGIN, origin)
        if tokenizer is not None:
            (part / TOKENIZER).write_text(tokenizer, encoding="utf-8")
        save_file({hugging_face(name): a for name, a in sorted(arrays.items())}, part / WEIGHTS)
        (part / WEIGHTS).chmod(0o644)
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def read_settings(folder: Path) -> dict[str, Any]:
    """What config.json says; InvalidInput where there is none, or it is not of a BERT."""
    path = folder / CONFIG
    try:
        settings: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(
            f"model {folder}: must be a folder with {CONFIG} ({error.strerror}); "
            "'ilgov federated pretrain' makes the tiny ones"
        ) from error
    except ValueError as error:
        raise InvalidInput(f"{path}: must be JSON ({error})") from error
    if not isinstance(settings, dict) or settings.get("model_type") != "bert":
        kind = settings.get("model_type") if isinstance(settings, dict) else settings
        raise InvalidInput(f"{path}: model_type must be bert (got {kind})")
    return dict(settings)


def read_arrays(folder: Path) -> dict[str, NDArray[Any]]:
    """The weights that a classifier needs, by canonical names; others are left out.

    InvalidInput where there are none as safetensors: pickles are not opened.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / WEIGHTS
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InvalidInput(f"{path}: must be weights as safetensors ({error})") from error
    return {ours: a.astype("float32") for name, a in found.items() if (ours := _ours(name))}


def _ours(name: str) -> str | None:
    """The canonical name; a bare encoder has no "bert." before its names."""
    for whole in (name, f"bert.{name}"):
        try:
            return canonical(whole)
        except KeyError:
            continue
    return None


def _settings(shape: Shape) -> dict[str, Any]:
    return {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "num_hidden_layers": shape.layers,
        "hidden_size": shape.hidden,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.ffn,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.types,
        "num_labels": shape.classes,
        "pad_token_id": 0,
    }


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
