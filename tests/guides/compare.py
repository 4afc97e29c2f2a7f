"""Compares what a block printed with the output that a guide shows.

`…` stands for anything: within a string or a line; as a whole string for any value; as a member `"…": "…"` for the
other members of an object; as the last item of a list for the items after it; as a whole line of text for any lines.
"""

import json
import re

ANYTHING = "…"


def difference(language, expected, printed):
    """What is wrong with the output, or None."""
    if language != "json":
        return text_difference(expected, printed)
    try:
        wanted = json.loads(expected)
    except ValueError as fault:
        return f"the output that is shown is not JSON: {fault}"
    try:
        found = json.loads(printed)
    except ValueError:
        return f"it did not print JSON but: {printed!r}"
    return json_difference(wanted, found)


def json_difference(wanted, found, path="$"):
    if wanted == ANYTHING:
        return None
    if isinstance(wanted, dict) and isinstance(found, dict):
        return _object_difference(wanted, found, path)
    if isinstance(wanted, list) and isinstance(found, list):
        return _list_difference(wanted, found, path)
    if isinstance(wanted, str) and isinstance(found, str):
        return None if _pattern(wanted).fullmatch(found) else f"{path}: {wanted!r} is shown, and it is {found!r}"
    # In Python True equals 1.
    if type(wanted) is type(found) and wanted == found:
        return None
    return f"{path}: {_short(wanted)} is shown, and it is {_short(found)}"


def _object_difference(wanted, found, path):
    others = ANYTHING in wanted
    for name, value in wanted.items():
        if name == ANYTHING:
            continue
        if name not in found:
            return f"{path}.{name}: is shown, and there is none"
        wrong = json_difference(value, found[name], f"{path}.{name}")
        if wrong:
            return wrong
    more = [name for name in found if name not in wanted]
    return None if others or not more else f"{path}: has more than is shown: {', '.join(more)}"


def _list_difference(wanted, found, path):
    others = wanted[-1:] == [ANYTHING]
    listed = wanted[:-1] if others else wanted
    if len(found) < len(listed) or (not others and len(found) > len(listed)):
        return f"{path}: {len(listed)} are shown, and there are {len(found)}"
    faults = (json_difference(value, found[i], f"{path}[{i}]") for i, value in enumerate(listed))
    return next((fault for fault in faults if fault), None)


def text_difference(expected, printed):
    parts = [
        r"(?:.*\n)*" if line.strip() == ANYTHING else _pattern(line).pattern + r"\n"
        for line in expected.splitlines()
    ]
    if re.fullmatch("".join(parts), "".join(f"{line}\n" for line in printed.splitlines())):
        return None
    return f"it printed:\n{printed.rstrip()}"


def _pattern(text):
    return re.compile(".*".join(re.escape(part) for part in text.split(ANYTHING)))


def _short(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else f"{text[:100]} and so on"
