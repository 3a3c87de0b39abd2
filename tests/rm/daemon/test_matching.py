"""Tests of the rules by which processes are found."""

from typing import Any

import pytest

from rm.daemon.applications.matching import MOST_CHARACTERS, Rule, compiled, first_match
from rm.daemon.configuration.settings import ApplicationRule
from tests.rm.daemon.fake_table import process

PLAYER = process(
    7,
    name="mpv",
    executable="/usr/bin/mpv",
    command_line="mpv --loop film.mkv",
    uid=1000,
    cgroup="/user.slice/user-1000.slice/app-mpv.scope",
    unit="app-mpv.scope",
)


def settings(**criteria: Any) -> ApplicationRule:
    """A rule with these criteria."""
    return ApplicationRule(
        **{"name": "video", "target": 30.0, "target_unit": "heartbeats/s"} | criteria
    )


@pytest.mark.parametrize(
    ("criteria", "fits"),
    [
        ({"executable": "/usr/bin/mpv"}, True),
        ({"executable": "/usr/bin/mp"}, False),
        ({"executable": "/usr/*/mpv"}, True),
        ({"executable": "/usr/*"}, False),
        ({"executable": "/usr/**"}, True),
        ({"executable": "**mpv"}, True),
        ({"executable": "/usr/bin/mp?"}, True),
        ({"executable": "/usr.bin.mpv"}, False),
        ({"command_line": r"\.mkv$"}, True),
        ({"command_line": "^film"}, False),
        ({"command_line": "--loop film"}, True),
        ({"cgroup": "/user.slice/**"}, True),
        ({"cgroup": "/user.slice/*"}, False),
        ({"unit": "app-*.scope"}, True),
        ({"unit": "mpv.scope"}, False),
        ({"user": "1000"}, True),
        ({"user": "root"}, False),
        ({"user": "1000", "executable": "/usr/bin/vlc"}, False),
        ({"user": "1000", "executable": "/usr/bin/mpv", "command_line": "film"}, True),
    ],
)
def test_a_rule_fits_when_all_its_criteria_do(criteria: dict[str, str], fits: bool) -> None:
    """Criteria that are not given do not count."""
    assert fits == Rule(settings(**criteria)).matches(PLAYER)


def test_of_two_rules_that_fit_the_first_one_counts() -> None:
    """The order of the file is the owner's."""
    general, special = settings(name="general", user="1000"), settings(executable="/usr/bin/mpv")
    for rules, name in (((general, special), "general"), ((special, general), "video")):
        found = first_match(compiled(rules), PLAYER)
        assert found is not None
        assert name == found.name
    assert first_match(compiled((settings(user="0"),)), PLAYER) is None


def test_only_the_beginning_of_a_long_command_line_is_looked_at() -> None:
    """Whoever starts a process chooses how long it is."""
    near = process(1, command_line="x" * (MOST_CHARACTERS - 3) + "end")
    far = process(1, command_line="x" * MOST_CHARACTERS + "end")
    rule = Rule(settings(command_line="end"))
    assert [True, False] == [rule.matches(near), rule.matches(far)]
