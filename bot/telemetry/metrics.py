"""Every number the service shows at `/metrics`, declared once.

Labels take few values by design: a channel, an outcome, a route's template; never an id, an
address or a path as it was asked for.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Metrics:
    """One process's numbers, in a registry of their own.

    Counters and histograms are moved where things happen; gauges are given a function
    (`.labels(…).set_function`) that is asked when somebody looks.
    """

    def __init__(self) -> None:
        """Declare them all at zero."""
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        self.events = Counter(
            "paybot_events",
            "What came in and what was made of it: callbacks, reports, messages of people",
            ["source", "verdict"],
            registry=registry,
        )
        self.refused = Counter(
            "paybot_refused",
            "Requests that the doors turned away",
            ["source", "status"],
            registry=registry,
        )
        self.connections = Gauge(
            "paybot_connections", "Connections that are open", registry=registry
        )
        self.cut = Counter(
            "paybot_connections_cut",
            "Connections ended by us: slow, head too large, malformed, too many",
            ["reason"],
            registry=registry,
        )
        self.handling_seconds = Histogram(
            "paybot_handling_seconds",
            "From the receipt of a callback, report or message until it is booked",
            ["source"],
            registry=registry,
            buckets=SECONDS,
        )
        self.outcomes = Counter(
            "paybot_outcomes",
            "How calls to providers ended: done, retry_later, refused, uncertain, found, unfound",
            ["lane", "purpose", "outcome"],
            registry=registry,
        )
        self.call_seconds = Histogram(
            "paybot_call_seconds",
            "How long a call to a provider took",
            ["lane"],
            registry=registry,
            buckets=SECONDS,
        )
        self.queue_items = Gauge(
            "paybot_queue_items", "Items that wait in a queue", ["queue"], registry=registry
        )
        self.queue_oldest_seconds = Gauge(
            "paybot_queue_oldest_seconds",
            "Age of the oldest item that is due",
            ["queue"],
            registry=registry,
        )
        self.spool_items = Gauge(
            "paybot_spool_items",
            "Callbacks kept beside the database, which cannot take them",
            registry=registry,
        )
        self.spool_oldest_seconds = Gauge(
            "paybot_spool_oldest_seconds", "Age of the oldest of them", registry=registry
        )
        self.held = Gauge(
            "paybot_held", "What waits for a person, by kind", ["kind"], registry=registry
        )
        self.breaker_open = Gauge(
            "paybot_breaker_open",
            "Whether a provider is left alone: 0 no, 1 yes, 0.5 being tried",
            ["provider"],
            registry=registry,
        )
        self.coordination_up = Gauge(
            "paybot_coordination_up", "Whether Redis answers, 1 or 0", registry=registry
        )
        self.loop_age_seconds = Gauge(
            "paybot_loop_age_seconds",
            "Seconds since a loop last came round",
            ["loop"],
            registry=registry,
        )
        self.requests = Counter(
            "paybot_http_requests",
            "Requests answered, by route template and status",
            ["method", "route", "status"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "paybot_http_request_seconds",
            "How long an answer took",
            ["route"],
            registry=registry,
            buckets=SECONDS,
        )

    def render(self) -> bytes:
        """All of them in Prometheus' text form, to be served as `CONTENT_TYPE`."""
        return generate_latest(self.registry)
