"""The TypeScript SDK: built, packed, installed, and tested on a sandbox."""

import json
import re
import shutil

import readme
from lane import HERE, ROOT, Failed, Sandbox, for_readme, run, told

SDK = ROOT / "sdks" / "typescript"
PROGRAMS = SDK / "node_modules" / ".bin"
NATIVE_TSC = SDK / "node_modules" / "typescript-native" / "bin" / "tsc"
# What the README's receiver is built on, beside the SDK.
OF_README = ("express", "@types")
STRICT = {
    "compilerOptions": {
        "target": "ES2022",
        "module": "NodeNext",
        "strict": True,
        "exactOptionalPropertyTypes": True,
        "types": ["node"],
        "noEmitOnError": True,
    },
    "files": ["readme.mts"],
}
SMOKE = """
const client = new sdk.Nimbus();
client.clinic.retrieve().then((clinic) => console.log(clinic.environment, Object.keys(sdk).length));
"""


def check(binary, work):
    """Lines that say what was checked."""
    run("node", "scripts/build.mjs", folder=SDK)
    tarball = packed(work)
    run(NATIVE_TSC, "-p", "test", folder=SDK)
    with Sandbox(binary) as sandbox:
        # Test files run beside one another: those of a live server, which move its clock, one after the other.
        files = sorted((SDK / "build").glob("*.test.js"))
        lines = [summary("typescript, unit", run("node", "--test", *files, folder=SDK))]
        live = sorted((SDK / "build" / "live").glob("*.test.js"))
        said = run("node", "--test", "--test-concurrency=1", *live, folder=SDK, **told(sandbox))
        lines.append(summary("typescript, live", said))
    with Sandbox(binary) as sandbox:
        lines.append(installed(tarball, work / "typescript", sandbox))
    return lines


def packed(work):
    """The tarball as it would be published, with entry points that every resolver understands."""
    name = run("npm", "pack", "--ignore-scripts", "--silent", "--pack-destination", work, folder=SDK).strip()
    run(PROGRAMS / "publint", "--strict", work / name, folder=SDK)
    run(PROGRAMS / "attw", work / name, "--no-color", "--no-emoji", folder=SDK)
    return work / name


def installed(tarball, folder, sandbox):
    """The tarball in a folder of its own, imported both ways; and the README's program on it."""
    folder.mkdir()
    (folder / "package.json").write_text('{"private": true}\n')
    run("npm", "install", "--offline", "--no-audit", "--no-fund", "--loglevel=error", tarball, folder=folder)
    others = [path.name for path in (folder / "node_modules").glob("[!.]*")]
    if others != ["@nimbus-os"]:
        raise Failed(f"the package brings others: {others}")
    environment = for_readme(sandbox)
    (folder / "smoke.mjs").write_text('import * as sdk from "@nimbus-os/sdk";\n' + SMOKE)
    (folder / "smoke.cjs").write_text('const sdk = require("@nimbus-os/sdk");\n' + SMOKE)
    modules = run("node", "smoke.mjs", folder=folder, **environment)
    if not modules.startswith("sandbox ") or modules != run("node", "smoke.cjs", folder=folder, **environment):
        raise Failed("the package is not the same by import and by require")
    for name in OF_README:
        (folder / "node_modules" / name).symlink_to(SDK / "node_modules" / name)
    code = readme.program(SDK / "README.md", "ts")
    (folder / "readme.mts").write_text(code + (HERE / "readme_end.ts").read_text())
    (folder / "tsconfig.json").write_text(json.dumps(STRICT))
    # By the oldest compiler that is supported besides: the declarations are the package's interface.
    run(PROGRAMS / "tsc", "--noEmit", folder=folder)
    run(NATIVE_TSC, folder=folder)
    readme.check(code, run("node", "readme.mjs", folder=folder, **environment))
    shutil.rmtree(folder)
    kept = len(readme.promised(code))
    return f"typescript: {tarball.name} installed, imported and required, {kept} lines of its README as they say"


def summary(name, said):
    """The count of node's test runner as one line."""
    counts = dict(re.findall(r"^(?:#|ℹ) (pass|fail|cancelled|skipped) (\d+)$", said, re.MULTILINE))
    passed = int(counts.get("pass", 0))
    if passed == 0 or int(counts["skipped"]) > 0:
        raise Failed(f"{name}: no test was run, or one was skipped\n{said}")
    return f"{name}: {passed} passed, {counts['fail']} failed"
