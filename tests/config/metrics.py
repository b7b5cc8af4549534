"""Reading /metrics as Prometheus does."""

from __future__ import annotations

import time

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.servers import LiveServer


class Scrape:
    """One answer of /metrics, parsed."""

    def __init__(self, text: str) -> None:
        self.families = {
            family.name: family for family in text_string_to_metric_families(text)
        }

    def value(self, sample: str, **labels: str) -> float:
        """The sum of a sample over the series that have these labels."""
        return sum(
            found.value
            for family in self.families.values()
            for found in family.samples
            if found.name == sample and labels.items() <= found.labels.items()
        )


def scrape(server: LiveServer) -> Scrape:
    answer = httpx.get(f"{server.url}/metrics", trust_env=False)
    assert answer.status_code == 200, answer.text
    return Scrape(answer.text)


def wait_for(server: LiveServer, wanted: float, sample: str, **labels: str) -> Scrape:
    """Scrape until a sample has this value; gauges are set once a second."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = scrape(server)
        if found.value(sample, **labels) == wanted:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{sample} is {found.value(sample, **labels)}, not {wanted}")
