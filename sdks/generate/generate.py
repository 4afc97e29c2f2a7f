"""Writes the generated files of both SDKs, or says which of them are not what it would write: generate.py [--check]

It runs in the environment of `tests/sdks/requirements.txt`, with the packages of `sdks/typescript` installed.
"""

import argparse
import ast
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import unasync

import shape

SDKS = Path(__file__).resolve().parent.parent
DOCUMENTS = SDKS.parent / "openapi"
TYPESCRIPT = SDKS / "typescript"
PYTHON = SDKS / "python"
PACKAGE = PYTHON / "src" / "nimbus_os"
# What is written by hand on both sides: one waits and the other does not.
BY_HAND = {"__init__.py", "_pages.py", "_time.py"}
# Names of the asynchronous code that do not become synchronous by losing `Async`.
OTHER_NAMES = {"AsyncPages": "Page", "aclose": "close", "aread": "read", "aiter_bytes": "iter_bytes"}
OTHER_NAMES |= {"asynccontextmanager": "contextmanager"}
# What comes from the package's own `_compat`.
NEWER = {"NotRequired", "TypeAlias", "TypedDict"}


def typescript_types(document, into):
    """The types of a shaped document as TypeScript."""
    program = TYPESCRIPT / "node_modules" / ".bin" / "openapi-typescript"
    options = ["--root-types", "--root-types-no-schema-prefix", "--alphabetize"]
    subprocess.run([program, document, *options, "--output", into], check=True, stdout=subprocess.DEVNULL)


def python_types(document, into):
    """The schemas of a shaped document as typed dictionaries."""
    subprocess.run(
        [
            *(sys.executable, "-m", "datamodel_code_generator"),
            *("--input", document, "--input-file-type", "openapi", "--output", into),
            *("--output-model-type", "typing.TypedDict", "--target-python-version", "3.10"),
            *("--no-use-union-operator", "--enum-field-as-literal", "all"),
            *("--use-schema-description", "--use-field-description", "--use-inline-field-description"),
            *("--disable-timestamp", "--formatters", "builtin"),
        ],
        check=True,
    )
    into.write_text(for_older_python(into.read_text()))


def for_older_python(source):
    """The generator writes for Python 3.10; what 3.9 lacks in `typing` comes from `_compat`."""
    imports = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ImportFrom) and node.module in ("typing", "typing_extensions")
    ]
    names = {alias.name for node in imports for alias in node.names}
    newer = ", ".join(sorted(names & NEWER))
    plain = ", ".join(sorted(names - NEWER))
    lines = source.splitlines(keepends=True)
    lines[imports[0].lineno - 1 : imports[-1].end_lineno] = [
        f"from typing import {plain}\n\n",
        f"from .._compat import {newer}\n",
    ]
    return "".join(lines)


def synchronous(into):
    """The synchronous half of the Python client, made of the asynchronous one."""
    sources = into.parent / "_async"
    shutil.copytree(PACKAGE / "_async", sources, ignore=shutil.ignore_patterns("__pycache__", *BY_HAND))
    files = sorted(map(str, sources.glob("*.py")))
    words = {word for file in files for word in re.findall(r"\bAsync\w+", Path(file).read_text())}
    names = {word: word.removeprefix("Async") for word in words} | OTHER_NAMES
    rule = unasync.Rule(f"{sources}/", f"{into}/", additional_replacements=names)
    unasync.unasync_files(files, [rule])
    for file in into.glob("*.py"):
        file.write_text(f"# Generated from _async by sdks/generate/generate.py.\n{file.read_text()}")


def generated(into):
    """Everything in a folder that is laid out as `sdks` is."""
    types = {"typescript": into / "typescript/src/generated", "python": into / "python/src/nimbus_os/types"}
    for folder in types.values():
        folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as temporary:
        for name, file in shape.DOCUMENTS.items():
            document = Path(temporary) / f"{name}.json"
            document.write_text(json.dumps(shape.shaped(json.loads((DOCUMENTS / file).read_text()))))
            typescript_types(document, types["typescript"] / f"{name}.ts")
            python_types(document, types["python"] / f"{name}.py")
        synchronous(Path(temporary) / "_sync")
        shutil.copytree(Path(temporary) / "_sync", into / "python/src/nimbus_os/_sync")
    ruff = [sys.executable, "-m", "ruff"]
    configured = ["--config", str(PYTHON / "pyproject.toml"), "--quiet", str(into / "python")]
    # Imports change their order with their names.
    subprocess.run([*ruff, "check", "--fix-only", "--select", "I,UP037", *configured], check=True)
    subprocess.run([*ruff, "format", *configured], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        generated(root)
        differing = []
        for made in sorted(path for path in root.rglob("*") if path.is_file()):
            kept = SDKS / made.relative_to(root)
            if not kept.exists() or kept.read_bytes() != made.read_bytes():
                differing.append(str(kept.relative_to(SDKS.parent)))
                if not check:
                    shutil.copyfile(made, kept)
    if check and differing:
        sys.exit(f"not what sdks/generate/generate.py makes now: {', '.join(differing)}")


main()
