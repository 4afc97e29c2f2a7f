"""Checks the guides and runs what is in them, each on a sandbox of its own.

    run.py BINARY [GUIDE…]     guides by their names, such as quickstart (all, with the checks of links and coverage)
"""

import concurrent.futures
import sys
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
GUIDES = ROOT / "docs" / "guides"
sys.path.append(str(HERE.parent / "conformance"))

import coverage  # noqa: E402
import index  # noqa: E402
import links  # noqa: E402
import notation  # noqa: E402
import programs  # noqa: E402
from markdown import Page  # noqa: E402

# Documents that partners read; what `partner.json` has is in the first as well.
DOCUMENTS = [ROOT / "openapi" / "integration.json", ROOT / "openapi" / "orders.json"]
# Two cores: one program runs while another's sandbox starts.
AT_ONCE = 2


def read():
    """All pages of the documentation, and the guides among them."""
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*/*.md")]
    pages = [Page(path) for path in sorted(paths)]
    guides = [page for page in pages if page.path.parent == GUIDES]
    for guide in guides:
        notation.pair_outputs(guide)
    return pages, guides


def check(pages, guides):
    """What is wrong with the pages as they stand."""
    yield from index.faults(GUIDES, guides)
    for guide in guides:
        yield from notation.faults(ROOT, guide)
    yield from links.faults(ROOT, pages, GUIDES)
    yield from coverage.faults(DOCUMENTS, guides)
    yield from coverage.unknown(DOCUMENTS, guides)


def execute(binary, guides, files):
    """What is wrong with what runs, and how much ran."""
    tasks = [(guide, language) for guide in guides for language in programs.languages(guide)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda task: programs.run(binary, *task, files), tasks))
    blocks = sum("run" in block.flags for guide in guides for block in guide.blocks)
    print(f"{blocks} blocks in {len(tasks)} programs of {len(guides)} guides")
    return [fault for faults in found for fault in faults]


def own_tests():
    """The tests of these modules."""
    tests = unittest.defaultTestLoader.discover(str(HERE), pattern="test_*.py")
    return unittest.TextTestRunner(verbosity=0).run(tests).wasSuccessful()


def main(binary, names):
    started = time.monotonic()
    pages, guides = read()
    faults = [] if names else list(check(pages, guides))
    chosen = [guide for guide in guides if not names or guide.path.stem in names]
    faults += execute(binary, chosen, programs.saved(guides))
    for path, line, text in faults:
        print(f"{path.relative_to(ROOT)}:{line}: {text}")
    passed = names or own_tests()
    print(f"{len(faults)} faults, {time.monotonic() - started:.0f} s")
    return 1 if faults or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
