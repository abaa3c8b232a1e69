"""How requests are counted, and what that looks like to Prometheus."""

import threading

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from klanten.monitoring.meters import SECONDS, Requests


class Counted:
    """A meter, and what it exposes."""

    def __init__(self) -> None:
        self.requests = Requests()
        self.registry = CollectorRegistry()
        self.registry.register(self.requests)

    def __call__(self, name: str, **labels: str) -> float | None:
        for family in text_string_to_metric_families(generate_latest(self.registry).decode()):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return sample.value
        return None

    def buckets(self, operation: str) -> list[float | None]:
        bounds = [*map(str, SECONDS), "+Inf"]
        return [
            self("klanten_request_seconds_bucket", operation=operation, le=bound)
            for bound in bounds
        ]


@pytest.fixture
def counted() -> Counted:
    return Counted()


def test_nothing_is_shown_before_the_first_request(counted):
    assert counted("klanten_requests_total", operation="klant_read", status="200") is None


def test_a_series_can_begin_at_zero(counted):
    counted.requests.begin("klant_read", 500)
    assert counted("klanten_requests_total", operation="klant_read", status="500") == 0
    assert counted.buckets("klant_read") == [0] * (len(SECONDS) + 1)


def test_to_begin_again_keeps_what_was_counted(counted):
    counted.requests.add("klant_read", 500, 0.1)
    counted.requests.begin("klant_read", 500)
    assert counted("klanten_requests_total", operation="klant_read", status="500") == 1


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [
        (0.0, 0),
        (0.001, 0),
        (0.0010001, 1),
        (0.0025, 1),
        (0.3, SECONDS.index(0.5)),
        (10.0, len(SECONDS) - 1),
        (10.1, len(SECONDS)),
        (1e6, len(SECONDS)),
    ],
)
def test_a_duration_counts_in_every_bucket_that_it_fits_in(counted, seconds, bucket):
    counted.requests.add("klant_read", 200, seconds)
    higher = len(SECONDS) + 1 - bucket
    assert counted.buckets("klant_read") == [0] * bucket + [1] * higher
    assert counted("klanten_request_seconds_sum", operation="klant_read") == seconds
    assert counted("klanten_request_seconds_count", operation="klant_read") == 1


def test_durations_of_all_statuses_of_an_operation_are_one_histogram(counted):
    for status, seconds in [(200, 0.5), (200, 0.25), (404, 2.0)]:
        counted.requests.add("klant_read", status, seconds)
    counted.requests.add("klant_list", 200, 8.0)
    assert counted("klanten_requests_total", operation="klant_read", status="200") == 2
    assert counted("klanten_requests_total", operation="klant_read", status="404") == 1
    assert counted("klanten_request_seconds_count", operation="klant_read") == 3
    assert counted("klanten_request_seconds_sum", operation="klant_read") == 2.75
    assert counted("klanten_request_seconds_sum", operation="klant_list") == 8


def test_no_request_of_any_thread_is_lost(counted):
    def many() -> None:
        for _ in range(5000):
            counted.requests.add("klant_read", 200, 1.0)

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted("klanten_requests_total", operation="klant_read", status="200") == 20_000
    assert counted("klanten_request_seconds_sum", operation="klant_read") == 20_000
