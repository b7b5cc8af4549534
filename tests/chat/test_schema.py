"""The whole API as its own schema describes it: whatever is sent, nothing breaks."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from tests.chat.rows import ANSWER, ID, QUESTION, make_the_one
from tests.chat.talk import Talk

EXAMPLES = 12
# What a generated request would hardly hit, and without which most end in a 404.
REAL = st.sampled_from(["assistant", "1", "2", ID, QUESTION, ANSWER])
# Slow and remote by nature; tests/agents has them.
PROBES = {"/api/v1/providers/{provider_id}/test"}


def operations(document: dict[str, Any]) -> list[Any]:
    schema = schemathesis.openapi.from_dict(document)
    return [result.ok() for result in schema.get_all_operations()]


def test_the_schema_finds_no_error_of_ours(talk: Talk) -> None:
    make_the_one(talk.tenant, "owner")
    with talk.server.client(talk.tenant, "owner") as client:
        document = client.get("/api/schema?format=json").json()
        found = operations(document)
        assert len(found) >= 10
        for operation in found:
            probe(operation, client)


def probe(operation, client) -> None:
    @given(st.data())
    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )
    def check(data):
        case = data.draw(operation.as_strategy())
        print(case.method, case.path, case.path_parameters, case.query, str(case.body)[:80])
    check()
