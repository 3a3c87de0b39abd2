"""Tests of models by name."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch

from platforms.errors import InvalidInput
from training.federated.models import store as stored
from training.federated.models.family import Member, sized
from training.federated.models.files import write_model
from training.federated.models.load import fingerprints, load_model, shape_of_name
from training.federated.models.shape import shape_of
from training.federated.models.store import folder_of, made_folder, pretrained, store, tokenizer_of
from training.federated.models.weights import drawn
from training.federated.suffix import arrays_of, whole


@pytest.mark.parametrize(("name", "layers"), [("tiny-2:random", 2), ("source-6:random", 6)])
def test_a_random_model_is_always_the_same_but_for_its_head(name: str, layers: int) -> None:
    """The encoder is drawn by name, pooler and head from the seed."""
    models = [load_model(name, "", 5, seed) for seed in (0, 0, 1)]
    shape = shape_of(models[0])
    assert (layers, 5) == (shape.layers, shape.classes)
    assert shape == shape_of_name(name, "", 5)
    one, same, other = (arrays_of(model, whole(shape)) for model in models)
    differing = {part for part in one if not np.array_equal(one[part], other[part])}
    assert all(np.array_equal(one[part], same[part]) for part in one)
    assert {"pooler.weight", "head.weight"} == differing


def test_models_do_not_share_their_weights() -> None:
    """Though the arrays they come from are kept between loads."""
    one = load_model("tiny-2:random", "", 2, 0)
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.zero_()
    assert load_model("tiny-2:random", "", 2, 0).classifier.weight.abs().sum() > 0


def test_a_model_repeats_itself_in_training_mode() -> None:
    """No dropout."""
    model = load_model("tiny-2:random", "", 2, 0).train()
    tokens = torch.arange(5, 13).reshape(1, 8)
    assert torch.equal(model(input_ids=tokens).logits, model(input_ids=tokens).logits)


@pytest.mark.parametrize("name", ["tiny", "tiny-0", "tiny-4:drawn", "nowhere/at/all", ""])
def test_a_name_that_is_no_model_is_refused(name: str) -> None:
    """With what would be one."""
    with pytest.raises(InvalidInput, match="model must be tiny-N, source-N, minilm or a folder"):
        load_model(name, "", 2, 0)


def test_the_default_store_is_named_by_the_environment_or_in_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is said outright goes first."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("ILGOV_MODELS", raising=False)
    assert tmp_path / "ilgov" / "models" == store("")
    monkeypatch.setenv("ILGOV_MODELS", str(tmp_path / "named"))
    assert tmp_path / "named" == store("")
    assert tmp_path / "said" == store(tmp_path / "said")


@pytest.mark.parametrize(("name", "head"), [("source-2", True), ("tiny-2", False)])
def test_pretraining_is_the_same_bytes_each_time(tmp_path: Path, name: str, head: bool) -> None:
    """Weights and tokenizer; a model that reads text has no head, that of the source has."""
    family, layers = name.split("-")
    found = Member(family, int(layers), False)
    made = [pretrained(found, told=lambda *_: None, steps=2) for _ in range(2)]
    for place, one in enumerate(made):
        stored.keep(tmp_path / str(place), one)
    for file in ("model.safetensors", "config.json", "pretrained.json"):
        assert (tmp_path / "0" / file).read_bytes() == (tmp_path / "1" / file).read_bytes()
    assert made[0].tokenizer == made[1].tokenizer
    assert head == ("head.weight" in made[0].arrays)


def test_pretraining_learns_and_says_how_far_it_is() -> None:
    """Forty steps on text lower the surprise of a model that has taken two."""
    told: list[tuple[str, int, int]] = []
    found = Member("tiny", 2, False)
    little = pretrained(found, told=lambda *_: None, steps=2)
    more = pretrained(found, told=lambda *step: told.append(step), steps=40)
    assert more.quality["surprise_nats"] < little.quality["surprise_nats"] - 0.3
    assert [("tiny-2", step, 40) for step in range(1, 41)] == told


def test_a_missing_model_is_made_by_one_process_while_others_wait(tmp_path: Path) -> None:
    """Three ask at the same time for a model that takes a while."""
    context = multiprocessing.get_context("fork")
    makers = [context.Process(target=_make, args=(tmp_path,)) for _ in range(3)]
    for process in makers:
        process.start()
    for process in makers:
        process.join(60)
    assert [0, 0, 0] == [process.exitcode for process in makers]
    assert 1 == len((tmp_path / "made").read_text().splitlines())


def _make(where: Path) -> None:
    """Ask for a model; the maker is slow and leaves a line each time it is called."""
    from time import sleep

    def keep(folder: Path, made: object) -> None:
        del made
        sleep(0.3)
        with (where / "made").open("a") as file:
            file.write("made\n")
        shape = shape_of_name("source-2:random", "", 4)
        write_model(folder, shape, drawn(shape, 0), tokenizer=None, origin={})

    stored.keep, stored.pretrained = keep, lambda *_, **__: None  # type: ignore[assignment]
    made_folder(Member("source", 2, False), where)


def test_another_member_of_the_family_has_the_same_kind_of_name() -> None:
    """CAFF's server chooses among depths."""
    assert "tiny-6:random" == sized("tiny-2:random", 6)
    with pytest.raises(InvalidInput, match=r"of the family tiny or source \(got minilm\)"):
        sized("minilm", 2)


def test_a_model_of_the_source_reads_no_text() -> None:
    """Its tokens are no words."""
    with pytest.raises(InvalidInput, match=r"model must read text for this task.*got source-4"):
        tokenizer_of("source-4", "")


def test_minilm_says_what_transformers_makes_of_the_same_package() -> None:
    """A real pre-trained model, with its own tokenizer; its head is new."""
    import transformers

    from training.federated.models.tokenizer import encode

    folder = folder_of("minilm", "")
    ours = load_model("minilm", "", 2, 0).eval()
    theirs = transformers.BertModel.from_pretrained(folder).eval()
    rows = encode(tokenizer_of("minilm", ""), ["Governors choose frequencies.", "Warm."], 16)
    tokens = torch.from_numpy(rows)
    mask = tokens.ne(0).long()
    assert (6, 384, 2) == (ours.config.num_hidden_layers, ours.config.hidden_size, 2)
    assert [101, 102] == [rows[1, 0], rows[1][rows[1] != 0][-1]]
    with torch.no_grad():
        torch.testing.assert_close(
            theirs(input_ids=tokens, attention_mask=mask).pooler_output,
            ours.bert(input_ids=tokens, attention_mask=mask).pooler_output,
            atol=1e-5,
            rtol=1e-4,
        )


def test_a_fingerprint_tells_models_of_one_name_apart(tmp_path: Path) -> None:
    """It goes by the weights alone."""
    shape = shape_of(load_model("tiny-2:random", "", 2, 0))
    found = []
    for store_, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_model(
            tmp_path / store_ / "tiny-2", shape, drawn(shape, seed), tokenizer=None, origin={}
        )
        load_model("tiny-2", tmp_path / store_, 2, 0)
        found.append(fingerprints()["tiny-2"])
    assert found[0] == found[1] != found[2]
