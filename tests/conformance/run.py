"""Runs Schemathesis against the OpenAPI documents, each on a sandbox of its own that this program starts.

    run.py BINARY [DOCUMENT…]     documents: partner integration orders operations limits (all)
"""

import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import ids
import world
from exceptions import Exceptions
from sandbox import FEED_SECRET, ONBOARDING_TOKEN, Sandbox

HERE = Path(__file__).resolve().parent
DOCUMENTS = HERE.parent.parent / "openapi"
# Who calls: by one of the seed's keys, or with the secrets of staff and machines.
INTEGRATION, PHARMACY_PARTNER, STAFF = "integration", "pharmacy_partner", "staff"
# Each run: its document, who calls, the rate limits of the sandbox, and options of Schemathesis. `limits` runs into
# its limits on purpose.
LOW = {"RATE_LIMIT_WRITES": "30", "RATE_LIMIT_READS": "30"}
SHORT = ["--phases", "examples,coverage"]
RUNS = {
    "integration": ("integration", INTEGRATION, {}, []),
    "operations": ("operations", STAFF, {}, []),
    "orders": ("orders", INTEGRATION, {}, []),
    "partner": ("partner", PHARMACY_PARTNER, {}, []),
    "limits": ("orders", INTEGRATION, LOW, SHORT),
}
# How the orders API writes the ids of a list: with this prefix, in base62.
PREFIXES = {
    "patient": "pat",
    "prescription": "rx",
    "refillable_prescription": "rx",
    "spare_prescription": "rx",
    "on_file": "rx",
    "order": "ord",
    "refill": "ref",
    "webhook": "whk",
    "spare_webhook": "whk",
    "shipment": "shp",
}
# Two cores: one program sends while another server answers.
AT_ONCE = 2
# One run may take this long; the usual is about a minute.
RUN_SECONDS = 240
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


class Outcome:
    """What one run found."""

    def __init__(self, name, status, output, facts, document, seconds):
        self.name, self.status, self.output, self.seconds = name, status, output, seconds
        self.used = set(facts["used"])
        self.replies = facts["replies"]
        # Whether the other clinic tried to read what is not its own.
        self.stranger = facts["stranger"]
        self.operations = [
            operation["operationId"]
            for item in document["paths"].values()
            for method, operation in item.items()
            if isinstance(operation, dict) and "operationId" in operation
        ]

    def count(self, first=""):
        return sum(
            number
            for statuses in self.replies.values()
            for status, number in statuses.items()
            if status.startswith(first)
        )

    def never(self, first):
        """The operations that never answered a status that begins so."""
        return {
            operation
            for operation in self.operations
            if not any(status.startswith(first) for status in self.replies.get(operation, ()))
        }


def live(document, lists):
    """The document with the ids of its examples replaced by ids that the sandbox has."""
    text = json.dumps(document)
    kinds = {}
    for name, kind in SAMPLES.items():
        camel = re.sub(r"_(\w)", lambda letter: letter[1].upper(), name)
        quoted = json.dumps(lists[kind][0])
        named = re.compile(rf'"({name}|{camel})": "([^"]+)"')
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
    # What was deleted is asked for again.
    for item in document["paths"].values():
        if "delete" in item and "get" in item:
            parameters = {it["name"]: f"$request.path.{it['name']}" for it in item["get"]["parameters"] if it.get("in") == "path"}
            link = {"operationId": item["get"]["operationId"], "parameters": parameters}
            item["delete"]["responses"]["200"].setdefault("links", {})["again"] = link
    return document


def prepare(folder, document, caller, sandbox, lists):
    """Writes what a run reads into its folder."""
    (folder / "dictionaries").mkdir(parents=True)
    for name, values in lists.items():
        lines = "".join(f'"{value}"\n' for value in values)
        (folder / "dictionaries" / f"{name}.txt").write_text(lines)
    (folder / "document.json").write_text(json.dumps(live(document, lists)))
    auth = HERE / "auth.staff.toml"
    if caller != STAFF:
        auth = HERE / "auth.partner.toml"
        keys = {"clinic": sandbox.seed["keys"][caller], "other": sandbox.seed["keys"]["other_clinic"]}
        users = [
            {"name": name, "fixedHeaders": [{"name": "X-API-Key", "value": key}]}
            for name, key in keys.items()
        ]
        (folder / "auth.json").write_text(json.dumps({"auth": users}))
    parts = [HERE / "schemathesis.toml", auth]
    (folder / "schemathesis.toml").write_text("".join(part.read_text() for part in parts))


def run(name, binary):
    source, caller, limits, options = RUNS[name]
    document = json.loads((DOCUMENTS / f"{source}.json").read_text())
    started = time.monotonic()
    with Sandbox(binary) as sandbox:
        lists = world.fill(sandbox)
        if source == "orders":
            lists |= {"webhook": lists["orders_webhook"], "spare_webhook": lists["spare_orders_webhook"]}
            for kind, prefix in PREFIXES.items():
                lists[kind] = [ids.prefixed(prefix, text) for text in lists[kind]]
        if limits:
            sandbox.restart(**limits)
        folder = sandbox.root / "run"
        prepare(folder, document, caller, sandbox, lists)
        root = document["servers"][0]["url"].partition("//")[2].partition("/")[2]
        facts = folder / "facts.json"
        environment = os.environ | {
            "SCHEMATHESIS_HOOKS": "hooks",
            "PYTHONPATH": str(HERE),
            "NO_PROXY": "127.0.0.1",
            "CONFORMANCE_RUN": name,
            "CONFORMANCE_FACTS": str(facts),
            "OPS_TOKEN": sandbox.seed["ops_token"],
            "FEED_SECRET": FEED_SECRET,
            "ONBOARDING_TOKEN": ONBOARDING_TOKEN,
        }
        arguments = ["run", "document.json", "--url", f"{sandbox.url}/{root}".rstrip("/"), "--no-color", *options]
        done = subprocess.run(
            [Path(sys.executable).parent / "st", *arguments],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_SECONDS,
        )
        if not facts.exists():
            raise RuntimeError(f"{name}: Schemathesis did not run\n{done.stdout}")
        sandbox.stop()
        output = done.stdout + complaints(sandbox.log.read_text())
        facts = json.loads(facts.read_text())
        facts["stranger"] = caller == STAFF or sandbox.was_used("other_clinic")
    return Outcome(name, done.returncode, output, facts, document, time.monotonic() - started)


def complaints(log):
    """What the server wrote about its own mistakes."""
    return f"\nThe server's log:\n{log}" if " ERROR " in log else ""


def judge(outcomes, everything):
    """What is wrong with the runs beyond Schemathesis' own findings."""
    listed = Exceptions()
    wrong = []
    silent_everywhere = {entry["operation"] for entry in listed.silent}
    for outcome in outcomes:
        if outcome.name == "limits":
            throttled = set(outcome.operations) - outcome.never("429")
            if not throttled:
                wrong.append("limits: no operation answered 429")
            continue
        if not outcome.stranger:
            wrong.append(f"{outcome.name}: object_level_authorization never asked as the other clinic")
        for operation in sorted(outcome.never("2") - silent_everywhere):
            seen = outcome.replies.get(operation, {})
            wrong.append(f"{outcome.name}: {operation} never answered 2xx: {seen}")
        silent_everywhere -= set(outcome.operations) - outcome.never("2")
    if everything:
        known = {operation for outcome in outcomes for operation in outcome.operations}
        spoke = {entry["operation"] for entry in listed.silent} - silent_everywhere | silent_everywhere - known
        wrong += [f"exceptions.toml: `silent` lists {operation}, which needs it no more" for operation in sorted(spoke)]
        used = set().union(*(outcome.used for outcome in outcomes))
        for position, entry in enumerate(listed.findings):
            if position not in used:
                wrong.append(f"exceptions.toml: nothing needs this any more: {entry['reason']}")
    return wrong


def table(outcomes):
    rows = [("document", "operations", "with 2xx", "requests", "2xx", "4xx", "seconds", "")]
    for outcome in outcomes:
        numbers = [len(outcome.operations), len(outcome.operations) - len(outcome.never("2"))]
        numbers += [outcome.count(), outcome.count("2"), outcome.count("4"), round(outcome.seconds)]
        rows.append((outcome.name, *map(str, numbers), "ok" if outcome.status == 0 else "FAILED"))
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        cells = [cell.ljust(width) if i in (0, 7) else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=Path)
    parser.add_argument("documents", nargs="*", metavar="DOCUMENT", default=[])
    options = parser.parse_args()
    names = options.documents or list(RUNS)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(lambda name: run(name, options.binary), names))
    failed = [outcome for outcome in outcomes if outcome.status != 0]
    for outcome in failed:
        print(f"---- {outcome.name}\n{outcome.output}")
    wrong = judge(outcomes, everything=names == list(RUNS))
    table(outcomes)
    for line in wrong:
        print(line)
    sys.exit(1 if failed or wrong else 0)


if __name__ == "__main__":
    main()
