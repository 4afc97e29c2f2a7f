"""The written exceptions: which findings are right as they are, and why. One that nothing needs is an error."""

import re
import tomllib
from pathlib import Path

FILE = Path(__file__).parent / "exceptions.toml"
# What `Fields` adds to a refusal that has another cause.
HINT = "is unknown and was ignored"


class Exceptions:
    """`finding`: a failure of a check that is right. `silent`: an operation that never answers 2xx here."""

    def __init__(self, text=None):
        listed = tomllib.loads(FILE.read_text() if text is None else text)
        self.findings = listed.get("finding", [])
        self.silent = listed.get("silent", [])
        for entry in self.findings + self.silent:
            if not entry.get("reason", "").strip():
                raise ValueError(f"an exception without a reason: {entry}")

    def excuse(self, code, run, operation_id, status, body, blanks):
        """The positions of the exceptions that together cover a failure; none if something is not covered.

        `blanks`: the request breaks its schema by nothing but nulls and empty texts in optional fields.
        """
        fitting = [
            (position, entry)
            for position, entry in enumerate(self.findings)
            if entry["check"] == code
            and status in entry["status"]
            and ("operations" not in entry or operation_id in entry["operations"])
            and ("runs" not in entry or run in entry["runs"])
            and (blanks or not entry.get("blanks"))
        ]
        reasons = refused(body)
        used = set()
        for error_code, field, message in reasons:
            covering = [position for position, entry in fitting if covers(entry, error_code, field, message)]
            if not covering:
                return set()
            used.update(covering[:1])
        return used


def covers(entry, error_code, field, message):
    return (
        ("codes" not in entry or error_code in entry["codes"])
        and re.fullmatch(entry.get("field", ".*"), field, re.DOTALL) is not None
        and re.fullmatch(entry.get("message", ".*"), message, re.DOTALL) is not None
    )


def refused(body):
    """The code of a refusal with each of the fields it names; a success has one reason without names."""
    error = body.get("error", {}) if isinstance(body, dict) else {}
    code = error.get("code", "")
    details = error.get("details") or []
    if isinstance(details, dict):
        details = details.get("errors") or [details]
    named = [
        (code, detail.get("field") or "", detail.get("message") or detail.get("reason") or "")
        for detail in details
    ]
    wanted = [reason for reason in named if reason[2] != HINT]
    return wanted or [(code, "", error.get("message", ""))]
