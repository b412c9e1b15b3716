"""Why a case is open is told of its own submission: ids are unique to a sender field, not among all."""

from __future__ import annotations

import duckdb
from sqlalchemy import select

from pipeline.actions.console.sentences import Sentences
from pipeline.actions.console.why import why
from pipeline.actions.review.case_members import project_members
from pipeline.lake.privacy import Privacy
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.case_events import LIN, NOW, add_port, member

SENDERS = ("10690001", "10690002", "1069000277")  # the last an extension of the second


def test_the_same_id_of_another_sender_tells_nothing(operational_db: Database) -> None:
    with operational_db.write() as connection:
        for code in SENDERS[:2]:
            add_port(connection, code)
        members = [member("1001", fingerprint=f"f-{sender}", port=sender) for sender in SENDERS]
        project_members(connection, NOW, members)
        t = schema.case_members
        cases = {row.case: row.port for row in connection.execute(select(t.c.case, t.c.port))}
        connection.execute(
            schema.cases.update().where(schema.cases.c.port == SENDERS[2]).values(port=SENDERS[1])
        )  # the case is the registered port's
    lake = duckdb.connect()
    lake.execute(
        """
        CREATE TABLE decisions AS
        SELECT '1001' AS id, 0::BIGINT AS round, s[:8] AS port, s AS sender, 'submission' AS source,
               o::BIGINT AS "offset", NULL::VARCHAR AS campaign, NULL::VARCHAR AS policy,
               NULL::VARCHAR AS model,
               [{'rule': 'rule-of-' || s, 'verdict': 'review', 'severity': 1, 'message': 'm', 'values': '{}',
                 'spans': []::STRUCT("start" INT, "end" INT, word VARCHAR, via VARCHAR)[]}] AS reasons
        FROM (VALUES ('10690001', 1), ('10690002', 2), ('1069000277', 3)) AS t(s, o)
        """
    )
    found = why(operational_db, lake, Privacy(b"key"), LIN, list(cases), Sentences(operational_db, "en"))
    told = {cases[case]: [reason.rule for reason in explained.reasons] for case, explained in found.items()}
    assert told == {sender: [f"rule-of-{sender}"] for sender in SENDERS}
