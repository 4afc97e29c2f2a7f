"""Builds the generated clients and runs each on a sandbox of its own: run.py BINARY"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "conformance"))

from sandbox import Sandbox  # noqa: E402

TYPESCRIPT = HERE / "typescript"
STEPS = [
    ["openapi-typescript", "../../../openapi/orders.json", "--output", "src/orders.ts"],
    ["tsc"],
]


def typescript(binary):
    for step in STEPS:
        program = TYPESCRIPT / "node_modules" / ".bin" / step[0]
        subprocess.run([program, *step[1:]], cwd=TYPESCRIPT, check=True)
    with Sandbox(binary) as sandbox:
        seed = sandbox.seed
        settings = {
            "NIMBUS_URL": sandbox.url,
            "NIMBUS_API_KEY": seed["keys"]["integration"],
            "NIMBUS_OPS_TOKEN": seed["ops_token"],
            "NIMBUS_CLINIC_ID": seed["clinic_id"],
            "NIMBUS_PRACTITIONER_ID": seed["practitioner_id"],
            "NIMBUS_PATIENT_ID": seed["patient_id"],
            "NIMBUS_PRESCRIPTION_ID": seed["prescription_id"],
        }
        command = ["node", "built/main.js"]
        subprocess.run(command, cwd=TYPESCRIPT, env=os.environ | settings, check=True, timeout=120)


try:
    typescript(sys.argv[1])
except subprocess.CalledProcessError as failed:
    sys.exit(f"{' '.join(map(str, failed.cmd))}: {failed.returncode}")
