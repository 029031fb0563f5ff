"""Metrics of one process: each with where its number is read, when somebody asks for it and not before."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias, TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from cambist.histogram import Histogram

Labelled: TypeAlias = Callable[[], Iterable[tuple[tuple[str, ...], float]]]
SHOWN = 26  # buckets: up to 33 million, or seconds where microseconds are counted
_Family = TypeVar("_Family", GaugeMetricFamily, CounterMetricFamily)


class Metrics(Collector):
    """`read` functions run on the thread of whoever asks, so they only look at plain numbers."""

    def __init__(self) -> None:
        self._reads: list[Callable[[], Metric]] = []
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def gauge(self, name: str, says: str, read: Callable[[], float]) -> None:
        self._reads.append(lambda: GaugeMetricFamily(name, says, value=read()))

    def counter(self, name: str, says: str, read: Callable[[], float]) -> None:
        self._reads.append(lambda: CounterMetricFamily(name, says, value=read()))

    def gauges(self, name: str, says: str, labels: tuple[str, ...], read: Labelled) -> None:
        self._reads.append(lambda: _filled(GaugeMetricFamily(name, says, labels=labels), read))

    def counters(self, name: str, says: str, labels: tuple[str, ...], read: Labelled) -> None:
        self._reads.append(lambda: _filled(CounterMetricFamily(name, says, labels=labels), read))

    def histogram(self, name: str, says: str, counted: Histogram, *, per_unit: int = 1) -> None:
        """`per_unit`: how many of what was counted make one of the metric's unit."""
        self._reads.append(lambda: _family(name, says, counted, per_unit))

    def collect(self) -> Iterator[Metric]:
        for read in self._reads:
            yield read()

    def text(self) -> bytes:
        """In Prometheus' exposition format."""
        return generate_latest(self._registry)


def _filled(family: _Family, read: Labelled) -> _Family:
    for values, value in read():
        family.add_metric(values, value)
    return family


def _family(name: str, says: str, counted: Histogram, per_unit: int) -> Metric:
    reached, buckets = 0, []
    for exponent, count in enumerate(counted.buckets[:SHOWN]):
        reached += count
        buckets.append((str((1 << exponent) / per_unit), float(reached)))
    buckets.append(("+Inf", float(sum(counted.buckets))))
    return HistogramMetricFamily(name, says, buckets=buckets, sum_value=counted.sum / per_unit)


class _Merged(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def merged(texts: Mapping[str, bytes]) -> bytes:
    """The metrics of several processes as one document; `process` says whose each is, if none does yet."""
    families: dict[str, Metric] = {}
    for process, text in texts.items():
        for family in text_string_to_metric_families(text.decode()):
            target = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                target.add_sample(sample.name, {"process": process} | sample.labels, sample.value)
    registry = CollectorRegistry()
    registry.register(_Merged(families.values()))
    return generate_latest(registry)
