"""The OpenAPI document: schemas come from the structs of the API, explanations for clients from this file."""

from __future__ import annotations

from typing import Any

import msgspec

from pipeline import door
from pipeline.actions.conduct.appeals import Appeal
from pipeline.actions.replies.bringing import MOST
from pipeline.actions.status.submission_status import SubmissionStatus
from pipeline.ingest.http.answers import Accepted, BatchAnswer, ErrorAnswer, Items
from pipeline.ingest.http.appeals import AppealLine
from pipeline.ingest.http.complaints import ComplaintLine
from pipeline.ingest.http.consents import ConsentLine
from pipeline.ingest.http.replies import Having, Replies, TakenReplies
from pipeline.settings import Settings

_ABOUT = """Submissions of enterprise ports, before they are sent.

**Keys.** `Authorization: Bearer <API key>`. A key sends for one port and its extensions, and sees only their
submissions.

**Acceptance.** 202 means that the broker has stored the submission. It is then screened: it may be released, held,
reviewed or rejected. `GET /v1/submissions/{id}` tells the result; so does a callback if an address is registered.

**Ids.** An id is unique per port; a submission without an id gets one from us. The same id with the same sender,
content and recipients is answered 200 with `duplicate: true` and sent once. If one of these differs, the answer is 409.
**After 503, a broken connection or no answer: send the same again with the same id.** A submission that was not
acknowledged with 202 or 200 can be sent again safely only with its id, so give your own ids.

**Slow down.** 429 and 503 carry `Retry-After` (seconds).

**Callbacks.** A POST of JSON `{"event": "rejected", "id", "port", "round", "reasons": [{"rule", "message"}],
"decided_by", "decided_at"}`. `Antispam-Signature: t=<epoch ms>,v1=<hex>` is HMAC-SHA256 over `<t>.<body>`; its key is
HMAC-SHA256(key = SHA256(API key), "antispam callback v1"), of the newest key registered with that address.
`Antispam-Event` numbers the callback: the same number again is the same event. Answer 2xx within 10 seconds;
otherwise it is repeated, at most 8 times over some 16 hours. Redirects are not followed."""

_EXAMPLE = {
    "id": "order-4711",
    "port": "10690001",
    "recipients": ["13800000001"],
    "content": "【示例】您的快递已到达。",
}
_CONSENT = {
    "recipient": "13800000001",
    "kind": "consent",
    "given_at": "2026-03-01T10:00:00+08:00",
    "source": "会员登记表 2026-118",
    "until": "2028-03-01T00:00:00+08:00",
}
_APPEAL = {"submission": "order-4711", "text": "本店自营，非冒用"}
_COMPLAINT = {
    "port": "10690001",
    "recipient": "138****0001",
    "complained_at": "2026-03-01T10:00:00+08:00",
    "content": "【示例】恭喜中奖……",
    "reference": "2026-000118",
}
_REF = "#/components/schemas/"
_WORDS = {
    400: "Broken JSON (`invalid_json`, with the position), gzip or file.",
    401: "No, unknown or revoked API key.",
    403: "The sender is not the port of this key.",
    404: "No submission of this port has this id.",
    408: "The body did not arrive in time.",
    409: "The id was used for another submission; or the recipient was asked before and did not agree.",
    413: "The body is too large.",
    415: "Unsupported Content-Type or Content-Encoding; the message names the supported ones.",
    422: "A field is missing or wrong; `field` names it.",
    429: "Too many submissions wait to be decided.",
    503: "The broker did not acknowledge in time, or a part cannot be reached.",
}
_RETRY = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string", "pattern": "^[0-9]+$"}}}


def document(settings: Settings) -> dict[str, Any]:
    """The document served at /openapi.json."""
    types = (door.SubmissionIn, ConsentLine, ComplaintLine, Accepted, Items, BatchAnswer, ErrorAnswer, SubmissionStatus)
    of_replies = (Replies, Having, TakenReplies, AppealLine, Appeal)
    _, schemas = msgspec.json.schema_components(types + of_replies, ref_template=_REF + "{name}")
    fields = schemas["SubmissionIn"]["properties"]
    for name, words in _fields(settings).items():
        fields[name] |= words
    schemas["SubmissionIn"]["example"] = _EXAMPLE
    schemas["ConsentLine"]["example"] = _CONSENT
    schemas["ComplaintLine"]["example"] = _COMPLAINT
    complaint = {"$ref": _REF + "ComplaintLine"}
    complaints = {"type": "array", "items": complaint, "minItems": 1, "maxItems": settings.api_items}
    consent = {"$ref": _REF + "ConsentLine"}
    consents = {"type": "array", "items": consent, "minItems": 1, "maxItems": settings.api_items}
    one = {"$ref": _REF + "SubmissionIn"}
    several = {"type": "array", "items": one, "minItems": 1, "maxItems": settings.api_items}
    return {
        "openapi": "3.1.0",
        "info": {"title": "antispam", "version": "1", "description": _ABOUT},
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "The API key of a port."},
                "channel": {"type": "http", "scheme": "bearer", "description": "The key of complaint channels."},
            },
        },
        "security": [{"key": []}],
        "paths": {
            "/v1/submissions": {
                "post": {
                    "operationId": "submit",
                    "summary": "Send one submission or several",
                    "description": f"At most {settings.api_body_bytes} bytes. An array is accepted item by item: 202 "
                    "if any is newly accepted, 200 if others were accepted before; `results` has each result.",
                    "requestBody": _body(
                        {
                            "application/json": {
                                "schema": {"anyOf": [one, several]},
                                "examples": {"one": {"value": _EXAMPLE}, "several": {"value": [_EXAMPLE]}},
                            }
                        }
                    ),
                    "responses": _answers(
                        {
                            202: ("Acknowledged by the broker.", Accepted, Items),
                            200: ("Was accepted before.", Accepted, Items),
                        },
                        (400, 401, 403, 408, 409, 413, 415, 422, 429, 503),
                        Items,
                    ),
                }
            },
            "/v1/batches": {
                "post": {
                    "operationId": "send_batch",
                    "summary": "Send a file of submissions",
                    "description": "One submission a line (jsonl), or csv with a header of the same names and "
                    "recipients separated by `;` or `|`. "
                    f"UTF-8 or GBK, plain or gzip, at most {settings.api_batch_bytes} bytes unpacked. "
                    "Good lines are accepted, bad lines named. A line without an id gets one from the file's content, "
                    "so the same file sent again creates no submission twice.",
                    "requestBody": _body(
                        {
                            "application/x-ndjson": {
                                "schema": {"type": "string", "contentMediaType": "application/x-ndjson"}
                            },
                            "text/csv": {"schema": {"type": "string", "contentMediaType": "text/csv"}},
                        }
                    ),
                    "responses": _answers(
                        {
                            202: ("At least one line was newly accepted.", BatchAnswer),
                            200: ("All lines were accepted before.", BatchAnswer),
                        },
                        (400, 401, 403, 408, 409, 413, 415, 422, 429, 503),
                        BatchAnswer,
                    ),
                }
            },
            "/v1/consents": {
                "post": {
                    "operationId": "record_consents",
                    "summary": "Record consents to commercial messages of the key's port",
                    "description": "`consent`: the recipient agreed; `request`: the recipient asked for the messages; "
                    "`asked`: the recipient was asked; `refused`. Of several entries, the latest `given_at` counts. "
                    "A consent and a request need the `source` of their proof. Nobody may be asked again after a "
                    "refusal, and no answer is a refusal: 409. An entry sent again changes nothing.",
                    "requestBody": _body(
                        {
                            "application/json": {
                                "schema": {"anyOf": [consent, consents]},
                                "examples": {"one": {"value": _CONSENT}, "several": {"value": [_CONSENT]}},
                            }
                        }
                    ),
                    "responses": _answers(
                        {202: ("Recorded; in force within seconds.", Items)},
                        (400, 401, 403, 408, 409, 413, 415, 422, 503),
                        Items,
                    ),
                }
            },
            "/v1/replies": {
                "get": {
                    "operationId": "replies",
                    "summary": "What subscribers wrote to the key's port",
                    "description": f"The oldest {MOST} messages that were not named to `/v1/replies/taken` yet.",
                    "responses": _answers({200: ("The messages, oldest first.", Replies)}, (401, 503)),
                }
            },
            "/v1/replies/taken": {
                "post": {
                    "operationId": "take_replies",
                    "summary": "Say that you have these messages",
                    "description": "They are not told again. An unknown id, and one named before, changes nothing.",
                    "requestBody": _body(
                        {
                            "application/json": {
                                "schema": {"$ref": _REF + "Having"},
                                "examples": {"one": {"value": {"ids": ["00000000000004d2"]}}},
                            }
                        }
                    ),
                    "responses": _answers({200: ("Noted.", TakenReplies)}, (400, 401, 403, 408, 413, 415, 422, 503)),
                }
            },
            "/v1/complaints": {
                "post": {
                    "operationId": "send_complaints",
                    "summary": "Send complaints of recipients; for complaint channels, not for ports",
                    "description": "A `recipient` may hide digits (`138****0001`). A complaint sent again, by its "
                    "source and reference or by all that it says, is answered 200 with `duplicate: true` and counts "
                    "once.",
                    "security": [{"channel": []}],
                    "requestBody": _body(
                        {
                            "application/json": {
                                "schema": {"anyOf": [complaint, complaints]},
                                "examples": {"one": {"value": _COMPLAINT}, "several": {"value": [_COMPLAINT]}},
                            }
                        }
                    ),
                    "responses": _answers(
                        {202: ("At least one is new.", Items), 200: ("All were taken before.", Items)},
                        (400, 401, 408, 413, 415, 422, 503),
                        Items,
                    ),
                }
            },
            "/v1/appeals": {
                "post": {
                    "operationId": "appeal",
                    "summary": "Ask that a refusal or the suspension of the port is looked at again",
                    "description": "Against the refusal of `submission`, or without one against the suspension. "
                    "Another person than the first decides; the answer comes as a callback, and here. An appeal filed "
                    "again is the first one. 409: the submission was not refused, or the port is not suspended.",
                    "requestBody": _body(
                        {
                            "application/json": {
                                "schema": {"$ref": _REF + "AppealLine"},
                                "examples": {"one": {"value": _APPEAL}},
                            }
                        }
                    ),
                    "responses": _answers({202: ("Filed.", Appeal)}, (400, 401, 408, 409, 413, 415, 422, 503)),
                }
            },
            "/v1/appeals/{id}": {
                "get": {
                    "operationId": "appeal_state",
                    "summary": "The state of an appeal: open, granted or denied, with its answer",
                    "parameters": [
                        {
                            "name": "id",
                            "in": "path",
                            "required": True,
                            "example": 7,
                            "schema": {"type": "integer", "minimum": 1},
                        }
                    ],
                    "responses": _answers({200: ("The appeal.", Appeal)}, (401, 404, 503)),
                }
            },
            "/v1/submissions/{id}": {
                "get": {
                    "operationId": "status",
                    "summary": "The state of each recipient",
                    "parameters": [
                        {
                            "name": "id",
                            "in": "path",
                            "required": True,
                            "example": "order-4711",
                            "schema": {"type": "string", "minLength": 1, "maxLength": 128},
                        }
                    ],
                    "responses": _answers(
                        {200: ("The state of the submission.", SubmissionStatus)}, (400, 401, 404, 503)
                    ),
                }
            },
        }
        | {path: _open(summary, media) for path, summary, media in _OPEN},
    }


_OPEN = (
    ("/health", "200 while the process runs", "application/json"),
    ("/ready", "200 once requests can be served, 503 with what is missing", "application/json"),
    ("/metrics", "Prometheus text format", "text/plain"),
)


def _open(summary: str, media: str) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "Yes.", "content": {media: {"schema": {}}}}}
    if summary.startswith("200 once"):
        responses["503"] = {"description": "Not yet.", "content": {media: {"schema": {}}}}
    return {"get": {"summary": summary, "security": [], "responses": responses}}


def _body(content: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": content}


def _answers(good: dict[int, tuple[Any, ...]], bad: tuple[int, ...], partial: Any = None) -> dict[str, Any]:
    answers = {str(status): _answer(words, *types) for status, (words, *types) in good.items()}
    refused = (ErrorAnswer,) if partial is None else (ErrorAnswer, partial)
    return answers | {str(status): _answer(_WORDS[status], *refused, retry=status in (429, 503)) for status in bad}


def _answer(words: str, *types: Any, retry: bool = False) -> dict[str, Any]:
    refs = [{"$ref": _REF + kind.__name__} for kind in types]
    schema = refs[0] if len(refs) == 1 else {"anyOf": refs}
    headers = {"headers": _RETRY} if retry else {}
    return {"description": words, "content": {"application/json": {"schema": schema}}} | headers


def _fields(settings: Settings) -> dict[str, dict[str, Any]]:
    """The rules of `door.py` that the types do not express."""
    time = "ISO 8601 with a zone, or epoch milliseconds."
    return {
        "port": {"description": "The port, with or without an extension.", "examples": ["10690001"]},
        "recipients": {
            "description": "Phone numbers in any usual spelling. A repeated number counts once.",
            "minItems": 1,
            "examples": [["13800000001"]],
        },
        "content": {"description": "The text, in code points.", "minLength": 1, "maxLength": settings.max_content},
        "id": {"description": "Your id, unique per port: 1 to 128 printable ASCII characters without spaces."},
        "batch": {"description": "Your name for the task that this submission belongs to."},
        "batch_size": {"description": "Number of messages in the whole batch."},
        "template": {"description": "The registered template that the text follows."},
        "priority": {
            "description": "The lane: bulk by default for a batch over 50, always for a submission over 50 messages."
        },
        "valid_until": {"description": f"Latest time of sending. {time}"},
        "scheduled_at": {
            "description": f"Earliest time of sending: at most 7 days ahead, and before valid_until. {time}"
        },
        "submitted_at": {"description": f"The time by your clock. It is stored, but not used. {time}"},
    }
