"""What Schemathesis loads beside its configuration: counts replies, and lets written exceptions pass."""

import atexit
import collections
import functools
import itertools
import json
import os
import re
from pathlib import Path

import jsonschema_rs
import schemathesis
from schemathesis.generation.meta import TestPhase

from exceptions import Exceptions

exceptions = Exceptions()
replies = collections.defaultdict(collections.Counter)
used = set()
number = itertools.count(1)
REJECTED = "ST202"
IDEMPOTENCY_KEY = "Idempotency-Key"
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
RUN = os.environ["CONFORMANCE_RUN"]


def operation_id(case):
    return case.operation.definition.raw.get("operationId", case.operation.label)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Sets what would keep the checks from saying anything.

    A header loses what the HTTP library would refuse before there is a request. A valid Idempotency-Key is made one
    of its own: few are generated, and each would only ever work once. A read gets a tag that fits nothing: whether
    what was made can be read is checked only where no parameter of the read is left out. An empty `If-Match` is what
    is left of a tag when the generator has dropped the quotes; it would hide whatever the body is about.
    """
    case.headers.update({name: readable(value) for name, value in case.headers.items()})
    key = case.headers.get(IDEMPOTENCY_KEY)
    if isinstance(key, str) and 0 < len(key) <= 200 and all("!" <= letter <= "~" for letter in key):
        case.headers[IDEMPOTENCY_KEY] = f"{key}-{next(number)}"
    if case.method == "GET":
        case.headers.setdefault("If-None-Match", '"another"')
    if case.headers.get("If-Match") == "" and is_about_another(case, "If-Match"):
        case.headers["If-Match"] = "*"


def is_about_another(case, parameter):
    """Whether a case of the coverage phase varies something else than this parameter."""
    phase = case.meta.phase
    return phase.name == TestPhase.COVERAGE and phase.data.parameter != parameter


def readable(value):
    """A header without the control characters that the HTTP library refuses before there is a request."""
    return CONTROL.sub("", value) if isinstance(value, str) else value


@schemathesis.hook
def after_call(context, case, response):
    replies[operation_id(case)][str(response.status_code)] += 1


@schemathesis.hook
def filter_failure(context, failure, case, response):
    if failure.code == REJECTED and not keeps_to_schema(case, case.body):
        # A value of a dictionary does not fit to the rest: the request was wrong indeed.
        return False
    try:
        body = json.loads(response.content)
    except ValueError:
        body = None
    kept = valid_but_for_blanks(case)
    covering = exceptions.excuse(failure.code, RUN, operation_id(case), response.status_code, body, kept)
    used.update(covering)
    return not covering


def valid_but_for_blanks(case):
    """Whether the body keeps to its schema once nulls and empty texts in it are taken for fields left out."""
    without = without_blanks(case.body)
    return without != case.body and keeps_to_schema(case, without)


def keeps_to_schema(case, body):
    """Whether a JSON body is one of those that the document allows; so is no body at all."""
    declared = case.operation.get_body_for_media_type(case.media_type)
    if declared is None or not isinstance(body, (dict, list)):
        return True
    return validator(json.dumps(declared.optimized_schema)).is_valid(body)


@functools.cache
def validator(schema):
    return jsonschema_rs.validator_for(json.loads(schema))


def without_blanks(value):
    if isinstance(value, dict):
        fields = value.items()
        return {name: without_blanks(field) for name, field in fields if not is_blank(field)}
    if isinstance(value, list):
        return [without_blanks(item) for item in value]
    return value


def is_blank(value):
    return value is None or isinstance(value, str) and not value.strip()


@atexit.register
def write():
    facts = {"replies": replies, "used": sorted(used)}
    Path(os.environ["CONFORMANCE_FACTS"]).write_text(json.dumps(facts))
