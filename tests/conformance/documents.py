"""The documents as a sandbox can be tried by them: the ids of their examples are ids that it has."""

import json
import re
from pathlib import Path

# What takes away, or ages, all that the other operations are tried on; the black-box tests of the sandbox try these.
DISRUPTIVE = {"resetSandbox", "moveSandboxClock", "resetAnySandbox", "moveAnySandboxClock", "deleteClinic"}
# Streams, whose replies have no end: the black-box tests read them over sockets.
ENDLESS = {"streamEvents", "streamOrderEvents"}
FOLDER = Path(__file__).resolve().parent.parent.parent / "openapi"
# The world's list whose first member an example's id stands for, by the property that shows the example.
SAMPLES = {
    "clinic_id": "clinic",
    "assigned_clinic": "clinic",
    "patient_id": "patient",
    "practitioner_id": "practitioner",
    "prescription_id": "prescription",
    "medication_order_id": "order",
    "medication_request_id": "request",
    "refill_request_id": "refill",
    "shipment_id": "shipment",
    "webhook_id": "webhook",
}


def read(name):
    document = json.loads((FOLDER / f"{name}.json").read_text())
    paths = document["paths"]
    for path, item in list(paths.items()):
        if any(operation.get("operationId") in DISRUPTIVE | ENDLESS for operation in item.values()):
            del paths[path]
    left = [operation for item in paths.values() for operation in item.values()]
    known = {operation["operationId"] for operation in left}
    for operation in left:
        for reply in operation["responses"].values():
            for name in reply.get("links", {}).keys() - known:
                del reply["links"][name]
    return document


def live(document, lists):
    """The document with the ids of its examples replaced by ids that the sandbox has."""
    text = json.dumps(document)
    kinds = {}
    for name, kind in SAMPLES.items():
        camel = re.sub(r"_(\w)", lambda letter: letter[1].upper(), name)
        quoted = json.dumps(lists[kind][0])
        # What begins with a dollar is the expression of a link.
        named = re.compile(rf'"({name}|{camel})": "([^"$][^"]*)"')
        for _, sample in named.findall(text):
            kinds.setdefault(sample, set()).add(quoted)
        text = named.sub(lambda found: f'"{found[1]}": {quoted}', text)
    # Elsewhere, as in a path, a sample stands for what it is a sample of, if that is one thing.
    for sample, quoted in kinds.items():
        if len(quoted) == 1:
            text = text.replace(f'"{sample}"', *quoted)
    document = json.loads(text)
    parameters = document.get("components", {}).get("parameters", {})
    # One key for every example would make the second of them a conflict.
    parameters.get("IdempotencyKey", {}).pop("example", None)
    for item in document["paths"].values():
        if "delete" in item and "get" in item:
            ask_again(item["delete"], item["get"])
    return document


def ask_again(delete, get):
    """Links a deletion to the read of what was deleted."""
    names = [parameter["name"] for parameter in get["parameters"] if parameter.get("in") == "path"]
    link = {"operationId": get["operationId"], "parameters": {name: f"$request.path.{name}" for name in names}}
    for status, reply in delete["responses"].items():
        if status.startswith("2"):
            reply.setdefault("links", {})["again"] = link
