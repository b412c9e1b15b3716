"""Each codec, fed by a coverage-guided fuzzer: a frame makes a message or a FrameError, and what is read is written.

Not part of the suite: `make fuzz KIND="cmpp3 push" FOR=600` runs it. It needs atheris, which is not in
requirements.lock (Linux only). KIND is a codec of `antispam decode`, `tpdu` (TPDUs, headers and texts), `push` (WAP
push) or `report` (the reports of SMGP, CNGP and SMPP). With `--replay` it reads the corpus once, for coverage.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from hypothesis import given, settings

KIND = sys.argv.pop(1)
REPLAY = "--replay" in sys.argv
if not REPLAY:
    import atheris

with nullcontext() if REPLAY else atheris.instrument_imports(include=["pipeline.protocols"]):
    from pipeline.protocols.codec import Codec
    from pipeline.protocols.frames import FrameError, ProtocolError, StreamError
    from pipeline.protocols.kinds import CODECS, decode
    from pipeline.protocols.report_text import read_receipt, read_report, write_report
    from pipeline.protocols.sms.alphabet import decoded, of_chinese_coding, of_smpp_coding
    from pipeline.protocols.sms.header import read_header, write_header
    from pipeline.protocols.sms.text import parts, push_parts, text_of
    from pipeline.protocols.sms.tpdu import StatusReport, read_tpdu
    from pipeline.protocols.sms.wap_push import read_push
    from tests.harness.pdus import pdus
    from tests.protocols.sms.test_wap_push import SAMPLE


def tpdu(data: bytes) -> None:
    """The bytes as a TPDU, a header and a text of each coding; a text that was read can be cut and joined again."""
    with suppress(FrameError):
        found = read_tpdu(data).tpdu
        assert isinstance(found, StatusReport) or isinstance(found.data.message.text, str | None)
    with suppress(ProtocolError):
        decode("pdu", data.hex())
    header = read_header(data)
    if header is not None:
        assert header.size <= len(data)
        place = header.concatenation
        if place is not None:
            again = read_header(write_header(place, header.port))
            assert again is not None
            assert (again.concatenation, again.port) == (place, header.port)
    if not data:
        return
    for alphabet_of in (of_chinese_coding, of_smpp_coding):
        text = decoded(data[1:], alphabet_of(data[0]), header)
        with suppress(ProtocolError):
            cut = parts(text or "", data[0])
            assert "".join(text_of(part.coding, part.content, part.headed) or "" for part in cut) == (text or "")


def push(data: bytes) -> None:
    """The bytes as a push; cut into parts they are the same bytes."""
    with suppress(FrameError):
        assert read_push(data).kind
    joined = b""
    for part in push_parts(data, len(data)):
        header = read_header(part.content)
        assert header is not None
        assert len(part.content) <= 140
        joined += part.content[header.size :]
    assert joined == data


def report(data: bytes) -> None:
    """The bytes as a report with an id of octets, and of text."""
    for reads in (read_report, read_receipt):
        with suppress(FrameError):
            found = reads(data)
            assert found.stat
            with suppress(FrameError):  # such an id may hold a label
                assert reads(write_report(found)).stat


def frames(codec: Codec[Any]) -> Callable[[bytes], None]:
    """What takes bytes as a stream, and as the body of a frame of each known command by turns."""
    commands = sorted(codec.kinds)

    def one(data: bytes) -> None:
        with suppress(StreamError):
            for frame in codec.frames().feed(data):
                read(codec, frame)
        if data:
            body = data[1:].ljust(codec.shortest - 8, b"\0")
            start = (8 + len(body)).to_bytes(4, "big") + commands[data[0] % len(commands)].to_bytes(4, "big")
            read(codec, start + body)

    return one


def read(codec: Codec[Any], frame: bytes) -> None:
    """A frame is a message or a FrameError. A message that may be sent comes back as it was."""
    try:
        pdu = codec.decode(frame)
    except FrameError as error:
        if not 0 <= error.offset <= len(frame):
            raise AssertionError("an offset outside the frame") from error
        return
    with suppress(ProtocolError):
        assert codec.decode(codec.encode(pdu)) == pdu
    with suppress(ProtocolError):
        decode(KIND, frame.hex())


SMS = {"tpdu": tpdu, "push": push, "report": report}
_WHOLE = bytes.fromhex(SAMPLE)
SEEDS = {
    "report": (
        b"id:0A1B2C3D4 sub:001 dlvrd:001 submit date:2611211430 done date:2611211431 stat:DELIVRD err:000 text:hello",
        b"id:\x01\x00\x61\x01\x16\x17\x00\x01\x23\x45 sub:001 dlvrd:001 submit_date:2611211430 done_date:2611211431"
        b" stat:DELIVRD err:000 txt:003%TD" + bytes(14),
    ),
    "tpdu": (
        _WHOLE,
        bytes.fromhex("0891683108200505F0040D91683108108300F00000621121410350230AE8329BFD4697D9EC37"),
        bytes.fromhex("00060A0D91683108108300F0621121410350236211214103502300"),
        b"\x08" + "您好😀".encode("utf-16-be"),
    ),
    "push": (
        _WHOLE[-58:],
        bytes.fromhex("DC0605B0AF82B48302066A0085060A036578616D706C65008503782E776D6C0001"),
        bytes.fromhex("DC0601AE02056A0045C60D036578616D706C6500850AC3072026112114300010C304202611220801034869000101"),
        b'\1\6\1\xad<?xml version="1.0"?><si><indication href="http://a.cn/?x=1&amp;y=2">Hi</indication></si>',
        bytes.fromhex("010601BE8C82") + b"\x98id\0\x8d\x90\x96hello\0\x83http://m.cn/1\0",
    ),
}


def sow(folder: Path) -> None:
    """Put valid messages into an empty corpus."""
    if KIND in SMS:
        for number, octets in enumerate(SEEDS[KIND]):
            (folder / str(number)).write_bytes(octets)
        return

    @settings(max_examples=100, database=None, derandomize=True, deadline=None)
    @given(pdus(CODECS[KIND], int(KIND == "cmpp3")))
    def keep(pdu: Any) -> None:
        frame = CODECS[KIND].encode(pdu)
        (folder / f"{hash(frame):x}").write_bytes(frame)

    keep()


if __name__ == "__main__":
    work = SMS[KIND] if KIND in SMS else frames(CODECS[KIND])
    corpus = Path(os.environ.get("FUZZ_CORPUS", "var/fuzz")) / KIND
    corpus.mkdir(parents=True, exist_ok=True)
    if not any(corpus.iterdir()):
        sow(corpus)
    if REPLAY:
        for entry in sorted(corpus.iterdir()):
            work(entry.read_bytes())
    else:
        atheris.Setup([*sys.argv, str(corpus)], work)
        atheris.Fuzz()
