"""Shaka Packager for tests: its program out of the npm package, fetched once into `.cache/shaka`."""

import fcntl
import hashlib
import platform
import shutil
import subprocess
import tarfile
from pathlib import Path

VERSION = "3.4.2"
SHA256 = "ed12902dd058537f1faa0ad82d40cbcb9bb9b850c32d86ed29e43a2a8c8575e9"
"""Of the package: it is run, so it has to be the one that was looked at."""
CACHE = Path(__file__).parents[1] / ".cache" / "shaka"
MACHINES = {"x86_64": "x64", "aarch64": "arm64"}


def is_to_be_had() -> bool:
    """Whether this machine can fetch and run it."""
    return shutil.which("npm") is not None and platform.system() == "Linux" and platform.machine() in MACHINES


def program() -> Path:
    """Return the program, fetching it where it is not there yet (9 MB, once)."""
    member = f"package/bin/packager-linux-{MACHINES[platform.machine()]}"
    found = CACHE / VERSION / Path(member).name
    CACHE.mkdir(parents=True, exist_ok=True)
    # Two test runs may start at once; the second waits and finds it there.
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if found.exists():
            return found
        # Its files are taken out here; nothing of it is installed, and no script of it is run.
        subprocess.run(["npm", "pack", "--silent", f"shaka-packager@{VERSION}"], cwd=CACHE, check=True, timeout=300)
        package = CACHE / f"shaka-packager-{VERSION}.tgz"
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        if digest != SHA256:
            raise RuntimeError(f"{package.name} has the SHA-256 {digest}, not {SHA256}; look at what it is")
        with tarfile.open(package) as archive:
            archive.extract(member, CACHE, filter="data")
        package.unlink()
        found.parent.mkdir(exist_ok=True)
        (CACHE / member).replace(found)
        return found
