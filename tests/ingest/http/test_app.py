"""The API in this process, over a broker and a database that a test can make fail."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from pipeline.actions.conduct.appeals import Appeal
from pipeline.actions.replies.bringing import Waiting
from pipeline.actions.status.submission_status import SubmissionStatus
from pipeline.errors import AntispamError
from pipeline.events import Complaint, Priority, Submission
from pipeline.ingest.broker import Lag
from pipeline.ingest.http.app import create_app
from pipeline.ingest.http.backend import Backend
from pipeline.ingest.http.intake import Intake
from pipeline.ingest.http.keys import MAX_AGE, KeyRing
from pipeline.rules.consents import Consent
from pipeline.rules.ports import Ports, parse_port
from pipeline.settings import Settings
from pipeline.store.accounts.api_keys import hashed
from pipeline.store.digest import digest

PORT, OTHER = "10690001", "1069000188"  # the second is registered, and no extension of the first
KEY = "ask_test"
HEADERS = {"Authorization": f"Bearer {KEY}"}
URL, BATCHES = "/v1/submissions", "/v1/batches"
JSONL = {"Content-Type": "application/x-ndjson"}


class World:
    """What the API stands on; it is its own broker and its own database."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.settings = Settings(data_dir=folder, **settings)
        self.sent: list[Submission] = []
        self.broker_answers: bool | None = True  # None: never
        self.behind = dict.fromkeys(Priority, 0)
        self.database: dict[tuple[str, str], Submission] = {}
        self.database_fails = False
        self.consents: list[Consent] = []
        self.replies: dict[str, list[Waiting]] = {}
        self.complaints: list[Complaint] = []
        self.appeals: list[tuple[str, Appeal]] = []
        self.missing: list[str] = []
        self.seconds = 0.0
        self.registry: Ports | None = Ports(parse_port(f'{{"code":"{code}"}}') for code in (PORT, OTHER))
        self.backend = Backend(
            broker=self,
            lookup=self,
            consents=self,
            replies=self,
            complaints=self,
            appeals=self,
            ports=lambda: self.registry,
            not_ready=lambda: self.missing,
            clock=lambda: 1_700_000_000.0,
        )
        self.ring = KeyRing(lambda: {hashed(KEY): PORT}, lambda: self.seconds)
        self.ring.refresh()
        self.intake = Intake(self, self, 0.2)
        self.app: Starlette = create_app(self.backend, self.ring, self.intake, self.settings)

    def send(self, submission: Submission, ports: Ports) -> asyncio.Future[bool]:
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if self.broker_answers is not None:
            if self.broker_answers:
                self.sent.append(submission)
            asyncio.get_running_loop().call_later(0.001, future.set_result, self.broker_answers)
        return future

    async def record(self, port: str, consents: Sequence[Consent], now: int) -> list[str | None]:
        if self.database_fails:
            raise AntispamError("operational database: gone")
        asked = {c.number for c in self.consents}
        self.consents += consents
        return [f"asked before by {port}" if c.kind == "asked" and c.number in asked else None for c in consents]

    async def waiting(self, port: str) -> list[Waiting]:
        if self.database_fails:
            raise AntispamError("operational database: gone")
        return self.replies.get(port, [])

    async def take(self, port: str, idents: Sequence[str], now: int) -> int:
        waiting = await self.waiting(port)
        self.replies[port] = [one for one in waiting if one.id not in idents]
        return len(waiting) - len(self.replies[port])

    async def file(self, port: str, submission: str | None, text: str, now: int) -> Appeal | str:
        if self.database_fails:
            raise AntispamError("operational database: gone")
        if submission is not None and (port, submission) not in self.database:
            return "submission: no submission of this port has this id"
        self.appeals.append((port, Appeal(len(self.appeals) + 1, "open", now, submission)))
        return self.appeals[-1][1]

    async def find(self, port: str, ident: int) -> Appeal | None:
        return next((appeal for owner, appeal in self.appeals if (owner, appeal.id) == (port, ident)), None)

    async def receive(self, complaints: Sequence[Complaint], now: int) -> list[bool]:
        if self.database_fails:
            raise AntispamError("operational database: gone")
        news = []
        for complaint in complaints:
            news.append(complaint.id not in {c.id for c in self.complaints})
            self.complaints += [complaint] * news[-1]
        return news

    def lag(self, priority: Priority) -> Lag:
        return Lag(self.behind[priority], 7)

    async def digests(self, idents: Sequence[str]) -> Mapping[tuple[str, str], str]:
        await asyncio.sleep(0)
        if self.database_fails:
            raise AntispamError("operational database: gone")
        return {key: digest(s) for key, s in self.database.items() if key[1] in idents}

    async def senders(self, port: str, ident: str) -> list[str]:
        if self.database_fails:
            raise AntispamError("operational database: gone")
        return [sender for sender, known in self.database if known == ident and sender.startswith(port)]

    async def status(self, sender: str, ident: str) -> SubmissionStatus | None:
        return SubmissionStatus(id=ident, port=sender, state="held") if (sender, ident) in self.database else None

    def run(self, work: Callable[[httpx.AsyncClient], Awaitable[Any]], headers: Mapping[str, str] = HEADERS) -> Any:
        """What `work` returns, given a client of this API."""

        async def main() -> Any:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=dict(headers)) as client:
                return await work(client)

        return asyncio.run(main())

    def post(self, content: Any, url: str = URL, **headers: str) -> httpx.Response:
        if not isinstance(content, bytes):
            content = msgspec.json.encode(content)
        given = {"Content-Type": "application/json"} | headers
        answer: httpx.Response = self.run(lambda c: c.post(url, content=content, headers=given))
        return answer

    def get(self, url: str) -> httpx.Response:
        answer: httpx.Response = self.run(lambda c: c.get(url))
        return answer


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def body(ident: str | None = "a", **more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"port": PORT, "recipients": ["13800000001"], "content": "机密内容"}
    return fields | ({"id": ident} if ident else {}) | more


def refused(answer: httpx.Response, status: int, code: str, field: str | None = None) -> None:
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert answer.json()["error"].get("field") == field, answer.text
    assert "13800000001" not in answer.text
    assert "机密" not in answer.text


def test_accepted_only_with_the_brokers_word(world: World) -> None:
    answer = world.post(body())
    assert (answer.status_code, answer.json()) == (202, {"id": "a", "messages": 1, "duplicate": False})
    assert [s.id for s in world.sent] == ["a"]
    assert world.sent[0].accepted_at == 1_700_000_000_000


@pytest.mark.parametrize(
    ("content", "status", "code", "field"),
    [
        (body(port="10699999"), 403, "port_not_allowed", "port"),
        (body(port=OTHER), 403, "port_not_allowed", "port"),
        (body(port="1069"), 403, "port_not_allowed", "port"),
        (body(recipients=[]), 422, "invalid_submission", "recipients"),
        (body(recipients=["x13800000001"]), 422, "invalid_submission", "recipients"),
        (body(content=""), 422, "invalid_submission", "content"),
        (body(content="机密" * 2000), 422, "invalid_submission", "content"),
        (body(content=7), 422, "invalid_submission", "content"),
        (body(priority="机密"), 422, "invalid_submission", "priority"),
        (body(valid_until="tomorrow"), 422, "invalid_submission", "valid_until"),
        (body("has space"), 422, "invalid_submission", "id"),
        (body(colour="red"), 422, "invalid_submission", "colour"),
        ({"port": PORT, "content": "机密"}, 422, "invalid_submission", "recipients"),
        ([], 422, "invalid_array", None),
        ([body()] * 1001, 422, "invalid_array", None),
        (b"", 400, "invalid_json", None),
        (b'{"port": "1', 400, "invalid_json", None),
        (b"[" * 100_000, 400, "invalid_json", None),
        (b'{"port":"10690001","recipients":["\xff"],"content":"x"}', 400, "invalid_json", None),
        (b'"13800000001"', 422, "invalid_submission", None),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_sent(
    world: World, content: Any, status: int, code: str, field: str | None
) -> None:
    refused(world.post(content), status, code, field)
    assert world.sent == []


def test_broken_json_says_where(world: World) -> None:
    assert "byte 9" in world.post(b'{"port": }').json()["error"]["message"]
    assert "byte 11" in world.post(b'{"port": "1').json()["error"]["message"]


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", f"Basic {KEY}", KEY])
@pytest.mark.parametrize(("method", "url"), [("POST", URL), ("POST", BATCHES), ("GET", URL + "/a")])
def test_without_a_key_of_ours_no_address_answers(world: World, given: str, method: str, url: str) -> None:
    answer = world.run(lambda c: c.request(method, url, content=b"{"), {"Authorization": given})
    refused(answer, 401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_keys_that_cannot_be_read_anew_are_not_trusted_for_long(world: World) -> None:
    world.seconds = MAX_AGE + 0.1
    refused(world.post(body()), 503, "unavailable")


def test_an_extension_sends_for_its_port(world: World) -> None:
    assert world.post(body(port=PORT + "7")).status_code == 202


def test_too_large_by_what_is_declared_and_by_what_comes(world: World) -> None:
    big = msgspec.json.encode(body(content="x" * 10_000_000))
    refused(world.post(big), 413, "too_large")

    async def trickle() -> AsyncIterator[bytes]:
        for i in range(0, len(big), 65536):
            yield big[i : i + 65536]

    refused(world.run(lambda c: c.post(URL, content=trickle())), 413, "too_large")


def test_another_media_type_is_refused(world: World) -> None:
    refused(world.post(body(), **{"Content-Type": "text/xml"}), 415, "unsupported_media_type")
    refused(world.post(body(), BATCHES), 415, "unsupported_media_type")


def test_an_id_is_one_submission(world: World) -> None:
    assert world.post(body()).status_code == 202
    again = world.post(body())
    assert (again.status_code, again.json()["duplicate"]) == (200, True)
    for other in (body(content="别的"), body(recipients=["13800000002"]), body(port=PORT + "5")):
        refused(world.post(other), 409, "id_used", "id")
    assert len(world.sent) == 1


def test_an_id_in_the_database_is_known_too_and_another_ports_is_not(world: World) -> None:
    def known(sender: str) -> Submission:
        return Submission(id="a", port=sender, recipients=("13800000001",), content="机密内容", accepted_at=1)

    world.database[OTHER, "a"] = known(OTHER)
    world.database[PORT, "b"] = known(PORT)
    assert world.post(body()).status_code == 202
    assert world.post(body("b")).json()["duplicate"]
    refused(world.post(body("b", content="别的")), 409, "id_used", "id")
    assert world.post(body("b")).json()["duplicate"]  # what was refused has changed nothing


def test_equal_requests_at_once_are_sent_once(world: World) -> None:
    async def both(client: httpx.AsyncClient) -> list[int]:
        answers = await asyncio.gather(*(client.post(URL, json=body()) for _ in range(20)))
        return sorted(answer.status_code for answer in answers)

    assert world.run(both) == [200] * 19 + [202]
    assert len(world.sent) == 1


@pytest.mark.parametrize("answers", [False, None])
def test_what_the_broker_did_not_acknowledge_is_not_accepted_and_may_be_sent_again(
    world: World, answers: bool | None
) -> None:
    world.broker_answers = answers
    answer = world.post(body())
    refused(answer, 503, "not_acknowledged")
    assert int(answer.headers["Retry-After"]) >= 1
    refused(world.post(body(content="别的")), 409, "id_used", "id")  # the first may have reached it
    if answers is False:
        world.broker_answers = True
        assert world.post(body()).status_code == 202


def test_a_database_that_is_away_stops_ids_it_might_know(world: World) -> None:
    world.database_fails = True
    refused(world.post(body()), 503, "unavailable")
    assert world.post(body(None)).status_code == 202  # our own id cannot be known
    refused(world.get(URL + "/a"), 503, "unavailable")
    world.database_fails = False
    assert world.post(body()).status_code == 202


def test_an_array_is_accepted_item_by_item(world: World) -> None:
    answer = world.post([body(), body(recipients=[]), body(), body(content="别的"), body("b")])
    assert answer.status_code == 202
    assert [item["status"] for item in answer.json()["results"]] == [202, 422, 200, 409, 202]
    assert (answer.json()["accepted"], answer.json()["duplicates"]) == (2, 1)
    assert world.post([body()]).status_code == 200
    refused(world.post([body(recipients=[])]), 422, "none_accepted")
    refused(world.post([body("c", port=OTHER)]), 403, "none_accepted")


def test_a_lane_too_far_behind_is_refused_and_the_other_is_not(world: World) -> None:
    world.behind[Priority.BULK] = world.settings.api_lag_limit + 1
    answer = world.post(body(priority="bulk"))
    refused(answer, 429, "too_far_behind")
    assert answer.headers["Retry-After"] == "7"
    assert world.post(body(priority="express")).status_code == 202
    mixed = world.post([body("b", priority="bulk"), body("c")])
    assert [item["status"] for item in mixed.json()["results"]] == [429, 202]


def test_one_request_too_many_is_refused_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, api_requests=2)
    world.broker_answers = None

    async def three(client: httpx.AsyncClient) -> list[str]:
        answers = await asyncio.gather(*(client.post(URL, json=body(str(n))) for n in range(3)))
        return sorted(answer.json()["error"]["code"] for answer in answers)

    assert world.run(three) == ["busy", "not_acknowledged", "not_acknowledged"]
    world.broker_answers = True
    assert world.post(body()).status_code == 202


def test_a_batch_is_accepted_line_by_line_and_once(world: World) -> None:
    lines = [body("b1"), body(None), body("b3", recipients=[]), body("b4", port=OTHER)]
    content = b"\n".join(map(msgspec.json.encode, lines)) + b"\nnot json\n"
    answer = world.post(content, BATCHES, **JSONL)
    assert answer.status_code == 202
    told = answer.json()
    assert (told["accepted"], told["duplicates"], told["rejected"]) == (2, 0, 3)
    assert [(e["line"], e["status"]) for e in told["errors"]] == [(3, 422), (4, 403), (5, 422)]
    again = world.post(gzip.compress(content[:100]) + gzip.compress(content[100:]), BATCHES, **JSONL)
    assert (again.status_code, again.json()["duplicates"]) == (200, 2)
    assert len(world.sent) == 2
    assert list((world.settings.data_dir / "uploads").iterdir()) == []


@pytest.mark.parametrize("given", [body("b1"), [body("b1")]])
def test_a_byte_order_mark_is_read_over(world: World, given: object) -> None:
    content = b"\xef\xbb\xbf" + msgspec.json.encode(given)
    assert world.post(content, **{"Content-Type": "application/json"}).status_code == 202
    line = b"\xef\xbb\xbf" + msgspec.json.encode(body("b1"))
    assert world.post(line, BATCHES, **JSONL).json()["duplicates"] == 1
    refused(world.post(b"\xef\xbb\xbf\xef\xbb\xbf{}"), 400, "invalid_json")


def test_a_content_encoding_that_is_not_taken_is_named_with_those_that_are(world: World) -> None:
    packed = gzip.compress(msgspec.json.encode(body("e1")))
    for encoding in ("gzip", "br", "deflate", "gzip, gzip", "nonsense"):
        answer = world.post(packed, **{"Content-Type": "application/json", "Content-Encoding": encoding})
        refused(answer, 415, "unsupported_encoding")
        assert answer.json()["error"]["message"] == "Content-Encoding: identity expected"
        assert answer.headers["Accept-Encoding"] == "identity"
    answer = world.post(packed, BATCHES, **JSONL, **{"Content-Encoding": "br"})
    refused(answer, 415, "unsupported_encoding")
    assert answer.headers["Accept-Encoding"] == "gzip, x-gzip, identity"
    assert world.post(packed, BATCHES, **JSONL, **{"Content-Encoding": "GZIP"}).status_code == 202
    assert world.post(body("e2"), **{"Content-Encoding": "identity"}).status_code == 202


def test_a_batch_may_be_csv_of_gbk(world: World) -> None:
    content = f"id,port,recipients,content,batch_size\nc,{PORT},13800000001;13800000002,您好，世界,2\n".encode("gbk")
    assert world.post(content, BATCHES, **{"Content-Type": "text/csv"}).status_code == 202
    assert (world.sent[0].content, len(world.sent[0].recipients)) == ("您好，世界", 2)


def test_a_csv_batch_is_read_as_spreadsheets_write_it_and_refused_by_the_name_of_what_is_missing(world: World) -> None:
    csv = {"Content-Type": "text/csv"}
    content = f'sep=;\n"PORT";Recipients;Content\n{PORT};138 0000 0001|+86 13800000002;您好\n{PORT};13800000003;"您\n'
    told = world.post(content.encode(), BATCHES, **csv).json()
    assert (told["accepted"], [error["line"] for error in told["errors"]]) == (1, [4])
    assert world.sent[0].recipients == ("13800000001", "13800000002")
    answer = world.post(b"port,numbers,content\n1,2,3\n", BATCHES, **csv)
    refused(answer, 400, "unreadable_file")
    assert answer.json()["error"]["message"].startswith("header: no column `recipients`")


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "empty"),
        (gzip.compress(b"x" * 100_000)[:-20], 400, "invalid_gzip"),
        (b"\x1f\x8bnonsense", 400, "invalid_gzip"),
        (gzip.compress(b"\n" * 3_000_000), 413, "too_large"),  # 3 kB packed
        (b"{}\n", 422, "none_accepted"),
    ],
)
def test_a_batch_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes, status: int, code: str) -> None:
    refused(World(tmp_path, api_batch_bytes=1_000_000).post(content, BATCHES, **JSONL), status, code)


def test_a_batch_stops_where_the_broker_does_and_goes_on_when_sent_again(world: World) -> None:
    content = b"\n".join(msgspec.json.encode(body(f"l-{n}")) for n in range(500))
    world.broker_answers = False
    stopped = world.post(content, BATCHES, **JSONL)
    refused(stopped, 503, "not_acknowledged")
    assert (stopped.json()["accepted"], stopped.json()["rejected"]) == (0, 200)
    world.broker_answers = True
    assert world.post(content, BATCHES, **JSONL).json()["accepted"] == 500


def test_a_sender_sees_its_own_submissions_only(world: World) -> None:
    def known(sender: str, ident: str) -> None:
        world.database[sender, ident] = Submission(id=ident, port=sender, recipients=("1",), content="x", accepted_at=1)

    known(PORT + "5", "odd/id?x")
    known(OTHER, "theirs")
    assert world.get(URL + "/odd/id%3Fx").json()["port"] == PORT + "5"
    refused(world.get(URL + "/theirs"), 404, "not_found")
    world.post(body("new"))
    assert world.get(URL + "/new").json()["state"] == "accepted"  # before the projector has met it


def test_health_readiness_and_what_is_missing(world: World) -> None:
    assert world.get("/health").status_code == 200
    assert world.get("/ready").json() == {"ready": True, "missing": []}
    world.missing = ["broker"]
    assert world.get("/ready").status_code == 503
    world.registry = None
    refused(world.post(body()), 503, "no_configuration")
    assert "antispam_http_requests_total" in world.get("/metrics").text


def test_unknown_addresses_and_methods_have_the_same_form(world: World) -> None:
    refused(world.get("/nowhere"), 404, "not_found")
    refused(world.get("/docs/"), 404, "not_found")  # no redirect
    refused(world.run(lambda c: c.delete(URL)), 405, "method_not_allowed")


def test_requests_are_counted_by_route_whatever_their_address(world: World) -> None:
    for path in (URL + "/a", URL + "/b/c", "/nowhere"):
        world.get(path)
    counted = world.get("/metrics").text
    assert 'antispam_http_requests_total{route="/v1/submissions/{ident:path}",status="404"}' in counted
    assert 'antispam_http_requests_total{route="other",status="404"}' in counted
    assert "nowhere" not in counted


def test_a_fault_of_ours_tells_and_logs_nothing_of_the_request(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("机密内容 13800000001")

    monkeypatch.setattr(world.intake, "accept", broken)
    refused(world.post(body()), 500, "internal")
    written = "".join(capfd.readouterr())
    assert "RuntimeError" in written
    assert "机密" not in written


def test_the_documentation_is_one_page_that_fetches_nothing(world: World) -> None:
    page = world.get("/docs")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "<script" not in page.text
    for word in ("POST /v1/submissions", "SubmissionIn", "Retry-After", "Antispam-Signature"):
        assert word in page.text
