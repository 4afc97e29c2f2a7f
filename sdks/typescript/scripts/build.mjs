// Builds `dist`: the same sources as ES modules and as CommonJS, each with its declarations.

import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
// TypeScript 7; the older one is there for the generator of types, which needs its interface.
const tsc = join(root, "node_modules/typescript-native/bin/tsc");

function compile(...options) {
  const { status } = spawnSync(process.execPath, [tsc, ...options], { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(1);
}

rmSync(join(root, "dist"), { recursive: true, force: true });
compile("--outDir", "dist/esm");
const commonJs = ["--module", "CommonJS", "--moduleResolution", "Bundler", "--verbatimModuleSyntax", "false"];
compile("--outDir", "dist/cjs", ...commonJs);
// Without it Node.js would take these for what the package is by default: ES modules.
writeFileSync(join(root, "dist/cjs/package.json"), '{"type": "commonjs"}\n');
