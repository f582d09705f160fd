"""Reads queries of dashboards as Grafana does: fills in the variables, asks, and takes the columns out of the answer.

What it does is what the documents of Grafana (variable syntax), of Infinity (URL, parameters, backend parser) and of
GJSON say. It is no Grafana: it holds queries and answers together, and draws nothing.
"""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]
_VARIABLE = re.compile(r"\$\{(?P<braced>\w+)(?:\.\w+)?(?::(?P<format>[^}]+))?\}|\$(?P<bare>\w+)")
ALL = "$__all"


@dataclass(frozen=True)
class Chosen:
    """What somebody has chosen at the top of a dashboard."""

    values: dict[str, str | list[str]]
    """By variable; a list: several; `[ALL]`: all."""
    options: dict[str, list[str]]
    """Of the variables that can have all values."""
    start_seconds: float
    end_seconds: float

    def filled(self, text: str) -> str:
        """Return the text with the variables of a query in it."""
        return _VARIABLE.sub(self._value, text)

    def _value(self, found: re.Match[str]) -> str:
        name, form = found["braced"] or found["bare"], found["format"] or ""
        if name in ("__from", "__to"):
            assert form == "date:iso"
            moment = datetime.fromtimestamp(self.start_seconds if name == "__from" else self.end_seconds, UTC)
            return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        value = self.values[name]
        if form == "queryparam":
            several = value if isinstance(value, list) else [value]
            return "&".join(f"var-{name}={urllib.parse.quote(each, safe='')}" for each in several)
        if value == [ALL]:
            value = self.options[name]
        if form == "percentencode":
            assert isinstance(value, str)
            return urllib.parse.quote(value, safe="")
        assert form in ("", "raw")
        if isinstance(value, str):
            return value
        return value[0] if len(value) == 1 else "{" + ",".join(value) + "}"


class Infinity:
    """The data source of our API, as its backend parser reads it."""

    def __init__(self, source: Json, token: str) -> None:
        """`source`: as it is pushed."""
        self._url: str = source["url"]
        self._headers = (
            {"Authorization": f"Bearer {token}"} if source["jsonData"]["auth_method"] == "bearerToken" else {}
        )

    def rows(self, query: Json, chosen: Chosen) -> list[Json]:
        """Return the rows of an answer, with the columns of the query by their titles."""
        address = urllib.parse.urlsplit(self._url + chosen.filled(query["url"]))
        pairs = urllib.parse.parse_qsl(address.query, keep_blank_values=True)
        pairs += [(each["key"], chosen.filled(each["value"])) for each in query["url_options"]["params"]]
        url = address._replace(query=urllib.parse.urlencode(pairs)).geturl()
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=self._headers), timeout=30) as answer:
                document = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{url}: {error.code} {error.read().decode()}") from error
        found = _selected(document, query["root_selector"])
        rows = [{column["text"]: _typed(row, column, url) for column in query["columns"]} for row in found]
        if query["format"] == "timeseries":
            times = [row["time"] for row in rows]
            assert times == sorted(times), "from long to wide it is made of rows in order of time only"
        return rows


def promql(expr: str, chosen: Chosen, rate_interval: str) -> str:
    """Return what Grafana's data source of Prometheus asks."""

    def value(found: re.Match[str]) -> str:
        name = found["braced"] or found["bare"]
        if name == "__rate_interval":
            return rate_interval
        given = chosen.values[name]
        if isinstance(given, str):
            return given.replace("\\", "\\\\").replace('"', '\\"')
        several = chosen.options[name] if given == [ALL] else given
        escaped = [re.sub(r"([\\$.|?*+()\[\]{}^])", r"\\\\\1", each) for each in several]
        return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"

    return _VARIABLE.sub(value, expr)


def _selected(document: Any, path: str) -> list[Json]:
    """Return what a path of GJSON names; of that language what we use: names, `#`, and the modifier `@flatten`."""
    path, _, modifier = path.partition("|")
    found = [document]
    several = False
    for part in path.split("."):
        if part == "#":
            found, several = [each for every in found for each in every], True
        else:
            assert all(part in each for each in found), f"{part!r} of {path!r} is not in the answer"
            found = [each[part] for each in found]
    if not several:
        (only,) = found
        found = only
    assert modifier in ("", "@flatten")
    return [each for every in found for each in every] if modifier else found


def _typed(row: Json, column: Json, url: str) -> Any:
    name = column["selector"]
    assert name in row, f"{url} has no {name!r}"
    value = row[name]
    if value is None:
        return None
    if column["type"] == "timestamp":
        return datetime.fromisoformat(value)
    if column["type"] == "number":
        assert isinstance(value, int | float), f"{name} of {url} is {value!r}"
        return value
    assert isinstance(value, str | int | float), f"{name} of {url} is {value!r}: it cannot be shown as text"
    return str(value)
