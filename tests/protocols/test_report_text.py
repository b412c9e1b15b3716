"""Status reports as text, in the forms that gateways send."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.protocols.frames import FrameError
from pipeline.protocols.report_text import ReportText, read_receipt, read_report, write_report

ID = bytes.fromhex("01006101161700012345")
REPORT = (
    b"id:"
    + ID
    + b" sub:001 dlvrd:001 submit date:2611211430 done date:2611211431 stat:DELIVRD err:000 text:002TD"
    + bytes(15)
)


def test_a_written_report_has_the_length_of_the_specification() -> None:
    report = ReportText(
        msg_id=ID, stat="DELIVRD", submit_time="2611211430", done_time="2611211431", error="000", text=b"TD"
    )
    assert write_report(report) == REPORT
    assert len(REPORT) == 122
    assert read_report(REPORT).stat == "DELIVRD"


@pytest.mark.parametrize(
    "form",
    [
        REPORT,
        REPORT[3:],  # without its first label
        REPORT.replace(b"submit date", b"Submit_Date").replace(b"text", b"Text"),
        REPORT.replace(b"text:", b"txt:"),
        REPORT.replace(b" sub:001 dlvrd:001", b""),
    ],
)
def test_forms_of_gateways(form: bytes) -> None:
    report = read_report(form)
    assert (report.msg_id, report.stat, report.submit_time, report.done_time) == (
        ID,
        "DELIVRD",
        "2611211430",
        "2611211431",
    )


def test_an_id_of_any_octets_is_not_searched_for_labels() -> None:
    ident = b" stat:LIE "
    assert read_report(REPORT.replace(ID, ident)).stat == "DELIVRD"
    assert read_report(REPORT.replace(ID, ident)).msg_id == ident


def test_labels_inside_the_text_are_text() -> None:
    receipt = b"id:0A1B sub:001 stat:UNDELIV err:001 text:hi stat:DELIVRD"
    assert read_receipt(receipt).stat == "UNDELIV"
    assert read_receipt(receipt).text == b"hi stat:DELIVRD"


@pytest.mark.parametrize("bad", [b"", b"id:", REPORT[:12], b"id:" + ID + b" err:000", b"id:" + ID + b" stat: err:1"])
def test_a_report_without_id_or_state_is_refused(bad: bytes) -> None:
    with pytest.raises(FrameError):
        read_report(bad)


@given(st.binary(max_size=200))
def test_any_octets_are_a_report_or_a_frame_error(content: bytes) -> None:
    for read in (read_report, read_receipt):
        with suppress(FrameError):
            assert read(content).stat
