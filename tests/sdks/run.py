"""Checks both SDKs, each on sandboxes of its own: run.py BINARY

What is generated is what the documents make now; the packages are built, installed as a partner installs them, and pass
their tests on a live server; the code in their READMEs runs. It runs in the environment of `requirements.txt`, with the
packages of `sdks/typescript` installed.
"""

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import in_python
import in_typescript
from lane import ROOT, Failed, run


def generated(_binary, _work):
    run(sys.executable, "generate.py", "--check", folder=ROOT / "sdks" / "generate")
    return ["generated: all files are what the documents make"]


def licences(_binary, _work):
    licence = (ROOT / "LICENSE").read_bytes()
    for sdk in (in_typescript.SDK, in_python.SDK):
        if (sdk / "LICENSE").read_bytes() != licence:
            raise Failed(f"{sdk / 'LICENSE'} is not the project's")
    return []


def main(binary):
    failed = False
    with tempfile.TemporaryDirectory(prefix="nimbus-sdks-") as folder, ThreadPoolExecutor(2) as lanes:
        checks = (licences, in_typescript.check, in_python.check, generated)
        started = []
        for number, check in enumerate(checks):
            work = Path(folder) / str(number)
            work.mkdir()
            started.append(lanes.submit(check, binary, work))
        for lane in started:
            try:
                for line in lane.result():
                    print(line, flush=True)
            except (Failed, AssertionError) as failure:
                failed = True
                print(failure, file=sys.stderr, flush=True)
    sys.exit(failed)


main(Path(sys.argv[1]).resolve())
