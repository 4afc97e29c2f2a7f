"""The package as it is installed."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import nimbus_os

# Loaded again, what depends on the version takes the way of an older one.
ON_AN_OLDER_PYTHON = """
import importlib, sys
import typing_extensions
from nimbus_os import _compat
from nimbus_os.types import orders
sys.version_info = (3, 9, 0, "final", 0)
importlib.reload(_compat)
importlib.reload(orders)
assert _compat.TypedDict is typing_extensions.TypedDict
print(*orders.OrderCreate.__annotations__)
"""


def test_the_version_is_the_packages() -> None:
    assert importlib.metadata.version("nimbus-os") == nimbus_os.__version__


def test_everything_that_is_named_is_there() -> None:
    assert all(hasattr(nimbus_os, name) for name in nimbus_os.__all__)


def test_the_types_are_there_before_python_3_11() -> None:
    command = [sys.executable, "-c", ON_AN_OLDER_PYTHON]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    assert "patientId" in done.stdout.split()
