"""Reads the parts of a Markdown file that are checked: blocks of code, headings, links, words in backticks."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

FENCE = re.compile(r"^(`{3,})(.*)$")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
CODE = re.compile(r"(`+)(.+?)\1")
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]*)\)")


@dataclass
class Block:
    """A fenced block. `line` is that of its opening fence, counted from 1."""

    line: int
    language: str
    flags: set
    options: dict
    lines: list = field(default_factory=list)
    # Of what runs: the output that is expected, another block.
    output: "Block | None" = None

    @property
    def text(self):
        return "".join(f"{line}\n" for line in self.lines)

    @property
    def end(self):
        """The line of the closing fence."""
        return self.line + len(self.lines) + 1


class Page:
    """A Markdown file."""

    def __init__(self, path, text=None):
        self.path = Path(path)
        self.lines = (self.path.read_text() if text is None else text).splitlines()
        self.blocks = []
        self.unclosed = None
        # The lines outside of blocks, as (number, line).
        self.prose = []
        self._split()

    def _split(self):
        block = closing = None
        for number, line in enumerate(self.lines, 1):
            fence = FENCE.match(line)
            if block is None and fence:
                closing = fence[1]
                block = _opened(number, fence[2])
            elif block is not None and line.rstrip() == closing:
                self.blocks.append(block)
                block = None
            elif block is not None:
                block.lines.append(line)
            else:
                self.prose.append((number, line))
        self.unclosed = block and block.line

    @cached_property
    def headings(self):
        """(line, level, text) of each."""
        found = ((number, HEADING.match(line)) for number, line in self.prose)
        return [(number, len(it[1]), it[2]) for number, it in found if it]

    @cached_property
    def anchors(self):
        """What GitHub calls the headings: the second of a name has -1 behind it."""
        names, seen = set(), {}
        for _, _, text in self.headings:
            name = slug(text)
            seen[name] = seen.get(name, -1) + 1
            names.add(f"{name}-{seen[name]}" if seen[name] else name)
        return names

    @cached_property
    def links(self):
        """(line, target) of each."""
        return [
            (number, target)
            for number, line in self.prose
            for target in LINK.findall(CODE.sub("`code`", line))
        ]

    @cached_property
    def code(self):
        """(line, text) of what stands in backticks outside of blocks."""
        return [(number, it[1]) for number, line in self.prose for it in CODE.findall(line)]


def _opened(number, info):
    language, *words = info.split() or [""]
    options = dict(word.split("=", 1) for word in words if "=" in word)
    return Block(number, language, {word for word in words if "=" not in word}, options)


def slug(heading):
    """The anchor of a heading: lower case, without punctuation, hyphens for spaces."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
