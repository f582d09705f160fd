"""The jars of Apache Kafka: copied once by Maven into `.cache/kafka`, and the Java that runs them."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
CACHE = Path(__file__).parents[2] / ".cache"
JARS = CACHE / "kafka"
NEEDED_JAVA = 17


class ServiceError(Exception):
    """A service cannot be started here; the message says what to do."""


def jars() -> Path:
    """Return the folder of the jars, filling it where it is not there yet (about a minute, once)."""
    stamp = JARS / f".of-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if stamp.exists():
        return JARS
    maven = shutil.which("mvn")
    if maven is None:
        raise ServiceError("Maven is needed once, for the jars of Kafka: `apt-get install maven`, or `make services`.")
    java()
    CACHE.mkdir(exist_ok=True)
    # Two test runs may start at once; the second waits and finds the jars there.
    with (CACHE / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists():
            return JARS
        print("services: fetching the jars of Apache Kafka with Maven (about a minute, once)", flush=True)
        shutil.rmtree(JARS, ignore_errors=True)
        JARS.mkdir()
        copied = subprocess.run(
            [maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies",
             "-DincludeScope=runtime", f"-DoutputDirectory={JARS}"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if copied.returncode != 0:
            raise ServiceError(f"Maven could not fetch the jars of Kafka:\n{(copied.stdout + copied.stderr)[-2000:]}")
        stamp.touch()
    return JARS


def java() -> str:
    """Return the Java to run Kafka with; JAVA_HOME goes before PATH."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    found = found or shutil.which("java")
    advice = "`apt-get install openjdk-17-jre-headless`, or `make services`"
    if found is None:
        raise ServiceError(f"Java {NEEDED_JAVA} is needed to run Kafka and there is none on PATH: {advice}.")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < NEEDED_JAVA:
        raise ServiceError(f"Kafka needs Java {NEEDED_JAVA} or newer, {found} says {said.strip()!r}: {advice}.")
    return found


def command(jar_folder: Path, main: str, *arguments: str, heap_mib: int = 384) -> list[str]:
    """Return the command line of one of Kafka's programs, tuned for a quick start and little memory."""
    return [
        java(), f"-Xmx{heap_mib}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
        "-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.showDateTime=true", "-cp", f"{jar_folder}/*", main, *arguments,
    ]  # fmt: skip


if __name__ == "__main__":
    jars()
    print("services: Kafka's jars are there")
