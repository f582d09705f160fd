"""Everything in the background, for trying things out: ``python -m services up|down|status``."""

import argparse
import sys
import time
from pathlib import Path

from services.background import Background, wait
from services.kafka_jars import CACHE, ServiceError
from services.stack import PORTS, SERVICES, STATE, Stack


def up(stack: Stack, only: str) -> int:
    began = time.monotonic()
    wanted = [each for each in stack.processes() if only != "services" or each.name in SERVICES]
    for each in wanted:
        if each.is_taken():
            raise ServiceError(
                f"port {each.port} is taken by something that was not started here: end it, or use it as your "
                f"{each.name} and leave `make up` be (what runs where: `ss -ltnp`)."
            )
    new = [each for each in wanted if each.pid() is None]
    stack.list_sources()
    for each in wanted:
        if each not in new:
            print(f"{each.name}: runs already, {each.where} (process {each.pid()})")
            continue
        print(f"{each.name}: starting, {each.where}", flush=True)
        each.start()
        if each.name == "kafka" and only != "services":
            stack.create_topics()
    wait(wanted)
    print(f"Ready after {time.monotonic() - began:.0f} s; logs: {_shown(stack.folder)}/NAME/NAME.log")
    print(_next_of_services(stack) if only == "services" else _next(stack), end="")
    return 0


def down(stack: Stack) -> int:
    # Those who feed first, what they need last; all that are of one kind at once.
    processes = list(reversed(stack.processes()))
    for group in (
        [each for each in processes if each.name not in SERVICES],
        [p for p in processes if p.name in SERVICES],
    ):
        asked = {each.name: each.ask_to_end() for each in group}
        for each in group:
            each.wait_for_end()
            pid = asked[each.name]
            print(f"{each.name}: {'does not run' if pid is None else f'ended (process {pid})'}", flush=True)
    return 0


def status(stack: Stack, only: str) -> int:
    """Print how things stand. Returns 0 when all run and answer, else 1."""
    well = True
    for each in stack.processes():
        if only == "services" and each.name not in SERVICES:
            continue
        pid, reason = each.pid(), each.answer(each)
        well = well and reason is None
        print(f"{each.name}: {_standing(each, pid, reason)}")
    return 0 if well else 1


def _standing(each: Background, pid: int | None, reason: str | None) -> str:
    if pid is None:
        return "does not run; start it with `make up`" if reason else (
            f"something that was not started here answers on port {each.port}"
        )  # fmt: skip
    if reason is None:
        return f"runs, {each.where} (process {pid})"
    return f"process {pid} is not ready: {reason}; see {_shown(each.log_file)}"


def _next(stack: Stack) -> str:
    url = "" if stack.port("simulator") == PORTS["simulator"] else f" --url {stack.control}"
    rungwatch = _shown(Path(sys.executable).parent / "rungwatch")
    return f"""
  page         {stack.page}?stream=live&last=5m
  API          {stack.page}api/v1/ladder?stream=live   (all of it: {stack.page}openapi.json)
  Prometheus   http://localhost:{stack.port("prometheus")}/alerts
  simulator    {stack.control}/live/master.m3u8
Next:
  {rungwatch} simulate fault starved --rung 270p --for 30{url}
                   a fault, to be seen on the page within two segments; without `starved ...`: the faults there are
  make status      how everything stands
  make down        end it all; data stays in {_shown(stack.folder)}
  Streams of your own: add them to {_shown(stack.sources)}, which is read again when it changes.
  Grafana, with Docker: docker/README.md
"""


def _next_of_services(stack: Stack) -> str:
    exports = "".join(f"  export {name}={value}\n" for name, value in stack.environment.items())
    return f"""
Where they are is the default of every command; to say so:
{exports}Next:
  {_shown(Path(sys.executable).parent / "rungwatch")} topics create     make the topics
  make down        end both; data stays in {_shown(stack.folder)}
"""


def _shown(path: Path) -> str:
    root = CACHE.parent
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="services", description=__doc__)
    parser.add_argument("action", choices=("up", "down", "status"))
    parser.add_argument("--only", choices=("services", "all"), default="all", help="services: Kafka and Redis alone")
    parser.add_argument("--state", type=Path, default=STATE, help="folder of data and logs")
    parser.add_argument("--first-port", type=int, default=0, help="of as many in a row as are needed")
    asked = parser.parse_args(words)
    stack = Stack(asked.state.resolve(), asked.first_port)
    try:
        if asked.action == "up":
            return up(stack, asked.only)
        return down(stack) if asked.action == "down" else status(stack, asked.only)
    except ServiceError as error:
        print(f"services: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
