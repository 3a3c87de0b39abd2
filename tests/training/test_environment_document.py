"""Tests of docs/environment.md: its tables are the code's, and what it shows runs."""

import inspect
import re
from pathlib import Path

import gymnasium
import pytest

from platforms.board_file import load_board
from training.environment import IDS
from training.environment.markdown import action_markdown, choice_markdown, observation_markdown
from training.environment.reward import Reward
from training.environment.simulated_environment import SimulatedEnvironment

TEXT = (Path(__file__).parents[2] / "docs" / "environment.md").read_text("utf-8")
TABLES = {
    "observations": observation_markdown,
    "actions": action_markdown,
    "choices": choice_markdown,
}


def defaults() -> dict[str, object]:
    """The environment's arguments and their defaults."""
    parameters = inspect.signature(SimulatedEnvironment).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_what_the_code_makes(name: str) -> None:
    """Whoever learns from a wrong table learns nonsense, and nothing tells him."""
    slots = defaults()["slots"]
    assert isinstance(slots, int)
    shown = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", TEXT, re.DOTALL)
    assert shown is not None
    assert TABLES[name](load_board("hikey970"), slots) == shown[1]


def test_every_argument_is_described_with_its_default() -> None:
    """The document is the only manual."""
    described = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", TEXT, re.MULTILINE))
    assert defaults().keys() == described.keys()
    for name in ("cooling", "duration_s", "start_temp_c", "slots", "render_mode"):
        assert repr(defaults()[name]).replace("'", '"') == described[name].strip("`")


def test_every_id_and_the_rewards_weights_are_named() -> None:
    """Both are easily changed without a thought of the document."""
    for name in IDS:
        assert f"`{name}`" in TEXT
    assert repr(Reward()) in " ".join(TEXT.split())


def test_everything_in_info_is_named() -> None:
    """A number without a meaning is no information."""
    _, info = gymnasium.make("ilgov/HiKey970-v0").reset(seed=0)
    for key in (*info, *info["truth"]):
        assert f"`{key}`" in TEXT or f'`info["{key}"]`' in TEXT, key


def test_the_first_example_runs() -> None:
    """It is what readers copy."""
    code = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert code is not None
    names: dict[str, object] = {}
    exec(code[1], names)  # our own document
    assert isinstance(names["the_same"], gymnasium.Env)
