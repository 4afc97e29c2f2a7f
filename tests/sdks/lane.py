"""Commands of one SDK's checks: quiet while they succeed, and with everything they said when they do not."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "conformance"))

from sandbox import Sandbox  # noqa: E402

SECONDS = 240
# What a process of the tests is not to take from the environment of whoever runs them.
UNSET = ("NIMBUS_API_KEY", "NIMBUS_BASE_URL", "PYTHONPATH", "NODE_PATH")


class Failed(Exception):
    """A command that did not succeed, with what it said."""


def run(*command, folder, **environment):
    """What a command prints."""
    inherited = {name: value for name, value in os.environ.items() if name not in UNSET}
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=inherited | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
    )
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def told(sandbox):
    """A sandbox for tests."""
    return {"NIMBUS_TEST_SANDBOX": json.dumps(sandbox.seed | {"url": sandbox.url})}


def for_readme(sandbox):
    """The environment that a README's program expects, and the event that its receiver is sent."""
    return {
        "NIMBUS_API_KEY": sandbox.seed["keys"]["integration"],
        "NIMBUS_BASE_URL": sandbox.url,
        "NIMBUS_WEBHOOK_SECRET": "whsec_" + base64.b64encode(os.urandom(32)).decode(),
        "NIMBUS_TEST_EVENT": str(ROOT / "testdata" / "contract" / "shipment_created.json"),
        "PORT": "0",
    }


__all__ = ["HERE", "ROOT", "Failed", "Sandbox", "for_readme", "run", "told"]
