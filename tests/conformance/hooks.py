"""What Schemathesis loads beside its configuration: counts replies, and lets written exceptions pass."""

import atexit
import collections
import itertools
import json
import os
from pathlib import Path

import jsonschema_rs
import schemathesis

from exceptions import Exceptions

exceptions = Exceptions()
replies = collections.defaultdict(collections.Counter)
used = set()
number = itertools.count(1)
IDEMPOTENCY_KEY = "Idempotency-Key"
RUN = os.environ["CONFORMANCE_RUN"]


def operation_id(case):
    return case.operation.definition.raw.get("operationId", case.operation.label)


@schemathesis.hook
def before_call(context, case, kwargs):
    """A valid Idempotency-Key is made one of its own: few are generated, and each would only ever work once."""
    key = case.headers.get(IDEMPOTENCY_KEY)
    if isinstance(key, str) and 0 < len(key) <= 200 and all("!" <= letter <= "~" for letter in key):
        case.headers[IDEMPOTENCY_KEY] = f"{key}-{next(number)}"


@schemathesis.hook
def after_call(context, case, response):
    replies[operation_id(case)][str(response.status_code)] += 1


@schemathesis.hook
def filter_failure(context, failure, case, response):
    try:
        body = json.loads(response.content)
    except ValueError:
        body = None
    kept = valid_but_for_blanks(case)
    covering = exceptions.excuse(failure.code, RUN, operation_id(case), response.status_code, body, kept)
    used.update(covering)
    return not covering


def valid_but_for_blanks(case):
    """Whether the body keeps to its schema once the empty texts in it are taken for fields left out."""
    if not isinstance(case.body, (dict, list)):
        return False
    declared = case.operation.get_body_for_media_type(case.media_type)
    if declared is None:
        return False
    schema = declared.optimized_schema
    without = without_blanks(case.body)
    try:
        return without != case.body and jsonschema_rs.validator_for(schema).is_valid(without)
    except ValueError:
        return False


def without_blanks(value):
    if isinstance(value, dict):
        fields = value.items()
        return {name: without_blanks(field) for name, field in fields if not is_blank(field)}
    if isinstance(value, list):
        return [without_blanks(item) for item in value]
    return value


def is_blank(value):
    return isinstance(value, str) and not value.strip()


@atexit.register
def write():
    facts = {"replies": replies, "used": sorted(used)}
    Path(os.environ["CONFORMANCE_FACTS"]).write_text(json.dumps(facts))
