"""Checks the guides and runs what is in them, each language of each on a sandbox of its own, and tests the receivers.

    run.py BINARY [GUIDE…]     only these, such as quickstart or receivers; if none is named all, and the checks
"""

import concurrent.futures
import subprocess
import sys
import time
import unittest
from functools import partial
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
RECEIVERS = ROOT / "examples" / "test_receivers.py"
RECEIVERS_SECONDS = 400
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
    yield from coverage.wrong(DOCUMENTS, guides)


def execute(binary, guides, with_receivers):
    """What is wrong with what runs."""
    everything, chosen = guides
    files = programs.saved(everything)
    with programs.Seeded(binary) as seeded, concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        # First, as it takes longest: the guides run beside it.
        tasks = [partial(receivers, binary)] if with_receivers else []
        run = partial(programs.run, seeded)
        tasks += [partial(run, guide, it, files) for guide in chosen for it in programs.languages(guide)]
        found = list(pool.map(lambda task: task(), tasks))
    blocks = sum("run" in block.flags for guide in chosen for block in guide.blocks)
    print(f"{blocks} blocks of {len(chosen)} guides, in {len(tasks)} programs")
    return [fault for faults in found for fault in faults]


def receivers(binary):
    """What is wrong with the receivers of the examples: what their tests say, if they fail."""
    done = subprocess.run(
        [sys.executable, RECEIVERS, binary],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RECEIVERS_SECONDS,
    )
    return [(RECEIVERS, 1, f"the tests fail:\n{done.stdout}")] if done.returncode else []


def own_tests():
    """Whether these modules pass their tests."""
    tests = unittest.defaultTestLoader.discover(str(HERE), pattern="test_*.py")
    return unittest.TextTestRunner(verbosity=0).run(tests).wasSuccessful()


def main(binary, names):
    started = time.monotonic()
    pages, guides = read()
    unknown = set(names) - {guide.path.stem for guide in guides} - {"receivers"}
    if unknown:
        sys.exit(f"there is no guide of the name {', '.join(unknown)}")
    chosen = [guide for guide in guides if not names or guide.path.stem in names]
    passed = bool(names) or own_tests()
    faults = [] if names else list(check(pages, guides))
    faults += execute(binary, (guides, chosen), not names or "receivers" in names)
    for path, line, text in faults:
        print(f"{path.relative_to(ROOT)}:{line}: {text}")
    print(f"{len(faults)} faults, {time.monotonic() - started:.0f} s")
    return 1 if faults or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
