"""Programs made of blocks, executed: what goes wrong is found in the block where it does, in each language."""

import os
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import notation
import programs
from markdown import Page

# The second block needs what the first has set.
STEPS = {
    "sh": ("name=one", 'echo "$name" {}'),
    "js": ('const name = "one";', 'console.log(name, "{}");'),
    "python": ('name = "one"', 'print(name, "{}")'),
}
FAILURES = {"sh": "false | cat", "js": 'throw new Error("no");', "python": "1 / 0"}


def executed(language, *blocks, output="", **variables):
    """The lines of the faults of a guide with these blocks, of which the last one has the output."""
    parts = [f"```{language} run\n{block}\n```\n\nThen:\n\n" for block in blocks]
    shown = f"```text output\n{output}\n```\n" if output else ""
    page = Page("guide.md", "".join(parts).removesuffix("Then:\n\n") + shown)
    notation.pair_outputs(page)
    with tempfile.TemporaryDirectory() as folder:
        return [line for _, line, _ in programs.execute(page, language, Path(folder), os.environ | variables)]


class Execution(unittest.TestCase):
    def test_the_blocks_of_a_language_are_one_program(self):
        for language, (first, second) in STEPS.items():
            with self.subTest(language):
                self.assertEqual(executed(language, first, second.format("two"), output="one two"), [])

    def test_a_wrong_output_is_found(self):
        for language, (first, second) in STEPS.items():
            with self.subTest(language):
                self.assertEqual(executed(language, first, second.format("two"), output="one three"), [7])

    def test_a_block_that_fails_is_found(self):
        for language, failure in FAILURES.items():
            with self.subTest(language):
                first, second = STEPS[language]
                self.assertEqual(executed(language, first, failure, second.format("two"), output="one two"), [7])


class Refusals(unittest.TestCase):
    def setUp(self):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"

    def faults(self, flags):
        page = Page("guide.md", f'```sh {flags}\ncurl -sS "$URL"\n```\n')
        with tempfile.TemporaryDirectory() as folder:
            variables = os.environ | {"URL": self.url, "no_proxy": "127.0.0.1"}
            return [line for _, line, _ in programs.execute(page, "sh", Path(folder), variables)]

    def test_a_refusal_that_is_not_announced_is_a_failure(self):
        self.assertEqual(self.faults("run"), [1])
        self.assertEqual(self.faults("run refused"), [])


if __name__ == "__main__":
    unittest.main()
