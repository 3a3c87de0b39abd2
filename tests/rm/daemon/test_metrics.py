"""Tests of the metrics: what they say, that Prometheus takes them, and how they are served."""

import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from platforms.errors import InvalidInput
from rm.daemon.metrics import metrics_server
from rm.daemon.metrics.metrics import exposition
from rm.daemon.metrics.metrics_server import MetricsServer, parse_listen
from rm.daemon.metrics.metrics_table import METRICS
from rm.daemon.status import Status
from tests.rm.daemon.statuses import APPLICATION, STATUS, TRAINING, crowded, empty

DOCS = Path(__file__).parents[3] / "docs" / "daemon.md"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def values(status: Status) -> dict[str, float]:
    """Every sample by its name and labels, as Prometheus reads them."""
    page, _ = exposition(status)
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in read_text(page.decode())
        for sample in family.samples
    }


def test_readings_come_in_base_units() -> None:
    """Hertz, degrees Celsius, seconds, ratios."""
    seen = values(STATUS)
    assert 1.402e9 == seen["ilgov_cluster_frequency_hertz[('cluster', 'little')]"]
    assert 1.364e9 == seen["ilgov_cluster_allowed_frequency_hertz[('cluster', 'big')]"]
    assert 61.2 == seen["ilgov_temperature_celsius[('sensor', 'soc')]"]
    assert 7.5 == seen["ilgov_temperature_age_seconds[('sensor', 'board')]"]
    assert 0.75 == seen["ilgov_core_utilization_ratio[('cluster', 'little'), ('core', '3')]"]
    assert 340 == seen["ilgov_frequency_changes_total[]"]
    assert 230_000 == seen["ilgov_round_duration_seconds_count[]"]
    assert pytest.approx(276.0) == seen["ilgov_round_duration_seconds_sum[]"]


def test_exactly_one_state_is_on() -> None:
    """So that a sum over boards counts them."""
    seen = values(replace(STATUS, state="hands-off", reason="sensor soc is stuck"))
    states = {key: value for key, value in seen.items() if key.startswith("ilgov_state[")}
    assert {"ilgov_state[('state', 'hands-off')]"} == {
        key for key, value in states.items() if value
    }
    assert 4 == len(states)


def test_what_is_not_known_is_absent_not_zero() -> None:
    """A sensor never read, a cluster not steered, an application that nothing measures."""
    seen = values(STATUS)
    assert "ilgov_temperature_celsius[('sensor', 'gpu')]" not in seen
    assert 0 == seen["ilgov_temperature_trusted[('sensor', 'gpu')]"]
    assert "ilgov_cluster_asked_frequency_hertz[('cluster', 'big')]" not in seen
    silent = "[('application', 'silent'), ('id', '3')]"
    assert f"ilgov_application_target_met{silent}" not in seen
    assert 1.2e9 == seen[f"ilgov_application_target_instructions_per_second{silent}"]


def test_rates_of_different_units_are_different_metrics() -> None:
    """Their sum would mean nothing."""
    seen = values(STATUS)
    assert (
        30.4
        == seen["ilgov_application_heartbeats_per_second[('application', 'video'), ('id', '1')]"]
    )
    assert (
        8.5e8
        == seen["ilgov_application_instructions_per_second[('application', 'index'), ('id', '2')]"]
    )


@pytest.mark.parametrize("name", ['quote"', "back\\slash", "line\nbreak", "grüezi", "{x}"])
def test_a_name_that_a_client_chose_breaks_nothing(name: str) -> None:
    """It is text, whatever it holds."""
    page, _ = exposition(replace(STATUS, applications=(replace(APPLICATION, name=name),)))
    families = {family.name: family for family in read_text(page.decode())}
    sample = families["ilgov_application_target_met"].samples[0]
    assert {"application": name, "id": "1"} == sample.labels


def test_openmetrics_is_given_to_who_asks_for_it() -> None:
    """As newer Prometheus servers do."""
    page, content_type = exposition(STATUS, f"{OPENMETRICS},text/plain;q=0.5")
    assert content_type.startswith("application/openmetrics-text")
    names = {family.name for family in read_openmetrics(page.decode())}
    assert {"ilgov_migrations", "ilgov_temperature_celsius"} <= names
    assert page.endswith(b"# EOF\n")


def test_a_version_that_is_none_gets_the_plain_format() -> None:
    """A header must not make an error."""
    _, content_type = exposition(STATUS, "application/openmetrics-text; version=new")
    assert content_type.startswith("text/plain")


@pytest.mark.parametrize(
    "status", [STATUS, empty(), crowded(256), TRAINING], ids=["full", "empty", "256", "training"]
)
def test_promtool_finds_nothing_to_say(status: Status) -> None:
    """Prometheus' own check of names, units and help texts."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    ended = subprocess.run(
        [promtool, "check", "metrics"],
        input=exposition(status)[0],
        capture_output=True,
        check=False,
    )
    assert (0, b"", b"") == (ended.returncode, ended.stdout, ended.stderr)


def test_names_are_unique() -> None:
    """Two families of one name would be refused by the server."""
    names = [metric.name for metric in METRICS]
    assert sorted(set(names)) == sorted(names)


def test_the_documentation_lists_them_all() -> None:
    """And none that does not exist."""
    listed = re.findall(r"^\| `(ilgov_\w+)`", DOCS.read_text(), re.MULTILINE)
    assert [metric.name for metric in METRICS] == listed


@contextmanager
def serving(listen: str, *, patience_s: float = 5.0) -> Iterator[MetricsServer]:
    """A server whose loop answers every 5 ms."""
    server = MetricsServer(listen, patience_s=patience_s)
    ended = threading.Event()

    def loop() -> None:
        while not ended.wait(0.005):
            if server.wanted:
                server.publish(STATUS)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield server
    finally:
        ended.set()
        thread.join()
        server.close()


def curl(*words: str) -> subprocess.CompletedProcess[str]:
    """What a user would type."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    command = ["curl", "--silent", "--show-error", "--max-time", "20", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_curl_reads_them_over_a_unix_socket(tmp_path: Path) -> None:
    """The documented line; every local user may."""
    path = tmp_path / "metrics"
    with serving(f"unix:{path}"):
        ended = curl("--unix-socket", str(path), "http://ilgov/metrics")
        assert 0o666 == path.stat().st_mode & 0o777
    assert exposition(STATUS)[0].decode() == ended.stdout
    assert not path.exists()


def test_they_are_served_on_a_port_of_this_machine_too() -> None:
    """Where Prometheus itself can come for them."""
    with serving("localhost:0") as server:
        url = f"http://127.0.0.1:{server.port}/metrics"
        assert "ilgov_temperature_celsius" in curl(url).stdout
        assert curl("-H", f"Accept: {OPENMETRICS}", url).stdout.endswith("# EOF\n")
        head = curl("--head", url).stdout
    assert re.search(r"^HTTP/1.0 200 OK\r?\n", head)
    assert "Content-Length" in head


def answer(path: Path, request: bytes) -> bytes:
    """What comes back for these bytes."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET / HTTP/1.1", b" 404 "),
        (b"POST /metrics HTTP/1.1", b" 501 "),
        (b"\x00\xff", b" 400 "),
        (b"GET /metrics HTTP/9.9", b" 505 "),
        (b"GET /" + b"x" * 9000, b" 404 "),
        (b"GET /" + b"x" * 50_000, b" 404 "),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, request_line: bytes, status: bytes) -> None:
    """And the next one is answered as if nothing had been."""
    with serving(f"unix:{tmp_path / 'm'}"):
        reply = answer(tmp_path / "m", request_line + b"\r\nHost: ilgov\r\n\r\n")
        assert status in reply or status.strip() in reply
        assert b" 200 OK" in answer(tmp_path / "m", b"GET /metrics HTTP/1.0\r\n\r\n")


def test_a_loop_that_hangs_shows_as_an_error(tmp_path: Path) -> None:
    """Not as the last values for ever."""
    with closing(MetricsServer(f"unix:{tmp_path / 'm'}", patience_s=0.1)) as server:
        assert b" 503 " in answer(tmp_path / "m", b"GET /metrics HTTP/1.0\r\n\r\n")
        assert not server.wanted


def test_who_sends_slowly_or_reads_nothing_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One at a time is served, so nobody may take for ever."""
    monkeypatch.setattr(metrics_server, "REQUEST_S", 0.2)
    path = tmp_path / "m"
    with serving(f"unix:{path}"), socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(path))
        slow.sendall(b"GET /metr")
        started_s = time.monotonic()
        assert b" 200 OK" in answer(path, b"GET /metrics HTTP/1.0\r\n\r\n")
        assert time.monotonic() - started_s < 10.0


def test_the_loop_is_asked_only_when_somebody_reads(tmp_path: Path) -> None:
    """A status costs time."""
    with closing(MetricsServer(f"unix:{tmp_path / 'm'}")) as server:
        assert not server.wanted


def test_what_a_killed_daemon_left_is_replaced_but_nothing_else(tmp_path: Path) -> None:
    """A socket that nobody listens on is left over; one in use, or a file, is not ours."""
    path = tmp_path / "m"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    with serving(f"unix:{path}"), pytest.raises(InvalidInput, match="must be a place that is free"):
        MetricsServer(f"unix:{path}")
    path.write_text("mine")
    with pytest.raises(InvalidInput, match="must not be another file's path"):
        MetricsServer(f"unix:{path}")
    assert "mine" == path.read_text()


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:9177", ":9177", "localhost:70000", "unix:relative", "localhost", "[::]:80"]
)
def test_other_machines_cannot_be_given_access(listen: str) -> None:
    """There is no authentication."""
    with pytest.raises(InvalidInput, match=r"metrics\.listen must be unix:/path or localhost:port"):
        parse_listen(listen)


def test_training_jobs_are_measured() -> None:
    """Samples, states, knobs, and what is expected of the round."""
    seen = values(TRAINING)
    tiny, late = "[('id', '3'), ('job', 'tiny-4')]", "[('id', '4'), ('job', 'late')]"
    assert 39.5 == seen[f"ilgov_training_samples_per_second{tiny}"]
    assert 4160 == seen[f"ilgov_training_samples_total{tiny}"]
    assert (3, 0.25) == (
        seen[f"ilgov_training_cores{tiny}"],
        seen[f"ilgov_training_round_progress_ratio{tiny}"],
    )
    assert (1, 0) == tuple(seen[f"ilgov_training_round_in_time{x}"] for x in (tiny, late))
    assert (0, 1) == tuple(seen[f"ilgov_training_held{x}"] for x in (tiny, late))
    assert 32 == seen["ilgov_training_knob[('id', '3'), ('job', 'tiny-4'), ('knob', 'batch')]"]
    on = [key for key, value in seen.items() if "ilgov_training_state" in key and value]
    assert 3 == len(on)
    assert f"ilgov_training_round_finish_seconds{late}" not in seen
    assert 1 == seen["ilgov_training_accepted[]"]
    assert 0 == values(replace(STATUS, training_refused="no"))["ilgov_training_accepted[]"]
