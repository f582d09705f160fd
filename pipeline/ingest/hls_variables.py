"""Which lines of an HLS playlist count, with the variables of EXT-X-DEFINE put in."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from pipeline.errors import BadPlaylist, LimitExceeded
from pipeline.ingest.access import shown

LONGEST_VARIABLE = 4096
MOST_VARIABLES_IN_LINE = 32
# Variables may make a playlist longer, but not without end.
MOST_EXPANDED_CHARACTERS = 64 * 1024 * 1024

ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)')
VARIABLE = re.compile(r"\{\$([A-Za-z0-9_-]+)\}")


def attributes(text: str) -> dict[str, str]:
    """Return the attribute list of a tag, without quotes."""
    return {name: value.strip().strip('"') for name, value in ATTRIBUTE.findall(text)}


def prepared(data: bytes, uri: str, imports: dict[str, str]) -> tuple[list[tuple[int, str]], dict[str, str]]:
    """Return (line number, text) of every line that counts, variables put in, and the variables."""
    where = shown(uri)
    lines: list[tuple[int, str]] = []
    variables: dict[str, str] = {}
    expanded = 0
    announced = False
    # Where nothing speaks of segments, an address on a line of its own is not one.
    with_segments = b"#EXTINF" in data
    for number, raw in enumerate(data.decode("utf-8-sig", "replace").splitlines(), 1):
        text = raw.strip()
        if not text:
            continue
        if text.startswith("#EXT-X-DEFINE:"):
            variables |= _defined(text, uri, number, imports)
            continue
        # A master playlist announces a variant, a media playlist a segment.
        announced = announced or text.startswith(("#EXTINF:", "#EXT-X-STREAM-INF:"))
        if "{$" in text:
            text = _replaced(text, variables, f"{where} line {number}")
            expanded += len(text)
            if expanded > MOST_EXPANDED_CHARACTERS:
                raise LimitExceeded(f"{where} line {number}: variables make the playlist too long; write addresses out")
        if not text.startswith("#"):
            if not announced and with_segments:
                lines.append((number, "#EXTINF:,"))
            announced = False
        lines.append((number, text))
    return lines, variables


def _defined(text: str, uri: str, number: int, imports: Mapping[str, str]) -> dict[str, str]:
    given = attributes(text.partition(":")[2])
    where = f"{shown(uri)} line {number}"
    if name := given.get("NAME"):
        value: str | None = given.get("VALUE", "")
    elif name := given.get("IMPORT"):
        value = imports.get(name)
    elif name := given.get("QUERYPARAM"):
        value = dict(parse_qsl(urlsplit(uri).query)).get(name)
    else:
        raise BadPlaylist(f"{where}: EXT-X-DEFINE names no variable; correct the playlist")
    if value is None:
        raise BadPlaylist(f"{where}: nothing gives variable {name!r} a value; name the master playlist instead")
    if len(value) > LONGEST_VARIABLE:
        raise LimitExceeded(f"{where}: variable {name!r} is longer than {LONGEST_VARIABLE} characters; shorten it")
    return {name: value}


def _replaced(text: str, variables: Mapping[str, str], where: str) -> str:
    names = VARIABLE.findall(text)
    unknown = next((name for name in names if name not in variables), None)
    if unknown is not None:
        raise BadPlaylist(f"{where}: variable {unknown!r} is not defined; add EXT-X-DEFINE for it")
    if len(names) > MOST_VARIABLES_IN_LINE:
        raise LimitExceeded(f"{where}: more than {MOST_VARIABLES_IN_LINE} variables; write the address out")
    return VARIABLE.sub(lambda match: variables[match[1]], text)
