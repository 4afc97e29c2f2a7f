"""The order of the guides: `index.toml`, which lists every file once, and the form that a guide has."""

import tomllib

MAX_SUMMARY = 200


def listed(folder):
    """(group, file) of each guide, in their order."""
    with (folder / "index.toml").open("rb") as file:
        groups = tomllib.load(file)["group"]
    return [(group["title"], name) for group in groups for name in group["guides"]]


def faults(folder, pages):
    """What is wrong with the index and the beginnings of the guides."""
    index = folder / "index.toml"
    lines = index.read_text().splitlines()
    names = [name for _, name in listed(folder)]
    for number, line in enumerate(lines, 1):
        for name in set(names):
            if f'"{name}"' not in line:
                continue
            if not (folder / name).is_file():
                yield index, number, f"there is no {name}"
            elif names.count(name) > 1:
                yield index, number, f"{name} is listed {names.count(name)} times"
    for page in pages:
        if page.path.name not in names:
            yield page.path, 1, "is not in index.toml"
        yield from ((page.path, line, text) for line, text in _form(page))


def _form(page):
    if not page.headings or page.headings[0][:2] != (1, 1):
        yield 1, "a guide begins with `# ` and its title"
    for line, level, _ in page.headings[1:]:
        if level == 1:
            yield line, "a guide has one title"
    summary = page.lines[2].strip() if len(page.lines) > 2 else ""
    if not summary or summary[0] in "#`|-" or not summary.endswith("."):
        yield 3, "the title is followed by an empty line and a sentence that says what the guide is about"
    elif len(summary) > MAX_SUMMARY:
        yield 3, f"the summary has {len(summary)} characters, and at most {MAX_SUMMARY} are shown"
