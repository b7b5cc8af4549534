"""The whole API as its own schema describes it: whatever is sent, nothing breaks."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from agents.models import Provider
from tenants.db import entered
from tests.chat.rows import ID, make_the_one
from tests.chat.talk import Talk
from tests.factories import STAND_IN

EXAMPLES = 8
_SOME = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.long
def test_the_schema_finds_no_error_of_ours(talk: Talk) -> None:
    make_the_one(talk.tenant, "owner")
    with entered(talk.tenant.scope):
        provider = Provider.objects.get(name=STAND_IN)
    # Ids that exist: without them nearly all generated requests end in a 404.
    real = {"conversation_id": ID, "reference": "assistant", "id": provider.pk}
    with talk.server.client(talk.tenant, "owner") as owner:
        document = owner.get("/api/schema?format=json").json()
        found = operations(document)
        assert len(found) >= 20
        statuses: Counter[int] = Counter()
        with requests.Session() as session:
            session.trust_env = False
            for operation in found:
                check(operation, real, owner, session, statuses)
        assert statuses[200] and statuses[201] and statuses[400] and statuses[404]
        assert owner.get("/api/v1/chat").status_code == 200, "the key was lost"
    assert '"level": "error"' not in talk.server.output()


def operations(document: dict[str, Any]) -> list[Any]:
    """What removes things comes last. Provider tests, which call out by their nature,
    are left to tests/agents."""
    schema = schemathesis.openapi.from_dict(document)
    found: list[Any] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]  # an Err has no ok(), and fails here
    kept = [operation for operation in found if not operation.path.endswith("/test")]
    return sorted(kept, key=lambda operation: operation.method.upper() == "DELETE")


def check(
    operation: Any,
    real: dict[str, Any],
    owner: Any,
    session: requests.Session,
    statuses: Counter[int],
) -> None:
    """Some valid and some invalid requests to one operation."""
    headers = {name: owner.headers[name] for name in ("host", "authorization")}

    @given(st.data())
    @_SOME
    def try_one(data: st.DataObject) -> None:
        mode = data.draw(st.sampled_from(list(GenerationMode)))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        if data.draw(st.booleans()) and "/keys/" not in operation.path:
            known = case.path_parameters.keys() & real.keys()
            case.path_parameters |= {name: real[name] for name in known}
        answer = case.call(
            base_url=str(owner.base_url), headers=headers, session=session
        )
        statuses[answer.status_code] += 1
        # 502: that a provider does not answer is told, and no error of ours.
        assert answer.status_code < 500 or answer.status_code == 502, (
            f"{answer.status_code}: {case.as_curl_command()}"
        )

    try_one()
