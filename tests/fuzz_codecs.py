"""Each codec, fed by a coverage-guided fuzzer: a frame makes a message or a FrameError, and what is read is written.

Not part of the suite. It needs atheris, which is not in requirements.lock (Linux only). KIND is one of `antispam
decode`, or `sms` for headers, TPDUs and pushes. The second command tells what the corpus covers:

    python -m tests.fuzz_codecs KIND -max_total_time=600 -max_len=600
    coverage run --branch --source=pipeline/protocols -m tests.fuzz_codecs KIND --replay
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
    from pipeline.protocols.sms.alphabet import decoded, of_chinese_coding, of_smpp_coding
    from pipeline.protocols.sms.header import read_header
    from pipeline.protocols.sms.tpdu import StatusReport, read_tpdu
    from pipeline.protocols.sms.wap_push import read_push
    from tests.harness.pdus import pdus
    from tests.protocols.sms.test_wap_push import SAMPLE


def sms(data: bytes) -> None:
    """The bytes as a TPDU, a push, a header and a text of each coding."""
    with suppress(FrameError):
        tpdu = read_tpdu(data).tpdu
        assert (
            isinstance(tpdu, StatusReport) or tpdu.data.message.text is None or isinstance(tpdu.data.message.text, str)
        )
    with suppress(FrameError):
        assert read_push(data).kind
    header = read_header(data)
    assert header is None or header.size <= len(data)
    if data:
        for alphabet_of in (of_chinese_coding, of_smpp_coding):
            decoded(data[1:], alphabet_of(data[0]), header)


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


def sow(folder: Path) -> None:
    """Put valid messages into an empty corpus."""
    if KIND == "sms":
        (folder / "push").write_bytes(bytes.fromhex(SAMPLE))
        (folder / "wsp").write_bytes(bytes.fromhex(SAMPLE)[-58:])
        return

    @settings(max_examples=100, database=None, derandomize=True, deadline=None)
    @given(pdus(CODECS[KIND], int(KIND == "cmpp3")))
    def keep(pdu: Any) -> None:
        frame = CODECS[KIND].encode(pdu)
        (folder / f"{hash(frame):x}").write_bytes(frame)

    keep()


if __name__ == "__main__":
    work = sms if KIND == "sms" else frames(CODECS[KIND])
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
