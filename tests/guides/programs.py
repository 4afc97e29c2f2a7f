"""Runs the blocks of a guide: those of one language are one program, at the lines where they stand in the guide."""

import os
import shutil
import subprocess
import sys

from compare import difference
from notation import PROGRAMS
from sandbox import Sandbox

PROGRAM_SECONDS = 180
# Stands before what each block prints, with the block's line.
MARK = "\x1e"
STARTS = {
    "sh": "printf '\\036%s\\n' {line}; export CURL_HOME={curl}",
    "js": 'process.stdout.write("\\u001e{line}\\n");',
    "python": 'print("\\x1e{line}", flush=True)',
}
COMMANDS = {
    "sh": ["bash", "-euo", "pipefail"],
    "js": ["node"],
    "python": [sys.executable],
}
ENDINGS = {"sh": "sh", "js": "mjs", "python": "py"}


class Seeded(Sandbox):
    """A store that is filled and not served, for others to copy: filling one for each program takes longer."""

    def __enter__(self):
        self.seed = self.fill()
        return self

    def __exit__(self, *_):
        self.folder.cleanup()


class GuideSandbox(Sandbox):
    """A sandbox with the limits of one that partners use."""

    def __init__(self, seeded):
        super().__init__(seeded.binary)
        self.seeded = seeded
        for name in ("WRITES", "READS", "UNAUTHENTICATED"):
            del self.environment[f"NIMBUS_RATE_LIMIT_{name}"]

    def fill(self):
        shutil.copytree(self.seeded.root / "data", self.root / "data")
        return self.seeded.seed


def languages(page):
    """The languages in which the guide has something to run."""
    found = {block.language for block in page.blocks if "run" in block.flags}
    return [language for language in PROGRAMS if language in found]


def saved(pages):
    """The files that blocks are saved to."""
    return {
        block.options["save"]: block.text for page in pages for block in page.blocks if "save" in block.options
    }


def compose(page, language, strict, lenient):
    """The program: the guide, with all but the blocks of the language blank.

    `strict` is the folder of curl's settings with which a refusal is a failure, `lenient` that of ordinary ones.
    """
    lines = [""] * len(page.lines)
    for block in page.blocks:
        if block.language == language and "run" in block.flags:
            curl = lenient if "refused" in block.flags else strict
            lines[block.line - 1] = STARTS[language].format(line=block.line, curl=curl)
            lines[block.line : block.end - 1] = block.lines
    return "".join(f"{line}\n" for line in lines)


def split(printed):
    """What each block printed, by its line."""
    _, *parts = printed.split(MARK)
    pairs = (part.partition("\n") for part in parts)
    return {int(line): text for line, _, text in pairs}


def faults(page, language, status, printed, complaint):
    """What the run of a program has to say: where it ended early, and outputs that are not those shown."""
    outputs = split(printed)
    blocks = {block.line: block for block in page.blocks}
    if status != 0:
        line = max(outputs, default=1)
        said = (outputs.get(line, "") + complaint).strip()
        yield page.path, line, f"the {language} block failed with {status}:\n{said}"
        del outputs[line]
    for line, text in outputs.items():
        output = blocks[line].output
        wrong = output and difference(output.language, output.text, text)
        if wrong:
            yield page.path, line, f"the {language} block is not as shown: {wrong}"


def run(seeded, page, language, files):
    """Executes the blocks of a language in a sandbox of their own; what is wrong."""
    with GuideSandbox(seeded) as sandbox:
        folder = sandbox.root / "work"
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        return execute(page, language, folder, environment(sandbox))


def execute(page, language, folder, variables):
    """Executes the blocks of a language in a folder, which is empty but for files of theirs; what is wrong."""
    strict, lenient = folder / "strict", folder / "lenient"
    for path, settings in ((strict, "fail-with-body\n"), (lenient, "")):
        path.mkdir()
        (path / ".curlrc").write_text(settings)
    program = folder / f"{page.path.stem}.{ENDINGS[language]}"
    program.write_text(compose(page, language, strict, lenient))
    try:
        done = subprocess.run(
            [*COMMANDS[language], program.name],
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROGRAM_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return [(page.path, 1, f"the {language} blocks did not end within {PROGRAM_SECONDS} s")]
    return list(faults(page, language, done.returncode, done.stdout, done.stderr))


def environment(sandbox):
    """What a partner's shell has: the keys of the sandbox, and the ids that it was made with."""
    seed = sandbox.seed
    own = {
        "NIMBUS_URL": sandbox.url,
        "NIMBUS_API_KEY": seed["keys"]["integration"],
        "CLINIC_ID": seed["clinic_id"],
        "PRACTITIONER_ID": seed["practitioner_id"],
        "PATIENT_ID": seed["patient_id"],
        "PRESCRIPTION_ID": seed["prescription_id"],
        "MEDICATION_ORDER_ID": seed["medication_order_id"],
        "MEDICATION_REQUEST_ID": seed["medication_request_id"],
        # A proxy has no business between a guide and its sandbox.
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("NIMBUS_")}
    return inherited | own
