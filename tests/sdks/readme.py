"""The code of a README as one program, and what it says that it prints."""

import re


def program(readme, language):
    """The blocks of a language, one after the other: what one has made is there for the next."""
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```$", readme.read_text(), re.DOTALL | re.MULTILINE))


def promised(code):
    """What stands as a comment behind each line that prints."""
    return re.findall(r"^.*?(?:console\.log|print)\(.*\);?\s+(?://|#) (.+)$", code, re.MULTILINE)


def check(code, printed):
    """Raises where a program has not printed what it says. A handler prints when it is called, hence the sorting."""
    expected, found = sorted(promised(code)), sorted(printed.splitlines())
    if expected != found:
        raise AssertionError(f"the README says that it prints {expected}, and it has printed {found}")
