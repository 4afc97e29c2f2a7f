"""How blocks of code are marked, and what is wrong with those of a guide.

The first word behind the fence is the language, as everywhere. Of `sh`, `js` and `python` one of these follows, of `ts`
the file:

    run           it is executed, and must not fail
    run refused   it is executed, and curl may be refused what it asks for: the output shows that
    save=NAME     it is a file of its own, which blocks of all guides import
    file=PATH     it is a part of this file of the repository, moved to the left
    skip=WHY      it is not executed; WHY is a word or several with hyphens

`output` marks what was printed by the block before it, or by each of several that follow one another with nothing
between them (the same step in several languages).
"""

import json
import textwrap

PROGRAMS = ("sh", "js", "python")
# Programs that are quoted alone: who wants to run them has to compile them first.
QUOTED = ("ts",)
OUTPUTS = ("json", "text")


def pair_outputs(page):
    """Gives each block that runs its output."""
    tabs, end = [], None
    for block in page.blocks:
        between = page.lines[end : block.line - 1] if end else []
        if any(line.strip() for line in between) or (tabs and tabs[-1].output):
            tabs = []
        if "run" in block.flags:
            tabs.append(block)
        elif "output" in block.flags:
            for tab in tabs:
                tab.output = block
        end = block.end


def faults(root, page):
    """What is wrong with the blocks of a guide."""
    if page.unclosed:
        yield page.path, page.unclosed, "the block is not closed"
    shown = {id(block.output) for block in page.blocks if block.output}
    for block in page.blocks:
        fault = _fault(root, block, shown)
        if fault:
            yield page.path, block.line, fault


def _fault(root, block, shown):
    if not block.language:
        return "a block names its language: text where there is none"
    if "output" in block.flags:
        if block.language not in OUTPUTS:
            return f"an output is one of {', '.join(OUTPUTS)}"
        return None if id(block) in shown else "an output stands after the block that prints it"
    if block.language in PROGRAMS + QUOTED:
        return _program_fault(root, block)
    if block.flags or block.options:
        return "only sh, js and python are run"
    if block.language == "json":
        try:
            json.loads(block.text)
        except ValueError as fault:
            return f"is not JSON: {fault}"
    return None


def _program_fault(root, block):
    if block.flags - {"run", "refused"} or block.options.keys() - {"save", "file", "skip"}:
        return "is marked by a word that is not known"
    if ("run" in block.flags) + len(block.options) != 1:
        return "is marked by one of run, save=NAME, file=PATH and skip=WHY"
    if "refused" in block.flags and (block.language != "sh" or not block.output):
        return "what is refused is a run of sh with its output"
    if block.language in QUOTED and "file" not in block.options:
        return f"{block.language} is quoted from a file"
    if "file" in block.options:
        return _quotation_fault(root / block.options["file"], block)
    return None


def _quotation_fault(path, block):
    if not path.is_file():
        return f"there is no {block.options['file']}"
    lines = path.read_text().splitlines(keepends=True)
    starts = range(len(lines) - len(block.lines) + 1)
    parts = ("".join(lines[start : start + len(block.lines)]) for start in starts)
    if any(textwrap.dedent(part) == block.text for part in parts):
        return None
    return f"is not a part of {block.options['file']}"
