"""Blocks: how they are read, marked, composed into programs, and compared with what they print."""

import tempfile
import unittest
from pathlib import Path

import notation
import programs
from compare import difference
from markdown import Page

STEP = """# Title

A sentence.

```sh run
echo 1
```

```js run
console.log("two");
```

```text output
two
```

```sh run refused
echo 3
```
"""


def page(text):
    made = Page("guide.md", text)
    notation.pair_outputs(made)
    return made


def marked(block):
    root = Path(tempfile.gettempdir())
    return [fault for _, _, fault in notation.faults(root, page(block))]


class Programs(unittest.TestCase):
    def test_blocks_stand_at_their_lines(self):
        lines = programs.compose(page(STEP), "sh", "/strict", "/lenient").splitlines()
        self.assertEqual(lines[5], "echo 1")
        self.assertEqual([number for number, line in enumerate(lines, 1) if line], [5, 6, 17, 18])
        self.assertIn("/strict", lines[4])
        self.assertIn("/lenient", lines[16])

    def test_steps_in_several_languages_share_an_output(self):
        sh, js, output, last = page(STEP).blocks
        self.assertIs(sh.output, output)
        self.assertIs(js.output, output)
        self.assertIsNone(last.output)

    def test_text_between_parts_a_block_from_an_output(self):
        parted = page(STEP.replace("```js", "Then:\n\n```js"))
        self.assertIsNone(parted.blocks[0].output)
        self.assertIsNotNone(parted.blocks[1].output)

    def test_a_wrong_output_is_found_at_its_block(self):
        self.assertEqual(list(programs.faults(page(STEP), "js", 0, "\x1e9\ntwo\n", "")), [])
        [(_, line, fault)] = programs.faults(page(STEP), "js", 0, "\x1e9\nthree\n", "")
        self.assertEqual(line, 9)
        self.assertIn("three", fault)

    def test_a_failure_is_found_where_it_ended(self):
        [(_, line, fault)] = programs.faults(page(STEP), "sh", 22, "\x1e5\ntwo\n\x1e17\n", "curl: (22) 404")
        self.assertEqual(line, 17)
        self.assertIn("404", fault)


class Marks(unittest.TestCase):
    def test_a_program_says_whether_it_runs(self):
        self.assertEqual(marked("```sh run\ntrue\n```\n"), [])
        self.assertEqual(marked("```sh skip=needs-a-tunnel\ntrue\n```\n"), [])
        unmarked, twice = ["sh", "ts"], ["sh run skip=why", "sh run file=a", "python save=a file=b"]
        for info in (*unmarked, *twice, "js runs", "ts run"):
            self.assertEqual(len(marked(f"```{info}\ntrue\n```\n")), 1, info)

    def test_a_refusal_is_shown(self):
        shown = "```{} run refused\ntrue\n```\n\n```json output\n{{}}\n```\n".format
        self.assertEqual(marked(shown("sh")), [])
        self.assertEqual(len(marked(shown("js"))), 1)
        self.assertEqual(len(marked("```sh run refused\ntrue\n```\n")), 1)

    def test_an_output_follows_what_prints_it(self):
        self.assertEqual(len(marked("```json output\n{}\n```\n")), 1)
        self.assertEqual(marked("```sh run\ntrue\n```\n\n```json output\n{}\n```\n"), [])

    def test_json_is_json(self):
        self.assertEqual(len(marked('```json\n{"a": 1,}\n```\n')), 1)

    def test_an_unclosed_block_is_found(self):
        self.assertEqual(marked("```sh run\ntrue\n"), ["the block is not closed"])

    def test_a_quotation_is_a_part_of_its_file(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "receiver.mjs").write_text("one\n  two\n\n    three\n")

            def faults(lines):
                quoted = page(f"```js file=receiver.mjs\n{lines}```\n")
                return [fault for _, _, fault in notation.faults(Path(folder), quoted)]

            self.assertEqual(faults("two\n\n  three\n"), [])
            for other in ("one\n  three\n", "two\n\nthree\n", "two\n\n  three\nfour\n", "wo\n"):
                self.assertEqual(len(faults(other)), 1, other)


class Outputs(unittest.TestCase):
    def same(self, expected, printed, language="json"):
        self.assertIsNone(difference(language, expected, printed))

    def other(self, expected, printed, language="json"):
        self.assertIsNotNone(difference(language, expected, printed))

    def test_json_is_compared_by_structure(self):
        self.same('{"a": 1, "b": [true]}', '{"b":[true],"a":1}')
        for printed in ('{"a": 2}', '{"a": "1"}', '{"a": 1, "b": 2}', "{}", '{"a": true}', '{"a": null}', "", "oops"):
            self.other('{"a": 1}', printed)

    def test_an_ellipsis_stands_for_a_part(self):
        self.same('{"id": "req_…"}', '{"id": "req_12"}')
        self.other('{"id": "req_…"}', '{"id": "res_12"}')
        self.same('{"a": 1, "…": "…"}', '{"a": 1, "b": 2}')
        self.other('{"a": 1, "…": "…"}', '{"b": 2}')
        self.same('{"at": "…"}', '{"at": 12}')
        self.same('[1, "…"]', "[1, 2, 3]")
        self.other('[1, 2, "…"]', "[1]")
        self.other("[1]", "[1, 2]")

    def test_text_is_compared_line_by_line(self):
        self.same("a\nb …\n", "a\nb 12\n", "text")
        self.same("a\n…\nz\n", "a\nb\nc\nz\n", "text")
        self.other("a\n", "a\nb\n", "text")
        self.other("a.c\n", "abc\n", "text")


if __name__ == "__main__":
    unittest.main()
