#!/usr/bin/env python3
"""Steals the SQLite file of a sandbox, and shows what can and cannot be read of it.

    cargo build -p nimbus && docs/security/steal-the-store.py target/debug/nimbus

It fails if anything is otherwise than it says. Everything is in a temporary folder and made up.
"""

import base64
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import closing, contextmanager
from pathlib import Path

START_SECONDS, STOP_SECONDS = 60, 20

# Made up, and not to be met with by chance.
PATIENT = {
    "first_name": "Quillonia",
    "last_name": "Thistlewhackett",
    "gender": "female",
    "dob": "1953-08-17",
    "addresses": [
        {"addressLine1": "8841 Dragonfly Hollow", "city": "Marrowbridge", "state": "TX", "postalCode": "78702"}
    ],
    "contacts": [{"key": "email", "value": "quillonia.t@phi-example.com"}, {"key": "phone", "value": "5125550143"}],
    "medication_allergies": ["Sulfamoonbeam"],
    "medical_history": "recurrent daydreaming of tidepools",
    "notes": "knocks three times",
}
LINE = {
    "medication": "Lisinopril",
    "dose": "10mg",
    "quantity": 30,
    "unit_of_measure": "tablet",
    "refills": 3,
    "direction": "One tablet beneath the weeping larch",
    "days_supply": 30,
    "notes": "crushed into marmalade",
}
SECRETS = [
    "Quillonia",
    "Thistlewhackett",
    "1953-08-17",
    "8841 Dragonfly Hollow",
    "Marrowbridge",
    "quillonia.t@phi-example.com",
    "5125550143",
    "Sulfamoonbeam",
    "daydreaming of tidepools",
    "knocks three times",
    "weeping larch",
    "crushed into marmalade",
]


def check(holds, what):
    print(f"  {'ok   ' if holds else 'WRONG'} {what}")
    if not holds:
        sys.exit(1)


def spellings(value):
    """What would betray a value: as it is, in either case, as JSON, UTF-16, hexadecimal, base64 at any offset, and each of
    them backwards."""
    found = set()
    for text in {value, value.lower(), value.upper(), json.dumps(value)[1:-1]}:
        raw = text.encode()
        found |= {raw, text.encode("utf-16-le"), raw.hex().encode(), raw.hex().upper().encode()}
        for offset in range(3):
            encoded = base64.b64encode(bytes(offset) + raw).decode()
            # Characters that also hold bits of the neighbours are not the value's own.
            inner = encoded[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]
            found |= {inner.encode(), inner.replace("+", "-").replace("/", "_").encode()}
    return found | {one[::-1] for one in found}


def finds(values, data):
    return [value for value in values if any(one in data for one in spellings(value))]


class Store:
    """A data folder, and `nimbus` on it."""

    def __init__(self, binary, folder, **settings):
        self.binary, self.folder = binary, folder
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("NIMBUS_")}
        own = {"DATA_DIR": folder, "LOG": "warn", "ADMIN_LISTEN": "off", **settings}
        self.environment = inherited | {f"NIMBUS_{name}": str(value) for name, value in own.items()}

    def run(self, *arguments):
        return subprocess.run(
            [self.binary, *arguments], env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False
        )

    def json(self, *arguments):
        done = self.run(*arguments)
        if done.returncode:
            sys.exit(f"nimbus {' '.join(arguments)}: {done.stderr}")
        return json.loads(done.stdout)

    @contextmanager
    def serving(self):
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        arguments = [self.binary, "serve", "--listen", "127.0.0.1:0", "--port-file", port_file]
        with open(self.folder / "log", "ab") as log:
            process = subprocess.Popen(
                arguments, env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            until = time.monotonic() + START_SECONDS
            while not port_file.exists():
                if process.poll() is not None or time.monotonic() > until:
                    sys.exit(f"the server did not start\n{(self.folder / 'log').read_text()}")
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port_file.read_text().strip()}"
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def call(url, key, path, body=None):
    request = urllib.request.Request(f"{url}/api/external{path}", headers={"X-API-Key": key})
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)["data"]


def work(url, seed):
    """A patient and an order of theirs; the patient's id."""
    key, clinic = seed["keys"]["integration"], seed["clinic_id"]
    people = {"practitioner_id": seed["practitioner_id"], "assigned_clinic": clinic}
    patient = call(url, key, "/patient", PATIENT | people)["patient_id"]
    order = {
        "clinic_id": clinic,
        "patient_id": patient,
        "practitioner_id": seed["practitioner_id"],
        "delivery_speed": "business-day",
        "medication_requests": [LINE],
    }
    call(url, key, "/medication-order", order)
    return patient


def copied(source, folder):
    folder.mkdir()
    for name in ("nimbus.db", "nimbus.db-wal"):
        if (source / name).exists():
            shutil.copy(source / name, folder / name)
    return folder


def steal(source, folder):
    """The database file with its write-ahead log, as a thief copies them from a running machine or a backup. A copy that
    was caught in the middle of a write is of no use to a thief, who takes another."""
    for _ in range(50):
        copied(source, folder)
        # Opening a copy changes it: another one is looked at.
        scratch = copied(folder, folder.with_suffix(".scratch"))
        try:
            with closing(sqlite3.connect(scratch / "nimbus.db")) as db:
                if db.execute("pragma integrity_check").fetchone() == ("ok",):
                    return folder
        except sqlite3.DatabaseError:
            pass
        finally:
            shutil.rmtree(scratch)
        shutil.rmtree(folder)
    return sys.exit("no copy of the database was whole")


def look(folder):
    """Opens the copy as anybody can, and shows what there is of the patient."""
    with closing(sqlite3.connect(folder / "nimbus.db")) as db:
        db.row_factory = sqlite3.Row
        tables = [name for (name,) in db.execute("select name from sqlite_master where type = 'table' order by name")]
        rows = {name: db.execute(f'select count(*) from "{name}"').fetchone()[0] for name in tables}
        print(f"  {len(tables)} tables, {sum(rows.values())} rows: that there are {rows['patients']} patients and")
        print(f"  {rows['orders']} orders, their ids, times and statuses, and what is in no way a person's:")
        row = db.execute("select * from patients order by created_at desc limit 1").fetchone()
        for column in row.keys():
            value = row[column]
            shown = f"{len(value)} bytes, {value[:12].hex()}…" if isinstance(value, bytes) and len(value) > 16 else None
            print(f"    patients.{column:<24} {shown or (value.hex() if isinstance(value, bytes) else value)}")
        return rows


def main(binary):
    with tempfile.TemporaryDirectory(prefix="nimbus-theft-") as root:
        root = Path(root)
        key_file, next_file = root / "master.key", root / "next.key"
        home = root / "store"
        home.mkdir()
        key_file.write_bytes(base64.b64encode(os.urandom(32)) + b"\n")
        store = Store(binary, home, MASTER_KEY_FILE=key_file)
        seed = store.json("seed", "--json")
        clinic = seed["clinic_id"]

        print("A sandbox at work, and a thief who copies its database while it runs.")
        with store.serving() as url:
            patient = work(url, seed)
            stolen = steal(home, root / "stolen")

        print("\nWhat the thief can read:")
        data = b"".join(file.read_bytes() for file in sorted(stolen.iterdir()))
        rows = look(stolen)
        check(rows["patients"] > 0, "the copy is whole, and opens with sqlite3")

        print("\nWhat the thief cannot read:")
        check(finds(SECRETS, " ".join(SECRETS).encode()) == SECRETS, "the search finds what is there")
        check(bytes.fromhex(clinic.replace("-", "")) in data, "and does so in these files: the clinic's id is in clear")
        for value in SECRETS:
            check(not finds([value], data), f"no byte of {value!r}, in any spelling")
        for name, key in seed["keys"].items():
            check(not finds([key], data), f"no byte of the API key {name!r}, only its hash")

        print("\nWith the master key of another deployment:")
        other = root / "other.key"
        other.write_bytes(base64.b64encode(os.urandom(32)) + b"\n")
        before = (stolen / "nimbus.db").stat().st_size
        refused = Store(binary, stolen, MASTER_KEY_FILE=other).run("doctor")
        check(refused.returncode != 0 and "master key" in refused.stdout + refused.stderr, "the copy does not open")
        check((stolen / "nimbus.db").stat().st_size == before, "and is left as it is")

        print("\nWith the database and its own master key together, it opens: keep them apart, in backups too.")
        insider = steal(stolen, root / "insider")
        with Store(binary, insider, MASTER_KEY_FILE=key_file).serving() as url:
            read = call(url, seed["keys"]["integration"], f"/patient/{patient}")
            check(read["last_name"] == PATIENT["last_name"], "the patient is read by their name")

        print("\nThe clinic is erased, and the master key of its time retired and destroyed:")
        old = store.json("keys", "status")["master_key"]
        store.json("keys", "master", "rotate", "--new-key-file", str(next_file))
        store = Store(binary, home, MASTER_KEY_FILE=next_file)
        store.json("admin", "clinic", "delete", clinic)
        check(store.json("keys", "clinic", "destroy", clinic, "--confirm", clinic)["destroyed"], "its keys are destroyed")
        retired = store.run("keys", "master", "retire", old)
        check(retired.returncode == 0, "the old master key is retired")
        check(store.run("doctor").returncode == 0, "the store is sound, with everybody else's data")
        left = steal(home, root / "left")
        with closing(sqlite3.connect(left / "nimbus.db")) as db:
            of_clinic = "select count(*) from patients where clinic_id = ?"
            count = db.execute(of_clinic, (bytes.fromhex(clinic.replace("-", "")),)).fetchone()[0]
        check(count == 0, "no patient of the clinic is left in it")
        again = steal(stolen, root / "again")
        refused = Store(binary, again, MASTER_KEY_FILE=next_file).run("doctor")
        check(refused.returncode != 0, "the copy from before does not open with the key in use")
        key_file.unlink()
        print("  The key that opens that copy was in one file, which is gone now. Whoever kept it can still read the copy:")
        print("  a master key is destroyed wherever it is, and that is the operator's to do.")
        print("\nEverything is as it says.")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).resolve())
