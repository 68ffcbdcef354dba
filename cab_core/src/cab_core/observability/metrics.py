"""The metrics of one run on a registry of its own, and how they are rendered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import product
from typing import Any

import attrs
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, exposition
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from cab_core.observability.accept import wants_openmetrics
from cab_core.observability.metric_list import METRICS
from cab_core.observability.metric_types import Known, Metric, MetricType, Of

log = logging.getLogger("cab.metrics")

#: An exemplar holds at most 128 characters, its name included; ids of ours have 16.
TRACE_ID_LENGTH = 64

_ERRORS = "crypto_metric_errors_total"


class Metrics:
    """Takes what is measured. Every method swallows its errors and counts them: trading never notices.

    Args:
        known: the label values of the run. All of them are there with 0 from the start; a call with any other
            counts as an error, so nothing that happens can add a series.
        account: value of a label ``account`` of every series; without one there is no such label.

    Attributes:
        known: as given.
    """

    def __init__(self, known: Known, account: str = "") -> None:
        self.known = known
        self._labels = {"account": account} if account else {}
        self._registry = CollectorRegistry()
        self._made = {metric.name: _make(metric, self._registry) for metric in METRICS.values()}
        self._series: dict[tuple[str, ...], Any] = {}
        self._facts: dict[str, list[tuple[str, ...]]] = {}
        self._followed: list[_Follower] = []
        for metric in METRICS.values():
            if Of.FACTS in metric.labels.values():
                continue
            for values in product(*known.values(metric).values()):
                made = self._made[metric.name]
                self._series[metric.name, *values] = made.labels(*values) if values else made
        ProcessCollector(registry=self._registry)

    @property
    def errors(self) -> int:
        """Calls that failed so far."""
        return int(self._registry.get_sample_value(_ERRORS) or 0)

    def inc(self, name: str, *labels: str, by: float = 1, trace_id: str = "") -> None:
        """Count something; a trace id becomes the exemplar."""
        self._safely(lambda: self._series[name, *labels].inc(by, _exemplar(trace_id)))

    def set(self, name: str, *labels: str, to: float) -> None:
        """Set a gauge."""
        self._safely(lambda: self._series[name, *labels].set(to))

    def choose(self, name: str, *labels: str) -> None:
        """Set 1 for the series whose labels these are, 0 for those that differ in the last label only."""
        self._safely(lambda: self._choose(name, labels))

    def observe(self, name: str, value: float, *, trace_id: str = "") -> None:
        """Take a value into a histogram; a trace id becomes the exemplar."""
        self._safely(lambda: self._series[(name,)].observe(value, _exemplar(trace_id)))

    def facts(self, name: str, rows: Iterable[Mapping[str, str]]) -> None:
        """Replace the rows of an info metric."""
        self._safely(
            lambda: self._replace(name, [tuple(row[key] for key in self._keys(name)) for row in rows])
        )

    def follow(self, name: str, *labels: str, total: Callable[[], float]) -> None:
        """Let a counter follow a total that is kept elsewhere; it is asked at each rendering."""
        self._followed.append(_Follower(partial(self.inc, name, *labels), total))

    def guard(self, read: Callable[[], None]) -> None:
        """Run what reads values for the metrics; an error is counted."""
        self._safely(read)

    def render(self, accept: str = "*/*") -> tuple[bytes, str]:
        """Return all metrics and their content type.

        Args:
            accept: the request's header: OpenMetrics, with exemplars, unless only plain text is asked for.
        """
        for followed in self._followed:
            self._safely(followed)
        source = _Shown(self._registry, self._labels)
        if wants_openmetrics(accept):
            body: bytes = openmetrics.generate_latest(source)  # type: ignore[no-untyped-call]  # theirs has no types
            return body, openmetrics.CONTENT_TYPE_LATEST
        return exposition.generate_latest(source), exposition.CONTENT_TYPE_PLAIN_0_0_4

    def _safely(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a metric, trading must go on
            self._series[(_ERRORS,)].inc()
            log.debug("a metric call failed: %s: %s", type(error).__name__, error)

    def _choose(self, name: str, labels: tuple[str, ...]) -> None:
        chosen = self._series[name, *labels]
        for key, series in self._series.items():
            if key[:-1] == (name, *labels[:-1]):
                series.set(series is chosen)

    def _keys(self, name: str) -> Iterable[str]:
        return METRICS[name].labels

    def _replace(self, name: str, rows: list[tuple[str, ...]]) -> None:
        made = self._made[name]
        for row in self._facts.get(name, ()):
            made.remove(*row)
        self._facts[name] = rows
        for row in rows:
            made.labels(*row).set(1)


@attrs.define
class _Follower:
    """Brings a counter up to a total; one that falls has begun anew."""

    inc: Callable[..., None]
    total: Callable[[], float]
    last: float = 0.0

    def __call__(self) -> None:
        now = self.total()
        if now > self.last:
            self.inc(by=now - self.last)
        self.last = now


@attrs.frozen
class _Shown(Collector):
    """Leaves out the ``_created`` series, which would double the number of counters, and adds labels."""

    registry: CollectorRegistry
    labels: Mapping[str, str]

    def collect(self) -> Iterator[Family]:
        for family in self.registry.collect():
            family.samples = [
                sample._replace(labels={**self.labels, **sample.labels})
                for sample in family.samples
                if not sample.name.endswith("_created")
            ]
            yield family


def _make(metric: Metric, registry: CollectorRegistry) -> Any:
    names = tuple(metric.labels)
    match metric.type:
        case MetricType.COUNTER:
            return Counter(metric.name, metric.help, names, registry=registry)
        case MetricType.HISTOGRAM:
            return Histogram(metric.name, metric.help, names, buckets=metric.buckets, registry=registry)
        case _:
            return Gauge(metric.name, metric.help, names, registry=registry)


def _exemplar(trace_id: str) -> dict[str, str] | None:
    return {"trace_id": trace_id[:TRACE_ID_LENGTH]} if trace_id and trace_id != "-" else None
