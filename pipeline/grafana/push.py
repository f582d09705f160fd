"""Brings a Grafana to what is wanted: a plan first, then what the plan says; a second time there is nothing to do."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import SecretStr

from pipeline.errors import Unavailable, UsageError
from pipeline.grafana.alerts import rules
from pipeline.grafana.dashboards import dashboards
from pipeline.grafana.names import API_UID, INFINITY, Json, Site
from pipeline.grafana.resources import AlertRule, Dashboard, DataSource, Folder, Resource
from pipeline.grafana.server import ATTEMPTS, FIRST_PAUSE_SECONDS, Conflict, Grafana
from pipeline.grafana.sources import TOKEN_FIELD, sources

log = logging.getLogger(__name__)


class Action(StrEnum):
    CREATE = "create"
    CHANGE = "change"
    KEEP = "unchanged"
    LEAVE = "left alone"
    """It differs, and somebody else did that."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done with one thing."""

    action: Action
    resource: Resource
    there: Json | None = None
    differences: tuple[str, ...] = ()
    reason: str = ""
    """Why it is left alone."""


def wanted(site: Site, api_token: SecretStr | None, *, renew_secrets: bool = False) -> list[Resource]:
    """Return everything of ours, in the order in which it is made."""
    secrets = {} if api_token is None else {TOKEN_FIELD: api_token}
    found: list[Resource] = [Folder()]
    for uid, source in sources(site, with_token=api_token is not None).items():
        found.append(DataSource(source, secrets if uid == API_UID else {}, renew_secrets))
    found += [Dashboard(model) for model in dashboards(site).values()]
    found += [AlertRule(rule) for rule in rules(site).values()]
    return found


def plan(grafana: Grafana, resources: Sequence[Resource], *, overwrite: bool = False) -> list[Step]:
    """Return what would be done; nothing is changed. Raises as `Grafana.ask`."""
    return [_step(grafana, resource, overwrite) for resource in resources]


def apply(
    grafana: Grafana,
    steps: Sequence[Step],
    *,
    overwrite: bool = False,
    done: Callable[[Step], None] = lambda step: None,
) -> list[Step]:
    """Do what the plan says, and return what became of every step. Raises as `Grafana.tell`, Conflict excepted.

    What Grafana refuses because somebody changed it meanwhile is left alone, and the rest goes on.
    """
    finished: list[Step] = []
    for step in steps:
        if step.action in (Action.CREATE, Action.CHANGE):
            step = _applied(grafana, step, overwrite)  # noqa: PLW2901 - what became of it
        done(step)
        finished.append(step)
    return finished


def check_plugin(grafana: Grafana) -> str | None:
    """Return a note where nobody can say whether Infinity is installed. Raises UsageError where it is not."""
    has = grafana.has_infinity()
    if has is None:
        return f"this account may not see the plugins: make sure that {INFINITY} is installed"
    if not has:
        raise UsageError(
            f"Grafana at {grafana.where} has not the plugin {INFINITY}, which reads our API: install it on its "
            f"machine with `grafana cli plugins install {INFINITY}` and restart Grafana; in a container set "
            f"GF_INSTALL_PLUGINS={INFINITY} (GF_PLUGINS_PREINSTALL from 12 on)"
        )
    return None


def _step(grafana: Grafana, resource: Resource, overwrite: bool) -> Step:
    there = resource.read(grafana)
    if there is None:
        return Step(Action.CREATE, resource)
    found = tuple(resource.differences(there))
    if not found:
        return Step(Action.KEEP, resource, there)
    reason = resource.hindrance(grafana, there)
    if reason is not None and not overwrite:
        return Step(Action.LEAVE, resource, there, found, reason)
    return Step(Action.CHANGE, resource, there, found)


def _applied(grafana: Grafana, step: Step, overwrite: bool) -> Step:
    pause = FIRST_PAUSE_SECONDS
    current = step
    for attempt in range(ATTEMPTS):
        try:
            current.resource.write(grafana, current.there, overwrite=overwrite)
        except Conflict as error:
            return Step(Action.LEAVE, step.resource, current.there, current.differences, str(error))
        except Unavailable as error:
            if attempt == ATTEMPTS - 1:
                raise
            log.warning("%s; asked again in %.1f s.", error, pause)
            time.sleep(pause)
            pause *= 2
            # It may have been done: what is there now says so.
            current = _step(grafana, step.resource, overwrite)
            if current.action is Action.KEEP:
                return step
            if current.action is Action.LEAVE:
                return current
        else:
            return step
    raise AssertionError
