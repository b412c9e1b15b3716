"""What /openapi.json says is what the API does: schemathesis, in this process, over invented requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.ingest.http.test_app import HEADERS, PORT, World

pytestmark = pytest.mark.long

CHANNEL = {"Authorization": "Bearer key-of-the-channels"}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.slow
def test_no_request_meets_an_unexplained_answer(tmp_path: Path) -> None:
    world = World(tmp_path, complaint_key="key-of-the-channels")
    schema: Any = schemathesis.openapi.from_asgi("/openapi.json", world.app)
    seen: dict[int, int] = {}
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=60,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        def run(case: Any) -> None:
            for item in case.body if isinstance(case.body, list) else [case.body]:
                if isinstance(item, dict) and isinstance(item.get("port"), str) and len(item["port"]) % 2:
                    item["port"] = PORT  # a port out of the air is nobody's, and would be refused at once
                    if "recipients" in item:
                        item["recipients"] = [f"138{abs(hash(r)) % 10**8:08}" for r in item["recipients"]]
                    else:
                        item |= {"recipient": "13800000001", "complained_at": 1_690_000_000_000}
            response = case.call(headers=CHANNEL if case.operation.path == "/v1/complaints" else HEADERS)
            seen[response.status_code] = seen.get(response.status_code, 0) + 1
            case.validate_response(response, checks=CHECKS)

        given(case=operation.as_strategy())(run)()
    print(f"schemathesis: {seen}")
    assert {200, 202, 404, 422} <= seen.keys()
    assert max(seen) < 500
