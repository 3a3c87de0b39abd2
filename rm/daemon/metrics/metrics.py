"""The daemon's status as Prometheus metrics, in the text format or in OpenMetrics."""

from collections.abc import Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from rm.daemon.metrics import metrics_table
from rm.daemon.metrics.metrics_table import METRICS
from rm.daemon.status import Status


class StatusCollector(Collector):
    """The metrics of one status."""

    def __init__(self, status: Status) -> None:
        """`status` is what is shown."""
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """All families of `METRICS`; those without a sample too, so that they are documented."""
        for metric in METRICS:
            yield _family(metric, self._status)


def exposition(status: Status, accept: str = "") -> tuple[bytes, str]:
    """The page and its content type. `accept`: the request's header of that name."""
    try:
        encode, content_type = choose_encoder(accept)
    except (ValueError, TypeError):  # a version that is none
        encode, content_type = choose_encoder("")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StatusCollector(status))
    return encode(registry), content_type


def _family(metric: metrics_table.Metric, status: Status) -> Metric:
    if metric.kind == "summary":
        return _summary(metric, status)
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in metric.samples(status):
        family.add_metric(labels, value)
    return family


def _summary(metric: metrics_table.Metric, status: Status) -> Metric:
    family = SummaryMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in metric.samples(status):
        family.add_metric(labels, status.loop.rounds, value)
    return family
