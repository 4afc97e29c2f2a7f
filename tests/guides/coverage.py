"""What the OpenAPI documents have and no guide explains: operations and codes of refusals."""

import json
import re
from urllib.parse import urlsplit

METHODS = ("get", "put", "post", "delete", "patch")
OPERATION = re.compile(r"^(GET|PUT|POST|DELETE|PATCH) (/\S*)$")


def operations(document):
    """(method, path from the server's root, path in the document) of each."""
    root = urlsplit(document["servers"][0]["url"]).path
    return [
        (method.upper(), root + path, path)
        for path, item in document["paths"].items()
        for method in item
        if method in METHODS
    ]


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
        for method, operation, own in operations(document):
            if (method, plain(operation)) not in explained:
                yield path, _line(lines, f'"{own}": {{'), f"no guide explains `{method} {operation}`"
        for code in sorted(codes(document) - words):
            yield path, _line(lines, f'"{code}"'), f"no guide explains the code `{code}`"


def unknown(documents, pages):
    """Operations that a guide names and that no document has."""
    all_operations = (it for path in documents for it in operations(json.loads(path.read_text())))
    known = {(method, plain(path)) for method, path, _ in all_operations}
    for page in pages:
        for line, text in page.code:
            named = OPERATION.match(text)
            if named and (named[1], plain(named[2])) not in known:
                yield page.path, line, f"`{text}`: no document has this operation"


def _line(lines, wanted):
    return next((number for number, line in enumerate(lines, 1) if wanted in line), 1)
