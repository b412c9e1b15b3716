"""CNGP 2.0 as the implementations that could be read have it."""

from __future__ import annotations

from pipeline.protocols import cngp
from pipeline.protocols.cngp import CNGP
from pipeline.protocols.tlvs import Tlv

CNGP_LOGIN = "000000300000000100000000000000013132333435363738000017ba18b9add41c8a03f6109ea7c21ef00242d348dd20"
CNGP_LOGIN_RESP = "000000218000000100000000000000010000000000000000000000000000000020"
CNGP_SUBMIT = (
    "0000009d00000002000000000000000231323334353637380000020100535643303100000000003030003030303030300f00000000000000"
    "0000000000000000000000000000000000000000000000000000003130303132333435000000000000000000000000003032313132333435"
    "363738000000000000000000000130323131323334353637380000000000000000000004c4fabac30100000100"
)
CNGP_SUBMIT_RESP = "0000001f800000020000000000000002010061011617000123450428000100"
MSG_ID = bytes.fromhex("01006101161700012345")


def test_login_proves_the_secret() -> None:
    login = cngp.Login(
        sequence=1,
        client_id="12345678",
        authenticator=cngp.authenticator_client("12345678", b"secret", 1121143005),
        timestamp=1121143005,
        version=0x20,
    )
    assert CNGP.encode(login).hex() == CNGP_LOGIN
    assert CNGP.decode(bytes.fromhex(CNGP_LOGIN)) == login
    answer = cngp.LoginResp(sequence=1, authenticator=bytes(16), version=0x20)
    assert CNGP.encode(answer).hex() == CNGP_LOGIN_RESP


def test_submit_and_its_answer() -> None:
    submit = CNGP.decode(bytes.fromhex(CNGP_SUBMIT))
    assert isinstance(submit, cngp.Submit)
    assert (submit.sp_id, submit.recipients, submit.content) == ("12345678", ("02112345678",), b"\xc4\xfa\xba\xc3")
    assert submit.tlvs == (Tlv(0x0100, b"\0"),)
    assert CNGP.encode(submit).hex() == CNGP_SUBMIT
    answer = cngp.SubmitResp(sequence=2, msg_id=MSG_ID, tlvs=(Tlv(0x0428, b"\0"),))
    assert CNGP.encode(answer).hex() == CNGP_SUBMIT_RESP
    assert CNGP.decode(bytes.fromhex(CNGP_SUBMIT_RESP)) == answer


def test_the_mark_of_a_header_is_the_operators() -> None:
    submit = CNGP.decode(bytes.fromhex(CNGP_SUBMIT))
    assert isinstance(submit, cngp.Submit)
    marked = cngp.Submit(
        sequence=1, sp_id="1", msg_format=8, src_term_id="1", recipients=("1",), content=b"", tlvs=(Tlv(0x0002, b"\1"),)
    )
    assert not cngp.headed(marked, None)
    assert cngp.headed(marked, 0x0002)
    assert not cngp.headed(submit, 0x0002)
