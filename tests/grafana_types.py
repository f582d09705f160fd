"""Grafana's own published types for tests: `@grafana/schema` and TypeScript from npm, fetched once into `.cache`."""

import fcntl
import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

CACHE = Path(__file__).parents[1] / ".cache" / "grafana"
TYPESCRIPT = "5.9.3"
SHA256 = {
    "@grafana/schema@10.4.19": "5e13b6b8eab11b3bd0c809c8f7e7a74034c2fecc7a9139e67f40e1dc9b34b7e2",
    "@grafana/schema@13.2.3": "f492f0ec5b0212cbf7f098d5d54b4a540371c262c6b78e9016ee2d26add9e559",
    f"typescript@{TYPESCRIPT}": "10e108c9cf7d5f2879053dff18515fb405abf2ccef63eaaf017d9c571687a1d3",
}
"""Of the packages: the compiler is run, so it has to be the one that was looked at."""
VERSIONS = ("10.4.19", "13.2.3")
"""The oldest and the newest of those that we say it works with."""
PANELS = {
    "timeseries": "TimeSeries",
    "stat": "Stat",
    "table": "Table",
    "trend": "Trend",
    "status-history": "StatusHistory",
}
"""Panels that are part of Grafana, with the name of their file of types."""
DECLARED = """
// JSON has no enums: a value of one is written as what it stands for.
type Plain<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T
  : T extends (infer U)[] ? Plain<U>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
// What the query of an annotation holds besides is up to its data source, as it is for panels.
type Marks = Omit<AnnotationContainer, 'list'> & { list?: AnnotationQuery<DataQuery & Record<string, unknown>>[] };
type Whole = Plain<Omit<Dashboard, 'annotations'> & { annotations?: Marks }>;
// For an older version: the options that it knows must fit, and it may not know all.
const known = <T>() => <U extends T>(value: U): T => value;
"""


def is_to_be_had() -> bool:
    """Whether this machine can fetch and run them."""
    return shutil.which("npm") is not None and shutil.which("node") is not None


def package(name: str) -> Path:
    """Return the folder of a package of `SHA256`, fetching it where it is not there yet (4 MB at most, once)."""
    found = CACHE / name.replace("/", "-")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if found.exists():
            return found
        # Its files are taken out here; nothing of it is installed, and no script of it is run.
        done = subprocess.run(
            ["npm", "pack", "--json", name], cwd=CACHE, check=True, timeout=300, capture_output=True, text=True
        )
        archive = CACHE / json.loads(done.stdout)[0]["filename"]
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != SHA256[name]:
            raise RuntimeError(f"{name} has the SHA-256 {digest}, not {SHA256[name]}; look at what it is")
        with tarfile.open(archive) as files:
            files.extractall(CACHE / "package-of", filter="data")
        archive.unlink()
        (CACHE / "package-of" / "package").replace(found)
        return found


def complaints(version: str, dashboards: dict[str, dict[str, Any]], folder: Path) -> str:
    """Return what the compiler says of dashboards that are assigned to the types of one version; empty: nothing."""
    modules = folder / "node_modules" / "@grafana"
    modules.mkdir(parents=True)
    (modules / "schema").symlink_to(package(f"@grafana/schema@{version}"))
    (folder / "check.ts").write_text(_typescript(dashboards, exactly=version != VERSIONS[0]))
    options = {
        "strict": True,
        "noEmit": True,
        "target": "es2022",
        "module": "esnext",
        "moduleResolution": "bundler",
        "preserveSymlinks": True,
        "skipLibCheck": True,
        "types": [],
    }
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": ["check.ts"]}))
    compiler = package(f"typescript@{TYPESCRIPT}") / "lib" / "tsc.js"
    done = subprocess.run(
        ["node", str(compiler), "--project", str(folder)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0 or done.stdout, done.stderr
    return done.stdout


def _typescript(dashboards: dict[str, dict[str, Any]], *, exactly: bool) -> str:
    """`exactly`: also refuse options that the types do not know, which only the newest know all of."""
    lines = ["import type { AnnotationContainer, AnnotationQuery, Dashboard, DataQuery } from '@grafana/schema';"]
    for kind, name in PANELS.items():
        path = f"{kind.replace('-', '')}/panelcfg/x/{name}PanelCfg_types.gen"
        # A number's look has options only, no fields of its own.
        types = f"Options as {name}Options" + ("" if kind == "stat" else f", FieldConfig as {name}Field")
        lines.append(f"import type {{ {types} }} from '@grafana/schema/dist/esm/raw/composable/{path}';")
    lines.append(DECLARED)
    for number, model in enumerate(dashboards.values()):
        lines.append(f"const dashboard{number}: Whole = {json.dumps(model, indent=1)};")
        for panel in model["panels"]:
            if panel["type"] == "row":
                continue
            what, name = f"{number}_{panel['id']}", PANELS[panel["type"]]
            lines += _assigned(f"options{what}", f"Plain<{name}Options>", panel["options"], exactly)
            if panel["type"] != "stat":
                custom = panel["fieldConfig"]["defaults"]["custom"]
                lines += _assigned(f"field{what}", f"Plain<{name}Field>", custom, exactly)
    return "\n".join([*lines, ""])


def _assigned(name: str, types: str, value: Any, exactly: bool) -> list[str]:
    text = json.dumps(value)
    return [f"const {name}: {types} = {text};" if exactly else f"const {name} = known<{types}>()({text});"]
