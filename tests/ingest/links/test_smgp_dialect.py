"""SMGP towards ports: proofs, versions and ids."""

from __future__ import annotations

import pytest

from pipeline.ingest.links.dialect import Outcome
from pipeline.ingest.links.smgp_dialect import SmgpDialect
from pipeline.protocols import smgp


@pytest.mark.parametrize(("version", "known"), [(0x13, False), (0x20, False), (0x30, True), (0x31, True)])
def test_versions_and_proofs(version: int, known: bool) -> None:
    proof = smgp.authenticator_client("801", b"secret", 1121143005)
    login = SmgpDialect().login(
        smgp.Login(
            sequence=1, client_id="801", authenticator=proof, login_mode=0, timestamp=1121143005, version=version
        )
    )
    assert login.version_known is known
    assert login.proves(b"secret")
    assert not login.proves(b"other")
    assert not login.receives


@pytest.mark.parametrize("msg_id", [0, 1, 2**64 - 1])
def test_an_id_is_decimal_digits_two_an_octet(msg_id: int) -> None:
    submit = smgp.Submit(sequence=3, msg_format=8, src_term_id="1", recipients=("2",), content=b"")
    answer = SmgpDialect().submitted(submit, Outcome.ACCEPTED, msg_id)
    assert int(answer.msg_id.hex()) == msg_id
