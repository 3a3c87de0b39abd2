"""Tests of ``ilgov oracle solve`` as a user runs it: the decision, its proof, what is refused."""

import json
import re
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

import msgspec
import pytest

from oracle.joint import JointSearch, Solution
from oracle.solve_command import find_name
from oracle.whatif import Wanted, WhatIf
from platforms.application_file import shipped_applications
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from tests.conftest import Ended

Ilgov = Callable[..., Ended]

BOARD = load_board("hikey970")
STRONGEST = BOARD.clusters[1]
TWO = ("--app", "parsec.dedup=0.3@2", "--app", "splash2x.barnes=1.2e9@4")
FOUR = ("--app", "dedup=0.3", "--app", "barnes=0.4", "--app", "bzip2e=0.4", "--app", "dedup=0.2")
CROWDED = tuple(
    word
    for name in ("dedup", "barnes", "dedup", "barnes", "dedup", "raytrace")
    for word in ("--app", f"{name}=0.99")
)
TOO_MUCH = ("--app", "dedup=4e9", "--app", "barnes=0.2")


def wanted(number: int, name: str, target: float, cores: tuple[int, ...] = ()) -> Wanted:
    """As the command reads it: a share up to 1 of the best rate, or instructions/s; no phases."""
    profile = msgspec.structs.replace(shipped_applications()[name], phases=())
    best_ips = profile.ips(STRONGEST, STRONGEST.freqs_hz[-1])
    target_ips = target if target > 1.0 else target * best_ips
    return Wanted(number, profile, 0, target_ips, 1, cores)


def search_on(cooling: str, **options: object) -> JointSearch:
    """The search on the reference board."""
    return JointSearch(WhatIf(BOARD, BOARD.cooling_named(cooling)), **options)  # type: ignore[arg-type]


def same_solution(figures: dict[str, object], solution: Solution) -> None:
    """Every figure of the search's own answer stands in the JSON."""
    names = ["value", "peak_c", "shortfall", "optimal", "lower_bound", "gap", "shortfall_bound"]
    for name in [*names, "nodes"]:
        assert getattr(solution, name) == figures[name], name


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ((), {}),
        (("--objective", "power"), {"objective": "power"}),
        (("--objective", "mean", "--no-sharing"), {"objective": "mean", "sharing": False}),
        (("--move-k", "0.5"), {"move_k": 0.5}),
        (("--objective", "sensor", "--budget", "2"), {"objective": "sensor", "budget": 2}),
    ],
)
@pytest.mark.parametrize("cooling", ["fan", "passive"])
def test_the_json_is_the_joint_searchs_own_answer(
    ilgov: Ilgov, cooling: str, words: tuple[str, ...], options: dict[str, object]
) -> None:
    """For every option, the decision, its rates and its proof."""
    code, stdout, stderr = ilgov("oracle", "solve", *TWO, "--cooling", cooling, "--json", *words)
    assert (0, "") == (code, stderr)
    figures = json.loads(stdout)
    search = search_on(cooling, **options)
    apps = [
        wanted(0, "parsec.dedup", 0.3, (2,)),
        wanted(1, "splash2x.barnes", 1.2e9, (4,)),
    ]
    solution = search.solve(apps)
    same_solution(figures, solution)
    rows = figures["applications"]
    assert list(solution.placement) == [(row["core"],) for row in rows]
    assert list(solution.opp_index) == [row["opp_index"] for row in figures["clusters"]]
    rates = search.models.rates_ips(apps, solution.placement, solution.opp_index)
    assert rates == [row["rate_ips"] for row in rows]
    assert [app.target_ips for app in apps] == [row["target_ips"] for row in rows]
    used = sorted(core for row in figures["clusters"] for core in row["cores_used"])
    assert sorted({core for (core,) in solution.placement}) == used
    freqs_hz = tuple(row["freq_hz"] for row in figures["clusters"])
    assert BOARD.freqs_hz_at(solution.opp_index) == freqs_hz


def test_a_decision_that_meets_all_targets_is_told_with_its_proof(ilgov: Ilgov) -> None:
    """Per application, per cluster, then the objective and the bound."""
    code, stdout, stderr = ilgov("oracle", "solve", *TWO)
    assert (0, "") == (code, stderr)
    solution = search_on("fan").solve(
        [wanted(0, "parsec.dedup", 0.3), wanted(1, "splash2x.barnes", 1.2e9)]
    )
    (dedup,), (barnes,) = solution.placement
    assert "hikey970 (fan)\n" in stdout
    assert re.search(rf"parsec\.dedup +{dedup} \(little\) .* \d+\.\d %\n", stdout)
    assert re.search(rf"splash2x\.barnes +{barnes} \(big\) .* 1\.2e\+09 .* %\n", stdout)
    little, big = (freq / 1e6 for freq in BOARD.freqs_hz_at(solution.opp_index))
    assert re.search(rf"little +{little:.0f} MHz +{dedup}\n", stdout)
    assert re.search(rf"big +{big:.0f} MHz +{barnes}\n", stdout)
    assert "\nall targets are met\n" in stdout
    assert f"\nobjective peak: {solution.value:.3f} degC\n" in stdout
    assert f"\nhottest core: {solution.peak_c:.3f} degC\n" in stdout
    proof = stdout.splitlines()[-1]
    assert proof.startswith(
        "optimal: proven within 0.001 K, lower bound "
        f"{solution.lower_bound:.3f} degC, {solution.nodes} nodes, "
    )
    assert re.search(r", \d+\.\d ms$", proof)


def test_a_target_that_cannot_be_met_is_told_with_core_and_share(ilgov: Ilgov) -> None:
    """And that no decision misses less."""
    code, stdout, stderr = ilgov("oracle", "solve", *TOO_MUCH)
    assert (0, "") == (code, stderr)
    solution = search_on("fan").solve(
        [wanted(0, "parsec.dedup", 4e9), wanted(1, "splash2x.barnes", 0.2)]
    )
    (miss,) = solution.misses
    assert solution.optimal
    assert (
        "\ninfeasible: no decision meets all targets; this one misses least, "
        f"{100 * solution.shortfall:.4g} %:\n"
        f"  parsec.dedup misses its target on core {miss.core} (big) by {100 * miss.share:.4g} %\n"
    ) in stdout
    assert "all targets are met" not in stdout
    assert "\noptimal: proven within 0.001 K" in stdout
    rows = json.loads(ilgov("oracle", "solve", *TOO_MUCH, "--json").stdout)["applications"]
    assert [miss.share, 0.0] == [row["missed_share"] for row in rows]


def test_a_search_that_is_cut_short_tells_its_gap_and_never_says_optimal(ilgov: Ilgov) -> None:
    """It says what a walk from better to better found, which meets all targets."""
    code, stdout, stderr = ilgov("oracle", "solve", *FOUR, "--budget", 1)
    assert (0, "") == (code, stderr)
    figures = json.loads(ilgov("oracle", "solve", *FOUR, "--budget", 1, "--json").stdout)
    assert (False, 0.0) == (figures["optimal"], figures["shortfall_bound"])
    assert figures["shortfall"] == 0.0 < figures["gap"]
    assert "optimal" not in stdout
    assert "\nall targets are met\n" in stdout
    assert (
        f"\nnot proven: best found {figures['value']:.3f} degC, gap {figures['gap']:.3f} K still "
        f"open, lower bound {figures['lower_bound']:.3f} degC, {figures['nodes']} nodes, "
    ) in stdout
    assert figures["nodes"] < 10


def test_it_says_how_far_it_is_proven_that_targets_cannot_be_met(
    ilgov: Ilgov, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That no decision misses less, that all miss something, or nothing of the kind."""
    stdout = ilgov("oracle", "solve", *CROWDED).stdout
    assert "\ninfeasible: no decision meets all targets; this one misses least, 79 %:\n" in stdout
    assert "\noptimal: proven" in stdout
    stdout = ilgov("oracle", "solve", *CROWDED, "--budget", 1).stdout
    assert "\ninfeasible: no decision meets all targets; the best found misses 79 %, any " in stdout
    assert "\nnot proven: best found" in stdout
    solve = JointSearch.solve

    def knows_nothing(self: JointSearch, apps: Sequence[Wanted]) -> Solution:
        return msgspec.structs.replace(solve(self, apps), optimal=False, shortfall_bound=0.0)

    monkeypatch.setattr(JointSearch, "solve", knows_nothing)
    stdout = ilgov("oracle", "solve", *CROWDED).stdout
    assert (
        "\ntargets are missed by 79 % in the best decision found; that none meets all is not "
        "proven:\n"
    ) in stdout


def test_power_is_told_in_watts_and_moves_are_counted(ilgov: Ilgov) -> None:
    """A move that costs more than it can save is not made; one that costs little is."""
    words = ("oracle", "solve", "--app", "dedup=0.1@7", "--objective", "power", "--move-k")
    assert re.search(r"power: \d\.\d{3} W, 0 moved at 9 W each included\n", ilgov(*words, 9)[1])
    stdout = ilgov(*words, 1e-5).stdout
    assert re.search(r"power: \d\.\d{3} W, 1 moved at 1e-05 W each included\n", stdout)
    assert "proven within 0.001 W, lower bound 0." in stdout


def test_a_board_that_runs_away_has_null_in_the_json(ilgov: Ilgov, tmp_path: Path) -> None:
    """Infinity is no JSON; in words it is said what it means."""
    text = (resources.files("platforms") / "boards" / "hikey970.toml").read_text("utf-8")
    fan = 'name = "fan"\nconductance_w_per_k = 0.'
    assert 1 == text.count(fan)
    board = tmp_path / "hot.toml"
    board.write_text(text.replace(fan, f"{fan}00"))
    words = ("oracle", "solve", "--board", board, "--app", "barnes=0.8")
    code, stdout, stderr = ilgov(*words, "--json")
    assert (0, "") == (code, stderr)
    figures = json.loads(stdout)
    assert figures["value"] is None is figures["peak_c"]
    assert "\nhottest core: no steady state (thermal runaway)\n" in ilgov(*words).stdout


def test_the_help_is_a_manual_and_the_overview_lists_the_command(ilgov: Ilgov) -> None:
    """With examples that run and the exit codes."""
    assert re.search(r"\n +solve +Search the best decision", ilgov("oracle", "--help").stdout)
    code, stdout, _ = ilgov("oracle", "solve", "--help")
    assert 0 == code
    assert "exit codes:" in stdout
    examples = re.findall(r"(?m)^ +ilgov (oracle solve .*)$", stdout)
    assert 3 == len(examples)
    for example in examples:
        assert 0 == ilgov(*example.split()).code


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--app", "dedup"], "--app must be NAME=TARGET or NAME=TARGET@CORE, as in parsec.dedup="),
        (["--app", "=1"], "--app must be NAME=TARGET or NAME=TARGET@CORE"),
        (["--app", "dedup=@1"], "--app must be NAME=TARGET or NAME=TARGET@CORE"),
        (["--app", "doom=0.3"], "--app must name one of automotive_bitcount, "),
        (["--app", "dedup=fast"], "--app needs a target: a share of the best rate (1e-06 ... 1) "),
        (["--app", "dedup=0"], "--app needs a target: "),
        (["--app", "dedup=-1"], "--app needs a target: "),
        (["--app", "dedup=nan"], "--app needs a target: "),
        (["--app", "dedup=inf"], "--app needs a target: "),
        (["--app", "dedup=1@8"], "--app needs a core of hikey970 after the @, 0 ... 7 (got '8' in"),
        (["--app", "dedup=1@"], "--app needs a core of hikey970 after the @, 0 ... 7 (got '' in"),
        (["--app", "dedup=1@-1"], "--app needs a core of hikey970 after the @, 0 ... 7 (got '-1'"),
        (["--app", "dedup=1", "--move-k", "1"], "--app must say with @CORE where every applicatio"),
        (
            [*(9 * ["--app", "dedup=0.1"]), "--no-sharing"],
            "--app must be given at most 8 times with --no-sharing, once for each core of hikey970",
        ),
        (["--app", "dedup=1", "--budget", "0"], "--budget must lie in 1 ... 1000000000000 (got 0)"),
        (["--app", "dedup=1", "--move-k", "nan"], "--move-k must lie in 0.0 ... 1000.0 (got nan)"),
        (["--app", "dedup=1", "--cooling", "water"], "--cooling must be one of fan, passive"),
        (
            ["--app", "dedup=1", "--board", "pc"],
            "board must be one of hikey960, hikey970, jetson-nano, ",
        ),
        (["--app", "dedup=1", "--applications", "doom"], "application must be a suite (cbench, "),
        (["--app", "dedup=1", "--applications", "cbench"], "--app must name one of automotive_bit"),
    ],
)
def test_mistakes_are_told_in_one_line(ilgov: Ilgov, words: list[str], message: str) -> None:
    """With what must be, and what came."""
    code, stdout, stderr = ilgov("oracle", "solve", *words)
    assert (2, "") == (code, stdout)
    assert stderr.startswith(f"ilgov: error: {message}")
    assert "(got " in stderr
    assert 1 == stderr.count("\n")


def test_the_last_part_of_a_name_counts_only_where_it_is_unique() -> None:
    """A whole name counts always."""
    assert "b" == find_name("b", ["a.b", "b", "c.b"])
    with pytest.raises(InvalidInput, match=r"which may be a\.b or c\.b\); give the whole name"):
        find_name("b", ["c.b", "a.b"])
