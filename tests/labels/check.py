"""Renders every sample label as a thermal printer would, and reads it back with decoders that are not ours.

`check.py <folder>` looks at what `cargo run -p nimbus-carriers --example label_samples -- <folder>` wrote: the bars
must decode to the number that a carrier scans, the text must be there to be copied, each page must have its size,
and nothing may touch its edge. Without a folder it makes the samples itself. With `--png` it leaves each page as an
image beside its document.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import pypdfium2
import zxingcpp
from PIL import Image

DPI = 203
LARGEST = 60 * 1024
# The shortest distance of ink from the edge, in dots, but for bands that run across the page.
MARGIN = 8


def pages_of(document):
    for page in document:
        yield page, page.render(scale=DPI / 72, grayscale=True).to_pil().convert("L")


def decoded(image):
    found = zxingcpp.read_barcodes(image)
    return [(code.format.name, code.text, code.symbology_identifier) for code in found]


def check_barcode(image, wanted, what):
    found = decoded(image)
    if len(found) != 1:
        return [f"{what}: {len(found)} barcodes are read: {found}"]
    name, text, identifier = found[0]
    problems = []
    if name != "Code128":
        problems.append(f"{what}: it is a {name}")
    # Scanners announce a GS1-128 as ]C1 and a plain Code 128 as ]C0.
    if identifier != ("]C1" if wanted["gs1"] else "]C0"):
        problems.append(f"{what}: it is announced as {identifier}")
    if text != wanted["text"]:
        problems.append(f"{what}: {text} is read instead of {wanted['text']}")
    return problems


def squeezed(text):
    return "".join(text.replace("\ufffe", "").split())


def check_document(path, sample, write_png):
    problems, text, images = [], "", []
    if path.stat().st_size >= LARGEST:
        problems.append(f"{path.name}: {path.stat().st_size} bytes")
    document = pypdfium2.PdfDocument(path)
    wanted = [inches * 72 for inches in sample["inches"]]
    for number, (page, image) in enumerate(pages_of(document), 1):
        what = f"{path.name}, page {number}"
        size = page.get_size()
        if any(abs(have - want) > 0.01 for have, want in zip(size, wanted)):
            problems.append(f"{what}: it measures {size}")
        for item in page.get_objects():
            left, bottom, right, top = item.get_bounds()
            if left < -0.01 or bottom < -0.01 or right > size[0] + 0.01 or top > size[1] + 0.01:
                problems.append(f"{what}: something lies outside")
        ink = numpy.asarray(image) < 128
        bands = ink.mean(axis=1) > 0.5
        edges = numpy.concatenate([ink[~bands][:, :MARGIN].ravel(), ink[~bands][:, -MARGIN:].ravel()])
        if edges.any() or ink[:MARGIN].any() or ink[-MARGIN:].any():
            problems.append(f"{what}: there is ink at the edge")
        if not ink.any():
            problems.append(f"{what}: it is empty")
        text += page.get_textpage().get_text_bounded()
        images.append(image)
        if write_png:
            image.save(path.with_name(f"{path.stem}_{number}.png"))
    written = squeezed(text)
    for wanted_text in sample["texts"]:
        if squeezed(wanted_text) not in written:
            problems.append(f"{path.name}: {wanted_text!r} is missing")
    if "barcode" in sample:
        problems += check_barcode(images[0], sample["barcode"], path.name)
    elif any(decoded(image) for image in images):
        problems.append(f"{path.name}: it has a barcode that nobody expects")
    return problems


def check(folder, write_png):
    problems = []
    samples = json.loads((folder / "expected.json").read_text())
    for sample in samples:
        path = folder / sample["file"]
        if path.suffix == ".png":
            problems += check_barcode(Image.open(path).convert("L"), sample["barcode"], path.name)
        else:
            problems += check_document(path, sample, write_png)
    for problem in problems:
        print(problem)
    print(f"{len(samples)} samples, {len(problems)} problems")
    return len(samples) > 0 and not problems


def make(folder):
    command = ["cargo", "run", "--locked", "--quiet", "-p", "nimbus-carriers", "--example", "label_samples", "--"]
    subprocess.run([*command, folder], check=True)


def main():
    folders = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    if folders:
        return check(pathlib.Path(folders[0]), "--png" in sys.argv)
    with tempfile.TemporaryDirectory() as folder:
        make(folder)
        return check(pathlib.Path(folder), False)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
