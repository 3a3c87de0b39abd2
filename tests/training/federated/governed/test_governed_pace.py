"""Federated training under grants, whatever the system."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import numpy as np
import pytest
import torch
from flwr.app import Context, Message

from rm.training_client import Outlook
from tests.training.federated.governed.fake_trainer import CAPABILITY, FakeTrainer, Pause, grant
from training.federated.batches import batches
from training.federated.depth_knob import depth_knob
from training.federated.governed import CannotMeet
from training.federated.governed_mod import GOVERNED, KEPT, governed, governed_mod, time_left_s
from training.federated.local import Trained, train_steps
from training.federated.models.load import load_model
from training.federated.models.names import parameters_of
from training.federated.models.shape import shape_of
from training.federated.row_stream import RowStream
from training.federated.suffix import Suffix, prepare, whole
from training.federated.tasks.task import Examples

RNG = np.random.default_rng(0)
TEXTS = Examples(x=RNG.integers(2, 60, (32, 12)), y=np.arange(32) % 4)
NOW_S = 1000.0


def message(*, created_s: float = NOW_S, ttl_s: float = 100.0) -> Message:
    """What is asked of a message here."""
    made = SimpleNamespace(metadata=SimpleNamespace(created_at=created_s, ttl=ttl_s))
    return cast(Message, made)


def told(folder: Path) -> dict[str, Any]:
    """A node's configuration."""
    path = folder / "capability.json"
    path.write_bytes(msgspec.json.encode(CAPABILITY))
    return {GOVERNED: str(path), KEPT: str(folder / "kept"), "device": "board-01"}


def trained(steps: int = 6) -> tuple[Trained, torch.Tensor]:
    """A device's plain work, and a weight of what came of it."""
    model = load_model("source-2:random", "", 4, 0)
    done = train_steps(model, TEXTS, steps=steps, batch=8, learning_rate=0.1, seed=5)
    return done, parameters_of(model)["layer.0.ffn.in.weight"].detach().clone()


@pytest.mark.parametrize(("count", "batch"), [(10, 4), (3, 8), (8, 8)])
def test_a_stream_of_rows_with_one_size_is_what_batches_draws(count: int, batch: int) -> None:
    """So that a governed round with the ordered batch trains the same."""
    stream = RowStream(count, seed=7)
    for rows in batches(count, batch=batch, steps=9, seed=7):
        assert rows.tolist() == stream.take(batch).tolist()
        assert RowStream(count, seed=7, taken=stream.taken).take(5).tolist() == (
            RowStream(count, seed=7, taken=stream.taken).take(5).tolist()
        )


def test_a_grant_of_what_was_ordered_changes_nothing_bit_for_bit(tmp_path: Path) -> None:
    """One thread, the ordered batch, all layers."""
    plain = trained()
    FakeTrainer.script = [grant(0, (3,))]
    with governed(message(), told(tmp_path)) as device:
        under = trained()
    assert plain[0] == under[0]
    assert torch.equal(plain[1], under[1])
    assert device is not None
    assert {"ilgov_meets": 1.0, "ilgov_share_done": 1.0, "ilgov_steps": 6.0} == device.said


def test_a_node_that_nobody_governs_trains_as_ordered() -> None:
    """No trainer is made."""
    with governed(message(), {"device": "board-01"}) as device:
        trained(1)
    assert device is None
    assert [] == FakeTrainer.made


def test_larger_batches_mean_fewer_steps_and_the_same_progress(tmp_path: Path) -> None:
    """48 reference samples are 96 in batches of 16, by the curve."""
    FakeTrainer.script = [grant(1)]
    with governed(message(), told(tmp_path)):
        done, _ = trained()
    assert 96 == done.samples
    assert [16] * 6 == [samples for _, samples, _ in FakeTrainer.made[0].reported]


def test_what_was_interrupted_goes_on_with_the_same_order_and_no_other(tmp_path: Path) -> None:
    """A client that was killed after a pause; its next process gets the same order again."""

    def power_cut() -> None:
        raise KeyboardInterrupt

    FakeTrainer.script = [grant(0, (3,)), grant(0, (3,)), Pause(grant(), power_cut)]
    with governed(message(), told(tmp_path)), pytest.raises(KeyboardInterrupt):
        trained()
    FakeTrainer.script = [grant(0, (3,))]
    with governed(message(), told(tmp_path)):
        done, weight = trained()
    assert 4 == len(FakeTrainer.made[1].reported), "two of six were done before"
    assert (48, trained()[0].loss) == (done.samples, done.loss)
    assert torch.equal(trained()[1], weight)
    with governed(message(), told(tmp_path)):
        trained()
    assert 6 == len(FakeTrainer.made[-1].reported), "what is done is not kept"


def test_a_deadline_that_cannot_be_met_reaches_the_server(tmp_path: Path) -> None:
    """As numbers of the reply; what nobody knows is left out."""
    FakeTrainer.foreseen = Outlook(False, None, 30.0, "late")
    with governed(message(), told(tmp_path)) as device:
        trained()
    assert device is not None
    assert 0.0 == device.said["ilgov_meets"]
    assert 30.0 == device.said["ilgov_samples_possible"]
    assert "ilgov_finish_s" not in device.said
    FakeTrainer.foreseen = Outlook(False, 999.0, 1.0, "too warm")
    with governed(message(), told(tmp_path)), pytest.raises(CannotMeet, match="too warm"):
        trained()


def test_a_mod_governs_any_client_app_and_its_reply_says_so(tmp_path: Path) -> None:
    """Whatever the app calls its metrics."""
    words = told(tmp_path)
    mod = governed_mod(words[GOVERNED], folder=words[KEPT], name="board-01")
    metrics = {"loss": 1.0}
    answer = SimpleNamespace(
        has_content=lambda: True, content=SimpleNamespace(metric_records={"mine": metrics})
    )

    def app(given: Message, context: Context) -> Message:
        del given, context
        trained()
        return cast(Message, answer)

    assert answer is cast(Any, mod(message(), cast(Context, None), app))
    assert {"loss", "ilgov_meets", "ilgov_share_done", "ilgov_steps"} == metrics.keys()
    assert "board-01" == FakeTrainer.made[0].client["name"]


def test_a_reply_without_content_stays_as_it_is(tmp_path: Path) -> None:
    """An app that failed."""
    words = told(tmp_path)
    mod = governed_mod(words[GOVERNED], folder=words[KEPT])
    answer = SimpleNamespace(has_content=lambda: False)
    given = cast(Message, answer)
    assert given is mod(message(), cast(Context, None), lambda _message, _context: given)


def test_the_deadline_is_until_when_the_server_waits_less_a_margin() -> None:
    """By the server's clock, unless that is another time altogether."""
    assert 0.9 * 60.0 == pytest.approx(time_left_s(message(), NOW_S + 40.0))
    assert 0.9 * 100.0 == pytest.approx(time_left_s(message(), NOW_S - 5000.0))
    assert 0.9 * 100.0 == pytest.approx(time_left_s(message(), NOW_S + 5000.0))


def test_depth_freezes_layers_from_the_input_on_and_gives_them_back() -> None:
    """Pooler and head are always trained, embeddings only with all layers."""
    model = load_model("source-4:random", "", 4, 0)
    prepare(model, whole(shape_of(model)))
    set_depth = depth_knob(model)
    set_depth(2)
    assert {"layer.2", "layer.3", "pooler", "head"} == parts(model)
    set_depth(4)
    assert {f"layer.{i}" for i in range(4)} | {"embeddings", "pooler", "head"} == parts(model)


def test_depth_trains_nothing_that_the_order_has_frozen() -> None:
    """A server that ordered one layer gets one layer."""
    model = load_model("source-4:random", "", 4, 0)
    prepare(model, Suffix(depth=1))
    depth_knob(model)(4)
    assert {"layer.3", "pooler", "head"} == parts(model)


def parts(model: Any) -> set[str]:
    """What is trained, by its first words."""
    trained = [name for name, p in parameters_of(model).items() if p.requires_grad]
    return {".".join(name.split(".")[: 2 if name.startswith("layer") else 1]) for name in trained}
