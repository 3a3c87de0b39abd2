"""Tests of the daemon's configuration file."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

import rm.daemon
from platforms.errors import InvalidInput
from rm.daemon.configuration.configuration import (
    ApplicationRule,
    Configuration,
    load_configuration,
    parse_configuration,
)

EXAMPLE = Path(rm.daemon.__file__).parent / "ilgov.example.toml"

RULE = """
[[applications]]
name = "video"
executable = "/usr/bin/mpv"
target = 30
target_unit = "heartbeats/s"
"""


def problems(text: str) -> list[str]:
    """What is said of a configuration, without the name of the file."""
    with pytest.raises(InvalidInput) as caught:
        parse_configuration(text, origin="file")
    return [line.removeprefix("file: ") for line in str(caught.value).splitlines()]


def with_board(text: str) -> str:
    """A configuration that is complete but for what `text` says."""
    return f'board = "hikey970"\n{text}'


def test_only_the_board_must_be_given() -> None:
    """All else has a default that is safe."""
    assert Configuration(board="hikey970") == parse_configuration('board = "hikey970"')
    assert ["board must be given (got nothing)"] == problems("")


def test_the_example_is_valid() -> None:
    """It is the manual: who copies it must get a daemon that starts."""
    configuration = load_configuration(EXAMPLE)
    assert ("video", "indexer") == tuple(rule.name for rule in configuration.applications)


def test_the_example_shows_every_key_with_its_default() -> None:
    """What a manual does not show is not used; what it shows wrongly is worse."""
    shown = [
        line.removeprefix("# ").strip()
        for line in EXAMPLE.read_text("utf-8").splitlines()
        if not line.startswith("#   ")
    ]
    for key, value in _values(Configuration(board="hikey970")):
        assert any(line.startswith(f"{key} = ") for line in shown), key
        if value is not None:
            assert f"{key} = {_toml(value)}" in shown


def _values(section: Struct) -> Iterator[tuple[str, object]]:
    """All keys that a section has, those of its sections too, with their defaults."""
    for key in section.__struct_fields__:
        value = getattr(section, key)
        if isinstance(value, Struct):
            yield from _values(value)
        elif key not in ("sensors", "applications"):
            yield key, value


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, (str, Path)) else str(value)


def test_every_problem_is_told_at_once() -> None:
    """Nobody wants to start a daemon eleven times."""
    told = problems("""
        board = 3
        polcy = "ilgov"
        npu_deadline_s = "fast"
        state_dir = "relative"
        sensors = 5
        [safety]
        critical_c = nan
        [log]
        keep = 1000
        [[applications]]
        name = "a"
        target = "many"
        [[applications]]
        name = "b"
        command_line = "("
        target = 4
        target_unit = "frames/s"
        """)
    expected = [
        "polcy must be a known key (got 'ilgov'); did you mean 'policy'?",
        "board must be a path of 1 to 4096 characters (got 3)",
        "npu_deadline_s must be a number of seconds from 0.001 to 10 (got 'fast')",
        "state_dir must be an absolute path of at most 4096 characters (got 'relative')",
        "log.keep must be a whole number from 0 to 100 (got 1000)",
        "safety.critical_c must be a number of °C, 30 to 130 (got nan)",
        "sensors must be a table (got 5)",
        (
            "applications[0].target must be a number of the rate's unit, above 0, up to 1e12 "
            "(got 'many')"
        ),
        "applications[0].target_unit must be given (got nothing)",
        (
            "applications[1].target_unit must be one of 'instructions/s', 'heartbeats/s' "
            "(got 'frames/s')"
        ),
        (
            "applications[1].command_line must be a regular expression of Python's (missing ), "
            "unterminated subpattern at position 0) (got '(')"
        ),
        "applications[0] must have one of executable, command_line, cgroup, unit, user (got none)",
    ]
    assert expected == told


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('policy = "nonsense"', "policy must be one of "),
        ('backend = "nonsense"', "backend must be one of "),
        ("dvfs_period_s = 0.3", "migration_period_s must be a whole multiple of dvfs_period_s"),
        ("npu_deadline_s = 0.05", "npu_deadline_s must be below dvfs_period_s, 0.05 (got 0.05)"),
        ("dvfs_period_s = true", "dvfs_period_s must be a number of seconds"),
        ("dvfs_period_s = inf", "dvfs_period_s must be a number of seconds"),
        (f'socket = "/{"x" * 107}"', "socket must be an absolute path of at most 107 bytes"),
        ('socket = "/a\\u0000b"', "socket must be an absolute path"),
        ('actuator = "voltage"', "actuator must be one of 'setspeed', 'cap' (got 'voltage')"),
        ('metrics.listen = "0.0.0.0:80"', "metrics.listen must be 'unix:'"),
        ('metrics.listen = "localhost:65536"', "metrics.listen must be 'unix:'"),
        ('sensors.cls0 = ""', "sensors.cls0 must be a text of 1 to 1024 characters (got '')"),
        (
            'sensors.soc = "cls0"',
            "sensors.soc must be a sensor of board hikey970, one of cls0 (got 'soc')",
        ),
        ("training.power_limit_w = 0", "training.power_limit_w must be a number of watts above 0"),
        ('training.enforcement = "jail"', "training.enforcement must be one of 'cgroup', "),
        (
            "training.temp_limit_c = 80\nsafety.critical_c = 80",
            "training.temp_limit_c must be below safety.critical_c, 80 (got 80)",
        ),
        ("applications = 1", "applications must be a list (got 1)"),
        ("applications = [1]", "applications[0] must be a table (got 1)"),
        ('"two\\nlines" = 1', "'two\\nlines' must be a known key (got 1)"),
    ],
)
def test_what_is_wrong_is_said_on_one_line(text: str, problem: str) -> None:
    """Key, requirement, value."""
    told = problems(with_board(text))
    assert 1 == len(told), told
    assert told[0].startswith(problem), told[0]


@pytest.mark.parametrize(
    ("criterion", "problem"),
    [
        ('executable = "mpv"', "executable must start with '/' or '*'"),
        ('executable = "/*a*a*a*a*a*a*a*a*a"', "executable must have at most 8 places with '*'"),
        ('command_line = "(a+)+$"', "command_line must not repeat what is itself repeated"),
        ('command_line = "(a|b*)*"', "command_line must not repeat what is itself repeated"),
        ('command_line = "[[a]"', "command_line must be a regular expression"),
        ('command_line = "a{99999999999999999999}"', "command_line must be a regular expression"),
        ('user = "no such user"', "user must be a user of this system, or a number"),
        ('user = "4294967295"', "user must be a user of this system, or a number"),
        ('name = "a\\u001bb"', "name must be printable"),
    ],
)
def test_criteria_that_cannot_be_used_are_refused(criterion: str, problem: str) -> None:
    """Who starts a process chooses its command line; root's pattern must not take for ever."""
    rule = {"name": '"video"', "user": "'1'", "target": "30", "target_unit": '"heartbeats/s"'}
    key, _, value = criterion.partition(" = ")
    lines = [f"{name} = {text}" for name, text in {**rule, key: value}.items()]
    told = problems(with_board("\n".join(["[[applications]]", *lines])))
    assert [True] == [problem in line for line in told], told


def test_users_are_those_of_the_other_root(tmp_path: Path) -> None:
    """With ``--root`` the names mean what they mean there."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("alice:x:1234:1234::/:/bin/sh\nbroken\n")
    text = with_board(RULE + 'user = "alice"')
    rule = parse_configuration(text, root=tmp_path).applications[0]
    assert (
        ApplicationRule(
            name="video",
            executable="/usr/bin/mpv",
            user="alice",
            target=30.0,
            target_unit="heartbeats/s",
        )
        == rule
    )


def test_a_problem_of_the_board_file_is_told_with_the_others(tmp_path: Path) -> None:
    """It is one of the files that the owner has to get right."""
    board = tmp_path / "board.toml"
    board.write_text("schema = 1\n")
    told = problems(f'board = "{board}"\nbackend = "x"\n')
    assert [True, True] == ["board" in told[1], "backend" in told[0]]


def test_what_is_no_toml_is_said_with_its_place() -> None:
    """The parser knows where."""
    assert ["must be a TOML file (Invalid value (at end of document))"] == problems("board = ")


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000, "a = 2001-02-30"])
def test_toml_that_breaks_the_parser_is_a_problem_of_the_file(text: str) -> None:
    """Depth and digits have limits inside Python; they are not the user's to know."""
    assert problems(text)[0].startswith("must be a TOML file")


def test_problems_have_an_end() -> None:
    """A thousand lines tell less than fifty."""
    told = problems(with_board("\n".join(f"key_{i} = 1" for i in range(1000))))
    assert 51 == len(told)
    assert "... and 950 more problems" == told[-1]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    """Missing, a folder, a pipe that would block, too long, not text."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "long").write_text("#" * (256 * 1024 + 1))
    (tmp_path / "latin").write_bytes(b"board = '\xff'")
    for name, problem in {
        "none": "must be a file that can be read (No such file or directory)",
        "pipe": "must be a regular file",
        ".": "must be a regular file",
        "long": "must have at most 262144 bytes",
        "latin": "must be text in UTF-8",
    }.items():
        with pytest.raises(InvalidInput) as caught:
            load_configuration(tmp_path / name)
        assert problem in str(caught.value), name


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_obeys_no_file_that_others_may_write(tmp_path: Path) -> None:
    """Whoever writes the configuration steers the daemon; and so does who writes its folder."""
    folder = tmp_path / "etc"
    folder.mkdir()
    file = folder / "ilgov.toml"
    file.write_text('board = "hikey970"\nkeep = 1')
    file.chmod(0o664)
    os.chown(folder, 65534, 65534)
    with pytest.raises(InvalidInput) as caught:
        load_configuration(file)
    expected = [
        f"{file}: {file} must be writable by its owner only (has mode 0664); chmod go-w it",
        f"{file}: {folder} must belong to root (belongs to user 65534); chown it",
    ]
    told = str(caught.value).splitlines()
    assert expected == told[:2]
    assert "keep must be a known key" in told[2]
    assert "hikey970" == load_configuration(_clean(file), root=tmp_path).board


def _clean(file: Path) -> Path:
    file.write_text('board = "hikey970"')
    return file


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_obeys_no_named_file_that_others_may_write(tmp_path: Path) -> None:
    """The network decides as much as the configuration; links do not help."""
    policy = tmp_path / "policy.onnx"
    policy.write_bytes(b"")
    policy.chmod(0o666)
    (tmp_path / "link").symlink_to(policy)
    file = tmp_path / "ilgov.toml"
    file.write_text(f'board = "hikey970"\npolicy_file = "{tmp_path}/link"\n')
    with pytest.raises(InvalidInput, match=r"policy_file: .*policy.onnx must be writable by its"):
        load_configuration(file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", ["policy.rk3588.rknn", "policy.kirin970.json"])
def test_root_runs_nothing_made_of_a_policy_that_others_may_write(
    tmp_path: Path, name: str
) -> None:
    """A vendor's library loads it; the digests are no help, since they lie beside it."""
    (tmp_path / "policy.onnx").write_bytes(b"")
    made = tmp_path / name
    made.write_bytes(b"")
    file = tmp_path / "ilgov.toml"
    file.write_text(f'board = "hikey970"\npolicy_file = "{tmp_path}/policy.onnx"\n')
    assert tmp_path / "policy.onnx" == load_configuration(file).policy_file
    os.chown(made, 65534, 65534)
    with pytest.raises(InvalidInput, match=rf"policy_file: {made} must belong to root"):
        load_configuration(file)
