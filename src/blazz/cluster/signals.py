"""The cluster's autoscaling signals as Prometheus gauges, shown only by the process that has the advice."""

from __future__ import annotations

import functools
import math

from prometheus_client import Gauge

from blazz.cluster.advice import Advice
from blazz.kit import metrics


def publish(advice: Advice | None) -> None:
    """Show the signals of this advice; None when this process no longer watches (the gauges then say NaN)."""
    if advice is None and _gauges.cache_info().currsize == 0:
        return
    gauges = _gauges()
    if advice is None:
        for gauge in gauges.values():
            gauge.set(math.nan)
        return
    seen = advice.signals
    values = {
        "cluster_instances_usable": seen.instances,
        "cluster_instances_advised": advice.target,
        "cluster_sessions": seen.sessions,
        "cluster_places": seen.places,
        "cluster_sessions_used": seen.sessions_used,
        "cluster_spare_with_one_down": seen.spare_with_one_down,
        "cluster_cpu_used": math.nan if seen.cpu is None else seen.cpu,
        "cluster_memory_used": math.nan if seen.memory is None else seen.memory,
        "cluster_alerts": len(advice.alerts),
    }
    for name, value in values.items():
        gauges[name].set(value)


@functools.cache
def _gauges() -> dict[str, Gauge]:
    # Made at the first advice: a process that gives none must not report zeros.
    described = {
        "cluster_instances_usable": "Instances that take sessions.",
        "cluster_instances_advised": "Instances that the autoscaling advice asks for.",
        "cluster_sessions": "Sessions that have to be carried.",
        "cluster_places": "Sessions that the usable instances may carry.",
        "cluster_sessions_used": "Sessions by places, 0 to 1.",
        "cluster_spare_with_one_down": "Places left when the largest instance is down; negative: N-1 does not hold.",
        "cluster_cpu_used": "Average CPU share of the instances, 0 to 1.",
        "cluster_memory_used": "Average memory share of the instances, 0 to 1.",
        "cluster_alerts": "Shares above 70 % or 85 % now.",
    }
    return {name: metrics.gauge(name, text) for name, text in described.items()}
