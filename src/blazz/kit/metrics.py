"""Prometheus metrics of this process. A room adds its own by importing `REGISTRY`, or a figure read at scrape time."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry()

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

REQUESTS = Counter(
    "blazz_http_requests", "HTTP requests by route template.", ("method", "route", "status"), registry=REGISTRY
)
REQUEST_SECONDS = Histogram(
    "blazz_http_request_seconds",
    "Time until an HTTP request was answered.",
    ("method", "route"),
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)


def counter(name: str, description: str, labels: tuple[str, ...] = ()) -> Counter:
    """Return a new counter `blazz_<name>_total`."""
    return Counter(f"blazz_{name}", description, labels, registry=REGISTRY)


def gauge(name: str, description: str, read: Callable[[], float] | None = None) -> Gauge:
    """Return a new gauge `blazz_<name>`; with `read` its value is asked for at each scrape."""
    made = Gauge(f"blazz_{name}", description, registry=REGISTRY)
    if read is not None:
        made.set_function(read)
    return made


def exposition() -> bytes:
    """Return all metrics in the text format of Prometheus."""
    return generate_latest(REGISTRY)
