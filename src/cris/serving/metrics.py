"""Counters of the server, in Prometheus' form."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        """Start all counters at zero, in a registry of their own."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "cris_requests", "Requests answered", ["route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "cris_request_seconds",
            "From a request's headers to the end of its answer",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.queue_seconds = Histogram(
            "cris_queue_seconds", "In line for the model", buckets=_SECONDS, registry=self.registry
        )
        self.batch_seconds = Histogram(
            "cris_batch_seconds", "In the model, a batch", buckets=_SECONDS, registry=self.registry
        )
        self.batch_requests = Histogram(
            "cris_batch_requests", "Requests in a batch", buckets=_SIZES, registry=self.registry
        )
        self.sentences = Counter("cris_sentences", "Sentences answered", registry=self.registry)
        self.cached = Counter(
            "cris_cached_pictures",
            "Requests whose image was encoded already",
            registry=self.registry,
        )
        self.cache_bytes = Gauge(
            "cris_cache_bytes", "Memory of the images' features kept", registry=self.registry
        )
        self.waiting = Gauge("cris_waiting_requests", "In line for the model now", registry=self.registry)
        self.held_bytes = Gauge("cris_held_bytes", "Of request bodies under way now", registry=self.registry)
        self.restarts = Counter(
            "cris_worker_restarts", "Workers started after another one died", registry=self.registry
        )
        self.is_ready = Gauge("cris_ready", "Whether the model is there", registry=self.registry)

    def text(self) -> bytes:
        """Return all of them, as a scraper reads them."""
        return generate_latest(self.registry)
