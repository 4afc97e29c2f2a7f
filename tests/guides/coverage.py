"""The guides beside the OpenAPI documents: operations and codes that no guide explains, and scopes that are others."""

import json
import re
from urllib.parse import urlsplit

METHODS = {"get", "put", "post", "delete", "patch"}
OPERATION = re.compile(r"^(GET|PUT|POST|DELETE|PATCH) (/\S*)$")
SCOPE = re.compile(r"^Scope: `(.*)`\.$", re.MULTILINE)
# What the table of a guide says where any key will do.
ANY_KEY = "any key"


def operations(document):
    """(method, path from the server's root, path in the document, scope) of each."""
    root = urlsplit(document["servers"][0]["url"]).path
    for path, item in document["paths"].items():
        for method in item.keys() & METHODS:
            scope = SCOPE.search(item[method].get("description", ""))
            yield method.upper(), root + path, path, f"`{scope[1]}`" if scope else ANY_KEY


def codes(part):
    """The codes of all the refusals that a part of a document shows."""
    if isinstance(part, list):
        return set().union(*map(codes, part))
    if not isinstance(part, dict):
        return set()
    error = part.get("error")
    own = {error["code"]} if isinstance(error, dict) and isinstance(error.get("code"), str) else set()
    return own.union(*map(codes, part.values()))


def plain(path):
    """A path without the names of its parameters and without its query."""
    return re.sub(r"\{[^}]*\}", "{}", path.partition("?")[0])


def faults(documents, pages):
    """What of the documents no guide names in backticks: `POST /orders`, `NOT_FOUND`."""
    words = {text for page in pages for _, text in page.code}
    explained = {(it[1], plain(it[2])) for it in map(OPERATION.match, words) if it}
    for path in documents:
        document = json.loads(path.read_text())
        lines = path.read_text().splitlines()
        for method, operation, own, _ in sorted(operations(document)):
            if (method, plain(operation)) not in explained:
                yield path, _line(lines, f'"{own}": {{'), f"no guide explains `{method} {operation}`"
        for code in sorted(codes(document) - words):
            yield path, _line(lines, f'"{code}"'), f"no guide explains the code `{code}`"


def wrong(documents, pages):
    """Operations that a guide names and no document has, and scopes in tables that are not those of the document."""
    everything = (it for path in documents for it in operations(json.loads(path.read_text())))
    scopes = {(method, plain(path)): scope for method, path, _, scope in everything}
    for page in pages:
        for line, text in page.code:
            named = OPERATION.match(text)
            if named and (named[1], plain(named[2])) not in scopes:
                yield page.path, line, f"`{text}`: no document has this operation"
        for line, text in page.prose:
            fault = _scope_fault(scopes, text)
            if fault:
                yield page.path, line, fault


def _scope_fault(scopes, row):
    """Of a row of a table: an operation alone in its cell has its scope in the next one, where scopes are given."""
    cells = [cell.strip() for cell in row.split("|")]
    for cell, following in zip(cells, cells[1:]):
        named = OPERATION.match(cell.strip("`"))
        scope = named and scopes.get((named[1], plain(named[2])))
        gives_scopes = following == ANY_KEY or re.fullmatch(r"`\w+:(read|write)`", following)
        if scope and gives_scopes and following != scope:
            return f"{cell} needs {scope}, and {following} is shown"
    return None


def _line(lines, wanted):
    return next((number for number, line in enumerate(lines, 1) if wanted in line), 1)
