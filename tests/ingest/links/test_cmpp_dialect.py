"""CMPP towards ports: proofs of short accounts, and versions."""

from __future__ import annotations

import pytest

from pipeline.ingest.links.cmpp_dialect import CmppDialect
from pipeline.protocols import cmpp
from pipeline.protocols.cmpp import CMPP2, CMPP3


def connect(name: str, proof_of: str, version: int = 0x30) -> cmpp.Connect:
    proof = cmpp.authenticator_source(proof_of, b"secret", 1121143005)
    return cmpp.Connect(sequence=1, source_addr=name, authenticator=proof, version=version, timestamp=1121143005)


@pytest.mark.parametrize("proof_of", ["801", "801\0\0\0"])
def test_a_short_account_may_be_padded_in_its_proof(proof_of: str) -> None:
    login = CmppDialect().login(connect("801", proof_of))
    assert login.proves(b"secret")
    assert not login.proves(b"other")


@pytest.mark.parametrize(("version", "codec", "octets"), [(0x20, CMPP2, 30), (0x21, CMPP2, 30), (0x30, CMPP3, 33)])
def test_the_answer_is_in_the_clients_version(version: int, codec: object, octets: int) -> None:
    dialect = CmppDialect()
    pdu = connect("900001", "900001", version)
    assert dialect.login(pdu).version_known
    assert dialect.codec is codec
    assert len(dialect.codec.encode(dialect.admitted(pdu, b"secret"))) == octets
