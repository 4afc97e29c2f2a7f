"""Runs Schemathesis against the OpenAPI documents, each on a sandbox of its own that this program starts.

    run.py BINARY [RUN…]     runs: integration operations orders partner limits made deleted (all)
"""

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import documents
import ids
import world
from exceptions import Exceptions
from sandbox import FEED_SECRET, ONBOARDING_TOKEN, Sandbox

HERE = Path(__file__).resolve().parent
# Who calls: by one of the seed's keys, or with the secrets of staff and machines.
INTEGRATION, PHARMACY_PARTNER, STAFF = "integration", "pharmacy_partner", "staff"
# Each run: its document, who calls, the rate limits of the sandbox, and options of Schemathesis. `limits` runs into
# its limits on purpose. `made` and `deleted` do little but make, read and delete: among many operations it is seldom
# by chance that what was made, or deleted, is asked for next.
LOW = {"RATE_LIMIT_WRITES": "30", "RATE_LIMIT_READS": "30"}
SHORT = ["--phases", "examples,coverage"]
STATEFUL = ["--phases", "stateful", "--include-operation-id-regex"]
RUNS = {
    "integration": ("integration", INTEGRATION, {}, []),
    "operations": ("operations", STAFF, {}, []),
    "orders": ("orders", INTEGRATION, {}, []),
    "partner": ("partner", PHARMACY_PARTNER, {}, []),
    "limits": ("orders", INTEGRATION, LOW, SHORT),
    "made": ("orders", INTEGRATION, {}, [*STATEFUL, "^(create|get)Order$"]),
    "deleted": ("partner", PHARMACY_PARTNER, {}, [*STATEFUL, "^(create|get|delete)Webhook$"]),
}
# These try a part of a document that another run tries as a whole.
PARTS = ["limits", "made", "deleted"]
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
# One run may take this long; the usual is one to three minutes.
RUN_SECONDS = 480


class Outcome:
    """What one run found."""

    def __init__(self, name, status, output, facts, document, seconds):
        self.name, self.status, self.output, self.seconds = name, status, output, seconds
        self.mistakes = facts["mistakes"]
        self.used = set(facts["used"])
        self.replies = facts["replies"]
        # Whether the other clinic tried to read what is not its own.
        self.stranger = facts["stranger"]
        self.operations = {it["operationId"] for item in document["paths"].values() for it in item.values()}

    def count(self, first=""):
        return sum(
            number
            for statuses in self.replies.values()
            for status, number in statuses.items()
            if status.startswith(first)
        )

    def never(self, first):
        """The operations that never answered a status that begins so."""
        answered = {
            operation
            for operation, statuses in self.replies.items()
            if any(status.startswith(first) for status in statuses)
        }
        return self.operations - answered


def prepare(folder, document, caller, sandbox, lists):
    """Writes what a run reads into its folder."""
    (folder / "dictionaries").mkdir(parents=True)
    for name, values in lists.items():
        lines = "".join(f'"{value}"\n' for value in values)
        (folder / "dictionaries" / f"{name}.txt").write_text(lines)
    (folder / "document.json").write_text(json.dumps(documents.live(document, lists)))
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
    document = documents.read(source)
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
        facts = json.loads(facts.read_text())
        facts["mistakes"] = [line for line in sandbox.log.read_text().splitlines() if " ERROR " in line]
        facts["stranger"] = caller == STAFF or sandbox.was_used("other_clinic")
    return Outcome(name, done.returncode, done.stdout, facts, document, time.monotonic() - started)


def judge(outcomes, everything):
    """What is wrong with the runs beyond Schemathesis' own findings."""
    listed = Exceptions()
    silent = {entry["operation"] for entry in listed.silent}
    wrong = [line for outcome in outcomes for line in judge_one(outcome, silent)]
    if everything:
        answered = {operation for outcome in outcomes for operation in outcome.operations - outcome.never("2")}
        known = {operation for outcome in outcomes for operation in outcome.operations}
        for operation in sorted(silent & answered | silent - known):
            wrong.append(f"exceptions.toml: {operation} is listed as silent and need not be")
        used = set().union(*(outcome.used for outcome in outcomes))
        for position, entry in enumerate(listed.findings):
            if position not in used:
                wrong.append(f"exceptions.toml: nothing needs this any more: {entry['reason']}")
    return wrong


def judge_one(outcome, silent):
    wrong = [f"{outcome.name}: the server wrote {line}" for line in outcome.mistakes]
    if outcome.name == "limits" and not outcome.operations - outcome.never("429"):
        wrong.append("limits: no operation answered 429")
    if outcome.name in PARTS:
        return wrong
    if not outcome.stranger:
        wrong.append(f"{outcome.name}: object_level_authorization never asked as the other clinic")
    for operation in sorted(outcome.never("2") - silent):
        wrong.append(f"{outcome.name}: {operation} never answered 2xx: {outcome.replies.get(operation, {})}")
    return wrong


def table(outcomes):
    rows = [("run", "operations", "with 2xx", "requests", "2xx", "4xx", "seconds", "")]
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
    parser.add_argument("runs", nargs="*", metavar="RUN", choices=[[], *RUNS])
    options = parser.parse_args()
    names = options.runs or list(RUNS)
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
