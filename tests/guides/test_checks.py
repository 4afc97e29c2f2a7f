"""The checks of pages as they stand: each finds what it is for."""

import json
import tempfile
import unittest
from pathlib import Path

import coverage
import index
import links
from markdown import Page, slug

GUIDE = "# Title\n\nOne sentence.\n"


class Folder(unittest.TestCase):
    """A repository with two guides and a file for operators."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.guides = self.root / "docs" / "guides"
        self.guides.mkdir(parents=True)
        (self.root / "docs" / "operations.md").write_text("# Operations\n")
        self.write("one", GUIDE + "\n## A `b`, c\n\n## Twice\n\n## Twice\n")
        self.write("two", GUIDE)
        self.order('["one.md", "two.md"]')

    def write(self, name, text):
        (self.guides / f"{name}.md").write_text(text)

    def order(self, names):
        (self.guides / "index.toml").write_text(f'[[group]]\ntitle = "All"\nguides = {names}\n')

    def pages(self):
        return [Page(path) for path in sorted((self.root / "docs").rglob("*.md"))]

    def only_guides(self):
        return [page for page in self.pages() if page.path.parent == self.guides]


class Packages(unittest.TestCase):
    def test_the_receiver_is_tested_with_the_packages_that_it_names(self):
        here = Path(__file__).resolve().parent
        receiver = here.parent.parent / "examples" / "webhook-receiver-fastapi" / "requirements.txt"
        ours, its = ((path.read_text().splitlines()) for path in (here / "requirements.txt", receiver))
        self.assertEqual([line for line in its if line not in ours], [])


class Index(Folder):
    def faults(self):
        return [fault for _, _, fault in index.faults(self.guides, self.only_guides())]

    def test_a_complete_index_is_in_order(self):
        self.assertEqual(self.faults(), [])

    def test_a_guide_that_is_not_listed_is_found(self):
        self.order('["one.md"]')
        self.assertEqual(self.faults(), ["is not in index.toml"])

    def test_a_guide_that_is_listed_twice_or_is_not_there_is_found(self):
        self.order('["one.md", "two.md", "two.md", "three.md"]')
        self.assertEqual(sorted(self.faults()), ["there is no three.md", "two.md is listed 2 times"])

    def test_a_guide_begins_with_a_title_and_a_sentence(self):
        long = f"# Title\n\n{'a' * 200}.\n"
        for text in ("No title.\n", "# Title\n\n## Next\n", "# Title\nA sentence.\n", long, f"{GUIDE}# Two\n"):
            self.write("two", text)
            self.assertEqual(len(self.faults()) > 0, True, text)


class Links(Folder):
    def faults(self, link):
        self.write("two", f"{GUIDE}\n{link}\n")
        return [line for _, line, _ in links.faults(self.root, self.pages(), self.guides)]

    def test_what_is_there_is_found(self):
        for target in ("one.md", "one.md#a-b-c", "one.md#twice-1", "#title", "/guides/one#twice", "https://a.example"):
            self.assertEqual(self.faults(f"[a]({target})"), [], target)
        for link in ("[a](/api-reference#tag/x)", "[a](/openapi/orders.json)", "`[a](none.md)`"):
            self.assertEqual(self.faults(link), [], link)

    def test_what_is_not_there_is_a_fault_at_its_line(self):
        for target in ("none.md", "one.md#none", "#none", "/guides/none", "/somewhere", "one.md#twice-2"):
            self.assertEqual(self.faults(f"[a]({target})"), [5], target)

    def test_a_guide_links_to_no_file_of_operators(self):
        self.assertEqual(self.faults("[a](../operations.md)"), [5])

    def test_anchors_are_those_of_github(self):
        self.assertEqual(slug("What `GET /a` says, *now*"), "what-get-a-says-now")
        self.assertEqual(slug("[Linked](a.md) – x"), "linked--x")


class Coverage(Folder):
    def setUp(self):
        super().setUp()
        self.document = self.root / "api.json"
        refusal = {"examples": {"x": {"value": {"error": {"code": "NOT_FOUND"}}}}}
        described = "One webhook.\n\nScope: `webhooks:read`.\n\nRate limit: 10."
        read = {"description": described, "responses": {"404": refusal}}
        document = {
            "servers": [{"url": "https://api.example.com/api/external"}],
            "paths": {"/webhook/{id}": {"get": read, "parameters": []}},
        }
        self.document.write_text(json.dumps(document, indent=2))

    def faults(self, text):
        self.write("two", f"{GUIDE}\n{text}\n")
        documents, guides = [self.document], self.only_guides()
        found = [*coverage.faults(documents, guides), *coverage.wrong(documents, guides)]
        return [(path.name, line) for path, line, _ in found]

    def test_what_is_explained_is_not_a_fault(self):
        self.assertEqual(self.faults("`GET /api/external/webhook/{webhookId}?a=b` or `NOT_FOUND`"), [])

    def test_an_operation_that_no_guide_names_is_found_in_the_document(self):
        self.assertEqual(self.faults("`NOT_FOUND` GET /api/external/webhook/{id}"), [("api.json", 8)])

    def test_a_code_that_no_guide_explains_is_found(self):
        faults = self.faults("`GET /api/external/webhook/{id}` and NOT_FOUND")
        self.assertEqual(faults, [("api.json", 17)])

    def test_an_operation_that_does_not_exist_is_found_in_the_guide(self):
        faults = self.faults("`GET /api/external/webhook/{id}` `NOT_FOUND` `POST /api/external/webhook/{id}`")
        self.assertEqual(faults, [("two.md", 5)])

    def test_a_scope_in_a_table_is_that_of_the_document(self):
        row = "`NOT_FOUND`\n| read | `GET /api/external/webhook/{{id}}` | {} |".format
        self.assertEqual(self.faults(row("`webhooks:read`")), [])
        self.assertEqual(self.faults(row("reads one")), [])
        for scope in ("`webhooks:write`", "any key"):
            self.assertEqual(self.faults(row(scope)), [("two.md", 6)])


if __name__ == "__main__":
    unittest.main()
