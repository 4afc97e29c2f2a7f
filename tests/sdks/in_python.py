"""The Python SDK: built, installed, type-checked, and tested on a sandbox."""

import sys
import sysconfig
from pathlib import Path

import readme
from lane import HERE, ROOT, Sandbox, for_readme, run, told

SDK = ROOT / "sdks" / "python"
CACHE = Path(sys.prefix) / "mypy"


def check(binary, work):
    """Lines that say what was checked."""
    lint()
    wheel, python = installed(work)
    code = readme.program(SDK / "README.md", "python")
    program = work / "python_readme.py"
    program.write_text(code + (HERE / "readme_end.py").read_text())
    checked = run(
        *(sys.executable, "-m", "mypy", "--cache-dir", CACHE, "src/nimbus_os", "tests", program), folder=SDK
    ).strip()
    lines = [f"python: {checked}"]
    with Sandbox(binary) as sandbox:
        said = run(python, "-W", "error", "-m", "pytest", "tests", folder=SDK, **told(sandbox))
        lines.append(f"python: {said.strip().splitlines()[-1]}")
    with Sandbox(binary) as sandbox:
        printed = run(python, "-W", "error", program, folder=work, **for_readme(sandbox))
    readme.check(code, printed)
    lines.append(f"python: {wheel.name} installed, {len(readme.promised(code))} lines of its README as they say")
    return lines


def lint():
    run(sys.executable, "-m", "ruff", "check", ".", folder=SDK)
    run(sys.executable, "-m", "ruff", "format", "--check", ".", folder=SDK)
    # Its analysis knows what each version of Python has.
    run(Path(sys.executable).with_name("vermin"), "-t=3.9-", "--no-tips", "--violations", "src", folder=SDK)


def installed(work):
    """The wheel, made of the source distribution, and the interpreter of a fresh environment that it is installed in.
    What the wheel depends on is seen there from this process's own environment, and has to be what it asks for."""
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", work, folder=SDK)
    (wheel,) = work.glob("*.whl")
    (_,) = work.glob("*.tar.gz")
    environment = work / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", environment, folder=work)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = environment / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", wheel, folder=work)
    return wheel, python
