"""Each codec, fed by a coverage-guided fuzzer: a frame makes a message or a FrameError, and what is read is written.

Not part of the suite. It needs atheris, which is not in requirements.lock (Linux only). The kind is one of `antispam
decode`; lines covered are printed at the end:

    python tests/fuzz_codecs.py smpp -max_total_time=600 -max_len=600
"""

from __future__ import annotations

import os
import sys
import trace
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pipeline.protocols"]):
    from pipeline.protocols.frames import FrameError, ProtocolError, StreamError
    from pipeline.protocols.kinds import CODECS, decode

KIND = sys.argv.pop(1)
CODEC = CODECS[KIND]
COMMANDS = sorted(CODEC.kinds)


def one(data: bytes) -> None:
    """The bytes as a stream, and as the body of a frame of each known command by turns."""
    with suppress(StreamError):
        for frame in CODEC.frames().feed(data):
            read(frame)
    if data:
        body = data[1:].ljust(CODEC.shortest - 8, b"\0")
        read((8 + len(body)).to_bytes(4, "big") + COMMANDS[data[0] % len(COMMANDS)].to_bytes(4, "big") + body)


def read(frame: bytes) -> None:
    """A frame is a message or a FrameError. A message that may be sent comes back as it was."""
    try:
        pdu = CODEC.decode(frame)
    except FrameError as error:
        offset = error.offset
        assert 0 <= offset <= len(frame), offset
        return
    with suppress(ProtocolError):
        assert CODEC.decode(CODEC.encode(pdu)) == pdu
    with suppress(ProtocolError):
        decode(KIND, frame.hex())


def covered(corpus: Path) -> None:
    """Print which share of the codec's lines the corpus runs."""
    tracer = trace.Trace(count=True, trace=False)
    for entry in corpus.iterdir():
        tracer.runfunc(one, entry.read_bytes())
    ran: dict[str, set[int]] = {}
    for name, line in tracer.results().counts:
        ran.setdefault(name, set()).add(line)
    for name, lines in sorted(ran.items()):
        if "/pipeline/protocols/" in name:
            able = set(trace._find_executable_linenos(name))  # type: ignore[attr-defined]
            inside = {line for line in able if line in lines}
            print(f"{KIND}: {Path(name).name}: {len(inside)} of {len(able)} lines", file=sys.stderr)


if __name__ == "__main__":
    folder = Path(os.environ.get("FUZZ_CORPUS", "var/fuzz")) / KIND
    folder.mkdir(parents=True, exist_ok=True)
    if "-covered" in sys.argv:
        covered(folder)
    else:
        atheris.Setup([*sys.argv, str(folder)], one)
        atheris.Fuzz()
