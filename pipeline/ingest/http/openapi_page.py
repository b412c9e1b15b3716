"""The OpenAPI document as one page of plain HTML, without scripts and without anything loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import msgspec

CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{border:1px solid #ccc;padding:.3rem .5rem;text-align:left;"
    "vertical-align:top}pre{background:#f4f4f4;padding:.5rem;overflow:auto}.about{white-space:pre-wrap}"
)


def render(document: dict[str, Any]) -> str:
    """The page: the operations with their answers, then each schema with its fields."""
    info = document["info"]
    parts = [f"<h1>{escape(info['title'])}</h1><p class=about>{escape(info['description'])}</p>"]
    parts.append('<p><a href="openapi.json">openapi.json</a></p>')
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts.append(_operation(f"{method.upper()} {path}", operation))
    parts.append("<h2>Schemas</h2>")
    parts += [_schema(name, schema) for name, schema in document["components"]["schemas"].items()]
    head = f"<meta charset=utf-8><title>{escape(info['title'])}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>"


def _operation(title: str, operation: dict[str, Any]) -> str:
    words = escape(operation.get("description", ""))
    text = f"<h2>{escape(title)}</h2><p><b>{escape(operation['summary'])}.</b> {words}</p>"
    for media, body in operation.get("requestBody", {}).get("content", {}).items():
        text += f"<p>Body: <code>{escape(media)}</code> {_kind(body['schema'])}</p>"
        for example in body.get("examples", {}).values():
            pretty = msgspec.json.format(msgspec.json.encode(example["value"])).decode()
            text += f"<pre>{escape(pretty)}</pre>"
    rows = [
        (f"<b>{status}</b>", escape(answer["description"]), _kind(next(iter(answer["content"].values()))["schema"]))
        for status, answer in operation["responses"].items()
    ]
    return text + _table(("status", "meaning", "body"), rows)


def _schema(name: str, schema: dict[str, Any]) -> str:
    text = f"<h3 id={escape(name)}>{escape(name)}</h3><p>{escape(schema.get('description', ''))}</p>"
    required = schema.get("required", ())
    rows = [
        (f"<code>{escape(field)}</code>{'' if field in required else ' ?'}", _kind(kind), escape(_words(kind)))
        for field, kind in schema.get("properties", {}).items()
    ]
    return text + (_table(("field", "type", "meaning"), rows) if rows else f"<p>{_kind(schema)}</p>")


def _words(kind: dict[str, Any]) -> str:
    found: str = kind.get("description", "")
    return found or next((_words(k) for k in kind.get("anyOf", ()) if "description" in k), "")


def _kind(kind: dict[str, Any]) -> str:
    if "$ref" in kind:
        name = escape(kind["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in kind:
        return " or ".join(_kind(k) for k in kind["anyOf"])
    if "enum" in kind:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in kind["enum"])
    if kind.get("type") == "array":
        return f"list of {_kind(kind['items'])}"
    return escape(str(kind.get("type", "")))


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>{lines}</table>"
