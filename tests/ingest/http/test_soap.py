"""SOAP 1.1 and 1.2 over the door of the API: by hand, and by zeep, which others wrote."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.events import Priority
from pipeline.ingest.soap.envelope import Version, read, written
from pipeline.ingest.soap.operations import NAMESPACE
from pipeline.ingest.soap.wsdl import wsdl
from tests.harness.peers.pip_peer import pip_peer
from tests.ingest.http.test_app import HEADERS, KEY, PORT, World

pytestmark = pytest.mark.long

URL = "/soap"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def ask(world: World, inner: str, version: Version = Version.SOAP_11, **headers: str) -> httpx.Response:
    return world.post(written(version, inner), URL, **({"Content-Type": version.media_type} | headers))


def submit(extra: str = "", content: str = "【示例】您好") -> str:
    return f'<Submit xmlns="{NAMESPACE}"><recipient>13800000001</recipient><content>{content}</content>{extra}</Submit>'


def texts(answer: httpx.Response) -> dict[str, str]:
    """The answer's leaves by name."""
    found: dict[str, str] = {}
    waiting = [read(answer.content)[1]]
    while waiting:
        element = waiting.pop()
        waiting += element.children
        if not element.children:
            found[element.name] = element.text
    return found


@pytest.mark.parametrize("version", list(Version))
def test_a_submission_goes_through_the_door(world: World, version: Version) -> None:
    answer = ask(world, submit("<id>a-1</id><express>true</express>"), version)
    assert (answer.status_code, texts(answer)) == (200, {"id": "a-1", "messages": "1", "duplicate": "false"})
    assert answer.headers["content-type"].startswith(version.media_type)
    (sent,) = world.sent
    assert (sent.port, sent.content, sent.priority) == (PORT, "【示例】您好", Priority.EXPRESS)
    assert texts(ask(world, submit("<id>a-1</id>"), version))["duplicate"] == "true"


def test_the_key_may_be_the_password_of_basic_authentication(world: World) -> None:
    basic = base64.b64encode(f"any:{KEY}".encode()).decode()
    assert ask(world, submit(), Authorization=f"Basic {basic}").status_code == 200
    for wrong in ("Basic eA==", "Basic ?", "Bearer x", ""):
        answer = ask(world, submit(), Authorization=wrong)
        assert (answer.status_code, texts(answer)["code"]) == (500, "unauthorized")
    assert len(world.sent) == 1


def test_a_bulk_task_has_one_express_flag_and_validity_for_all_its_items(world: World) -> None:
    items = "".join(
        f"<item><id>b-{n}</id><recipient>1380000000{n}</recipient><content>【示例】第{n}条</content></item>"
        for n in range(3)
    )
    bad = "<item><recipient>12</recipient><content>x</content></item>"
    until = "<express>1</express><validUntil>2033-01-01T00:00:00+08:00</validUntil>"
    answer = ask(world, f'<SubmitBulk xmlns="{NAMESPACE}"><task>spring</task>{until}{items}{bad}</SubmitBulk>')
    results = [child for child in read(answer.content)[1].children if child.name == "result"]
    assert [[c.text for c in one.children if c.name in ("status", "field")] for one in results] == [["202", ""]] * 3 + [
        ["422", "recipients"]
    ]
    assert texts(answer)["accepted"] == "3"
    assert {(s.batch, s.batch_size, s.valid_until, s.priority) for s in world.sent} == {
        ("spring", 4, 1_988_121_600_000, Priority.EXPRESS)
    }


def test_the_state_of_a_submission(world: World) -> None:
    ask(world, submit("<id>a-1</id>"))
    answer = ask(world, f'<Query xmlns="{NAMESPACE}"><id>a-1</id></Query>')
    assert texts(answer) == {"id": "a-1", "port": PORT, "state": "accepted"}
    missing = ask(world, f'<Query xmlns="{NAMESPACE}"><id>a-2</id></Query>', Version.SOAP_12)
    assert (missing.status_code, texts(missing)["Value"], texts(missing)["code"]) == (400, "soap:Sender", "not_found")


@pytest.mark.parametrize(
    ("inner", "code", "field"),
    [
        (submit("<validUntil>tomorrow</validUntil>"), "invalid_submission", "valid_until"),
        (submit("<port>10699999</port>"), "port_not_allowed", "port"),
        (submit("<express>maybe</express>"), "invalid_soap", ""),
        (submit("<unknown/>"), "invalid_soap", ""),
        (submit("<id>a</id><id>b</id>"), "invalid_soap", ""),
        (f'<Delete xmlns="{NAMESPACE}"/>', "invalid_soap", ""),
        ("<Submit/>", "invalid_soap", ""),
        (f'<SubmitBulk xmlns="{NAMESPACE}"/>', "invalid_soap", ""),
    ],
)
def test_a_wrong_message_is_a_fault_of_its_sender_that_names_the_field(
    world: World, inner: str, code: str, field: str
) -> None:
    answer = ask(world, inner)
    found = texts(answer)
    assert (answer.status_code, found["faultcode"], found["code"]) == (500, "soap:Client", code)
    assert found.get("field", "") == field
    assert world.sent == []


def test_our_outage_is_our_fault(world: World) -> None:
    world.broker_answers = False
    answer = ask(world, submit(), Version.SOAP_12)
    assert (answer.status_code, texts(answer)["Value"]) == (500, "soap:Receiver")
    assert texts(answer)["retryAfter"] == "5"
    world.broker_answers, world.behind = True, dict.fromkeys(Priority, 10**9)
    assert texts(ask(world, submit()))["code"] == "too_far_behind"


def test_hostile_xml_is_refused_and_nothing_is_fetched(world: World) -> None:
    for body in (b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>', b"<x>" * 1000, b"\0"):
        answer = world.post(body, URL, **{"Content-Type": "text/xml"})
        assert (answer.status_code, texts(answer)["code"]) == (500, "invalid_soap")
    assert (
        world.post(b"x" * (world.settings.api_body_bytes + 1), URL, **{"Content-Type": "text/xml"}).status_code == 500
    )
    assert texts(world.post(b"{}", URL))["code"] == "unsupported_media_type"


@pytest.mark.parametrize("port", ["Soap11", "Soap12"])
def test_zeep_submits_and_asks_by_the_wsdl(world: World, tmp_path: Path, port: str) -> None:
    for package, version, module in (
        ("isodate", "0.7.2", "isodate"),
        ("platformdirs", "4.3.6", "platformdirs"),
        ("requests-toolbelt", "1.0.0", "requests_toolbelt"),
        ("requests-file", "2.1.0", "requests_file"),
        ("lxml", "5.3.0", "lxml.etree"),
    ):
        pip_peer(package, version, module)
    zeep = pip_peer("zeep", "4.3.1", "zeep")
    exceptions = pip_peer("zeep", "4.3.1", "zeep.exceptions")
    plugins = pip_peer("zeep", "4.3.1", "zeep.transports")
    path = tmp_path / "service.wsdl"
    path.write_bytes(wsdl("http://testserver/soap"))

    class Transport(plugins.Transport):  # type: ignore[name-defined,misc]
        """Posts into the application in this process."""

        def post(self, address: str, message: bytes, headers: dict[str, str]) -> Any:
            assert address == "http://testserver/soap"
            answer = world.post(message, URL, **(HEADERS | headers))
            made = pip_peer("requests", "2.32.3", "requests").Response()
            made.status_code, made._content = answer.status_code, answer.content
            made.headers.update(answer.headers)
            return made

    client = zeep.Client(str(path), transport=Transport(), port_name=port)
    service = client.service
    long = "【示例】您好😀，" + "这是一条长短信。" * 40
    answer = service.Submit(recipient=["13800000001"], content=long, express=True, id="z-1")
    assert (answer.id, answer.messages, answer.duplicate) == ("z-1", 1, False)
    until = datetime(2033, 1, 1, tzinfo=UTC)
    items = [{"id": f"z-{n}", "recipient": [f"138{n:08d}"], "content": f"第{n}条 <&>😀"} for n in range(2, 200)]
    bulk = service.SubmitBulk(task="spring", validUntil=until, item=items)
    assert (bulk.accepted, {one.status for one in bulk.result}) == (198, {202})
    assert [sent.content for sent in world.sent] == [long, *(str(item["content"]) for item in items)]
    assert {sent.valid_until for sent in world.sent[1:]} == {1_988_150_400_000}
    assert service.Query(id="z-1").state == "accepted"
    with pytest.raises(exceptions.Fault, match="no submission of this port has this id"):
        service.Query(id="nobody")
