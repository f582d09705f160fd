"""The one way to a Grafana: its HTTP API, with errors that say what is missing and what to do."""

import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from grafana_client.api import GrafanaApi
from grafana_client.client import (
    GrafanaClientError,
    GrafanaException,
    GrafanaServerError,
    GrafanaTimeoutError,
    GrafanaUnauthorizedError,
)

from pipeline.errors import RungwatchError, Unavailable, UsageError
from pipeline.grafana.names import INFINITY
from pipeline.settings import GrafanaSettings

OLDEST, NEWEST = 10, 13
ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.5
TOO_MANY = 429
_PERMISSIONS = re.compile(r"[Pp]ermissions? needed: (?P<names>[^\n]+)")


class NotThere(RungwatchError):
    """404: Grafana has no such thing."""


class Forbidden(UsageError):
    """403: the account is known, and may not do it."""


class Conflict(UsageError):
    """409 or 412: somebody else changed it, or has its name."""


class Grafana:
    """One Grafana, as one user or service account. May be used by one thread at a time."""

    def __init__(self, settings: GrafanaSettings) -> None:
        """Nothing is sent yet. Raises UsageError where there is no token and no user."""
        self.where = settings.url.rstrip("/")
        self._who = _who(settings)
        self.api = GrafanaApi.from_url(self.where, _credential(settings), timeout=settings.timeout_seconds)
        client = self.api.client
        if settings.ca_file is not None:
            client.verify = str(settings.ca_file)
        if settings.organization is not None:
            client.s.headers["X-Grafana-Org-Id"] = str(settings.organization)
        # from_url leaves the slash out between a path and what follows.
        client.url = f"{self.where}/api"

    def __repr__(self) -> str:
        return f"Grafana({self.where!r})"

    def close(self) -> None:
        self.api.client.s.close()

    def ask(self, what: str, question: Callable[[Any], Any]) -> Any:
        """Return the answer to something that may be asked again.

        Args:
            what: What is done, as in ``read the folder Rungwatch``.
            question: Given the client, whose methods have no types.

        Raises:
            NotThere, Conflict, UsageError: See `_meaning`.
            Unavailable: Grafana is away, also when asked again.
        """
        pause = FIRST_PAUSE_SECONDS
        for attempt in range(ATTEMPTS):
            try:
                return self.tell(what, question)
            except Unavailable:
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(pause)
                pause *= 2
        raise AssertionError

    def tell(self, what: str, change: Callable[[Any], Any]) -> Any:
        """Do something once and return the answer. Raises as `ask`; after Unavailable it may have been done."""
        try:
            answer = change(self.api)
        except (GrafanaException, OSError) as error:
            raise self._meaning(error, what) from error
        if isinstance(answer, str) and answer.lstrip().startswith("<"):
            raise UsageError(
                f"{self.where} answers with a web page and not as Grafana's API does: is the address right, with the "
                "path below which Grafana is served?"
            )
        return answer

    def found(self, what: str, question: Callable[[Any], Any]) -> Any | None:
        """Return the answer as `ask`; None: it is not there."""
        try:
            return self.ask(what, question)
        except NotThere:
            return None

    def version(self) -> str:
        """Return the version, as Grafana says it; empty: it does not say. Raises as `ask`."""
        answer = self.ask("read the version", lambda api: api.client.GET("/health"))
        if not isinstance(answer, dict) or "database" not in answer:
            raise UsageError(f"{self.where}/api/health does not answer as a Grafana: is the address right?")
        return str(answer.get("version", ""))

    def check_account(self) -> None:
        """Return where the token or the user is accepted, whatever it may do. Raises as `ask`."""
        with suppress(Forbidden):
            self.ask("read the organization", lambda api: api.client.GET("/org"))

    def has_infinity(self) -> bool | None:
        """Say whether the plugin is there that reads our API; None: this account may not know."""
        try:
            self.ask("look for the plugin", lambda api: api.client.GET(f"/plugins/{INFINITY}/settings"))
        except NotThere:
            return False
        except Forbidden:
            return None
        return True

    def _meaning(self, error: Exception, what: str) -> RungwatchError:
        where = f"Grafana at {self.where}"
        if isinstance(error, GrafanaUnauthorizedError):
            return UsageError(
                f"{where} does not accept {self._who}: make a service account token (Administration, Service accounts) "
                "and set RUNGWATCH_GRAFANA_TOKEN or give --token-file"
            )
        if isinstance(error, GrafanaTimeoutError):
            return Unavailable(f"{where} did not answer in time (to {what}): RUNGWATCH_GRAFANA_TIMEOUT_SECONDS")
        if isinstance(error, GrafanaServerError) or (
            isinstance(error, GrafanaClientError) and error.status_code == TOO_MANY
        ):
            return Unavailable(f"{where} cannot {what} now ({error.status_code}): {_said(error)}")
        if isinstance(error, GrafanaClientError):
            return self._refusal(error, what, where)
        if isinstance(error, GrafanaException):
            return Unavailable(f"{where} broke off (to {what}): {error.message}")
        if isinstance(error, ValueError):  # a JSON error of the client is an OSError as well
            return UsageError(f"{where} does not answer as Grafana's API does (to {what}): is the address right?")
        return Unavailable(f"{where} cannot be reached: {_kind(error)}. Is RUNGWATCH_GRAFANA_URL right?")

    def _refusal(self, error: GrafanaClientError, what: str, where: str) -> RungwatchError:
        said = _said(error)
        if error.status_code == 403:
            named = _PERMISSIONS.search(said)
            needs = f"it needs the permission {named['names'].strip()}" if named else f"Grafana says: {said}"
            return Forbidden(
                f"{where}: {self._who} may not {what}: {needs}. Give its service account the role Admin (Editor is "
                "enough for dashboards, alert rules and annotations, not for data sources), or that permission"
            )
        if error.status_code == 404:
            return NotThere(f"{where} has not what is needed to {what}: {said}")
        if error.status_code in (409, 412):
            return Conflict(f"{where} would not {what}: {said}")
        return UsageError(f"{where} refuses to {what} ({error.status_code}): {said}")


def newness(version: str) -> str | None:
    """Return what is to be said of a version that nothing is known of; None: it is one of 10 to 13."""
    number = re.match(r"\d+", version)
    if number is None:
        return f"Grafana does not tell its version; what is sent suits {OLDEST} to {NEWEST}"
    if int(number[0]) < OLDEST:
        return f"Grafana {version} is older than {OLDEST}: panels may stay empty; update it"
    if int(number[0]) > NEWEST:
        return (
            f"Grafana {version} is newer than {NEWEST}, which nothing here was made for: look at every dashboard once"
        )
    return None


def _credential(settings: GrafanaSettings) -> Any:
    if settings.token is not None:
        return settings.token.get_secret_value()
    if settings.user is not None and settings.password is not None:
        return settings.user, settings.password.get_secret_value()
    raise UsageError(
        "Grafana wants to know who asks: set RUNGWATCH_GRAFANA_TOKEN (a service account's), give --token-file, or "
        "--user and --password-file"
    )


def _who(settings: GrafanaSettings) -> str:
    return "the token" if settings.token is not None else f"the user {settings.user}"


def _said(error: GrafanaException) -> str:
    """Return Grafana's own words, without the client's."""
    answer: Any = error.response
    if isinstance(answer, str):
        try:
            answer = json.loads(answer)
        except ValueError:
            answer = answer[:500]
    if isinstance(answer, dict):
        answer = str(answer.get("message") or answer.get("msg") or answer.get("error") or answer)
    return " ".join(str(answer or error.message).split())[:500].rstrip(".")


def _kind(error: BaseException) -> str:
    """Return the innermost cause by its kind and number: the texts of others may carry addresses with passwords."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    reason = getattr(error, "strerror", None)
    return str(reason) if reason else type(error).__name__
