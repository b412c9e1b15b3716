"""smpplib as a port: long messages, emoji and reports, text by text and id by id."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.harness.links.memory_pipeline import served
from tests.harness.peers.pip_peer import pip_peer

PORT = "10690001"
WINDOW = 32


def text_of(n: int) -> str:
    return f"【银行】第{n}条 😀🎉" + ("您好，这是一条长短信。" * 15 if n % 3 == 0 else "") + "👨‍👩‍👧" * (n % 2)


@pytest.mark.long
@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("by_header", [True, False], ids=["header", "sar"])
def test_every_text_arrives_and_every_part_has_its_report(count: int, by_header: bool) -> None:
    client_of = pip_peer("smpplib", "2.2.4", "smpplib.client")
    gsm, consts = (pip_peer("smpplib", "2.2.4", f"smpplib.{name}") for name in ("gsm", "consts"))
    ids: Counter[str] = Counter()
    reports: Counter[tuple[str, int]] = Counter()

    def received(pdu: Any, **_: Any) -> None:
        assert pdu.esm_class == 0x04  # a delivery receipt
        reports[pdu.receipted_message_id.rstrip(b"\0").decode(), pdu.message_state] += 1

    parts = 0
    with served("smpp") as pipeline:
        client = client_of.Client("127.0.0.1", pipeline.ports["smpp"], timeout=60, allow_unknown_opt_params=True)
        client.set_message_sent_handler(lambda pdu: ids.update([pdu.message_id.rstrip(b"\0").decode()]))
        client.set_message_received_handler(received)
        client.connect()
        client.bind_transceiver(system_id="900001", password="secret")
        for n in range(count):
            pieces, coding, esm_class = gsm.make_parts(text_of(n), consts.SMPP_ENCODING_ISO10646, use_udhi=by_header)
            for number, piece in enumerate(pieces, 1):
                sar = {"sar_msg_ref_num": n % 65536, "sar_total_segments": len(pieces), "sar_segment_seqnum": number}
                client.send_message(
                    source_addr=PORT,
                    destination_addr=f"138{n:08d}",
                    data_coding=coding,
                    esm_class=esm_class,
                    short_message=piece,
                    registered_delivery=1,
                    **(sar if len(pieces) > 1 and not by_header else {}),
                )
                parts += 1
                while parts - ids.total() >= WINDOW:
                    client.read_once()
        while reports.total() < parts:
            client.read_once()
        client.unbind()
        client.disconnect()
        sent = {s.recipients[0]: s.content for s in pipeline.sent}
    assert parts > count
    assert len(pipeline.sent) == count
    assert sent == {f"138{n:08d}": text_of(n) for n in range(count)}
    assert reports == {(ident, 2): 1 for ident in ids}
    assert pipeline.accepted == parts
    print(f"smpplib: {count} messages, {parts} parts, each with its report; all texts equal")
