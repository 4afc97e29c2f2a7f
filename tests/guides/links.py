"""Links of the documentation: files and anchors that are not there."""

import os

# Where the binary serves what is not a guide. Their anchors are not known here.
SERVED = ("/api-reference", "/api-terms", "/changelog", "/openapi/")


def faults(root, pages, guides):
    """Links that lead nowhere. A guide is served by itself, so that it links to nothing else of the repository."""
    known = {page.path.resolve(): page for page in pages}
    for page in pages:
        is_guide = page.path.parent == guides
        for line, target in page.links:
            fault = _fault(root, guides, known, page, target, is_guide)
            if fault:
                yield page.path, line, f"{target}: {fault}"


def _fault(root, guides, known, page, target, is_guide):
    if target.startswith(("https://", "http://", "mailto:")):
        return None
    if target.startswith("/") and not target.startswith("/guides/"):
        return None if target.startswith(SERVED) else "nothing is served there"
    name, _, anchor = target.partition("#")
    if name.startswith("/guides/"):
        name = os.path.relpath(guides / f"{name.removeprefix('/guides/')}.md", page.path.parent)
    path = (page.path.parent / name).resolve() if name else page.path.resolve()
    if not path.exists():
        return "there is no such file"
    if not path.is_relative_to(root.resolve()):
        return "leaves the repository"
    if is_guide and path.parent != guides.resolve():
        return "a guide links to guides, to what is served beside them, and to other hosts"
    if anchor and path in known and anchor not in known[path].anchors:
        return "there is no such heading"
    return None
