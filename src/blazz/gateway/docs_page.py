"""A readable page of the OpenAPI document: plain HTML, no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --accent: #0a7d55; }
* { box-sizing: border-box } html { scroll-behavior: smooth; scroll-padding-top: 1rem }
body { margin: 0; font: 16px/1.55 system-ui, sans-serif; display: grid; grid-template-columns: 17rem minmax(0, 1fr) }
nav { border-right: 1px solid var(--line); padding: 1.5rem 1rem; position: sticky; top: 0; height: 100vh;
  overflow: auto; font-size: .9rem } nav a { display: block; padding: .15rem 0; color: inherit; text-decoration: none }
nav a:hover, nav a:focus { text-decoration: underline } nav h2 { font-size: .95rem; margin: 1rem 0 .25rem }
main { padding: 1.5rem 2rem 6rem; max-width: 62rem } h1 { margin-top: 0 }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; background: var(--soft) }
summary { padding: .6rem .8rem; cursor: pointer } details > div { padding: 0 1rem 1rem }
.m { display: inline-block; min-width: 4.2rem; font: 700 .8rem ui-monospace, monospace; color: var(--accent) }
.m.delete { color: #c0392b } .m.patch, .m.post { color: #b06a00 }
code, pre { font-family: ui-monospace, monospace; font-size: .88em } .dim { opacity: .7 }
table { border-collapse: collapse; width: 100%; font-size: .92rem } td, th { text-align: left; vertical-align: top;
  border-top: 1px solid var(--line); padding: .3rem .6rem .3rem 0 }
@media (max-width: 50rem) { body { display: block } nav { position: static; height: auto; border: 0 } }
"""
_METHODS = ("get", "post", "put", "patch", "delete")


def render(document: dict[str, Any]) -> str:
    """Return the page for an OpenAPI document."""
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in _METHODS
    ]
    sections, links = [], []
    for tag in [item["name"] for item in document.get("tags", [])]:
        mine = [item for item in operations if tag in item[2].get("tags", [])]
        if mine:
            links.append(f"<h2>{escape(tag)}</h2>" + "".join(_link(*item) for item in mine))
            sections.append(f"<h2>{escape(tag)}</h2>" + "".join(_operation(*item) for item in mine))
    schemas = document["components"]["schemas"]
    links.append("<h2>Shapes</h2>" + "".join(f'<a href="#s-{escape(name)}">{escape(name)}</a>' for name in schemas))
    shapes = "".join(_schema(name, schema) for name, schema in schemas.items())
    info = document["info"]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])} API</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f"<nav aria-label='Operations'><a href='#top'><b>{escape(info['title'])} API</b></a>{''.join(links)}</nav>"
        f"<main id='top'><h1>{escape(info['title'])} API <span class='dim'>{escape(info['version'])}</span></h1>"
        f"{_text(info.get('description', ''))}"
        f"<p>For tools: <a href='/api/openapi.json'>/api/openapi.json</a> (OpenAPI {escape(document['openapi'])}).</p>"
        f"{''.join(sections)}<h2>Shapes</h2>{shapes}</main></body></html>"
    )


def _anchor(path: str, method: str) -> str:
    return escape(f"{method}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}")


def _link(path: str, method: str, operation: dict[str, Any]) -> str:
    return f'<a href="#{_anchor(path, method)}">{escape(operation.get("summary", path))}</a>'


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(_parameter(item) for item in operation.get("parameters", []))
    parameters = f"<h4>Parameters</h4><table>{rows}</table>" if rows else ""
    body = operation.get("requestBody", {}).get("content", {})
    sent = "".join(
        f"<p>{_type(item.get('schema', {}))} as <code>{escape(kind)}</code></p>" for kind, item in body.items()
    )
    answers = "".join(_answer(status, answer) for status, answer in operation["responses"].items())
    keys = " or ".join(name for item in operation.get("security", []) for name in item) or "nothing: public"
    return (
        f'<details id="{_anchor(path, method)}"><summary><span class="m {method}">{method.upper()}</span> '
        f"<code>{escape(path)}</code> {escape(operation.get('summary', ''))}</summary><div>"
        f"{_text(operation.get('description', ''))}<p class='dim'>Needs: {escape(keys)}</p>{parameters}"
        f"{f'<h4>Body</h4>{sent}' if sent else ''}<h4>Answers</h4><table>{answers}</table></div></details>"
    )


def _parameter(item: dict[str, Any]) -> str:
    needed = "needed" if item.get("required") else ""
    return (
        f"<tr><td><code>{escape(item['name'])}</code></td><td class='dim'>{escape(item['in'])} {needed}</td>"
        f"<td>{_type(item.get('schema', {}))}</td><td>{escape(item.get('description', ''))}</td></tr>"
    )


def _answer(status: str, answer: dict[str, Any]) -> str:
    shapes = ", ".join(_type(item.get("schema", {})) for item in answer.get("content", {}).values())
    return f"<tr><td><code>{escape(status)}</code></td><td>{escape(answer['description'])}</td><td>{shapes}</td></tr>"


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code></td><td>{_type(item)}</td>"
        f"<td class='dim'>{'always' if field in required else ''}</td>"
        f"<td>{escape(item.get('description', ''))}</td></tr>"
        for field, item in schema.get("properties", {}).items()
    )
    shown = f"<table>{rows}</table>" if rows else f"<p>{_type(schema)}</p>"
    return (
        f'<details id="s-{escape(name)}"><summary><code>{escape(name)}</code></summary><div>'
        f"{_text(schema.get('description', ''))}{shown}</div></details>"
    )


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#s-{name}">{name}</a>'
    for union in ("anyOf", "oneOf", "allOf"):
        if union in schema:
            return " | ".join(_type(item) for item in schema[union])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(item))}</code>" for item in schema["enum"])
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    kind = schema.get("type", "any")
    return escape(f"{kind} ({schema['format']})" if "format" in schema else str(kind))


def _text(text: str) -> str:
    """Paragraphs, `code` and **bold** are all that our descriptions use."""
    paragraphs = []
    for paragraph in filter(None, (part.strip() for part in text.split("\n\n"))):
        shown = escape(paragraph)
        for mark, tag in (("**", "b"), ("`", "code")):
            parts = shown.split(mark)
            shown = "".join(f"<{tag}>{part}</{tag}>" if index % 2 else part for index, part in enumerate(parts))
        paragraphs.append(f"<p>{shown}</p>")
    return "".join(paragraphs)
