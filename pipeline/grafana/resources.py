"""What a push keeps as wanted: folder, data sources, dashboards, alert rules; how each is read and written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import SecretStr

from pipeline.grafana.alerts import MARK
from pipeline.grafana.differences import differences
from pipeline.grafana.names import FOLDER_TITLE, FOLDER_UID, Json
from pipeline.grafana.server import Grafana, NotThere

MESSAGE = "rungwatch grafana push"
"""Of the versions of a dashboard that are ours."""


class Resource(Protocol):
    """One thing of ours in a Grafana, known by its uid."""

    @property
    def kind(self) -> str: ...

    @property
    def uid(self) -> str: ...

    @property
    def title(self) -> str: ...

    def read(self, grafana: Grafana) -> Json | None:
        """Return what is there; None: it is not. Raises as `Grafana.ask`."""
        ...

    def differences(self, there: Json) -> list[str]: ...

    def hindrance(self, grafana: Grafana, there: Json) -> str | None:
        """Say why it must not be changed although it differs: who did that; None: it is ours to change."""
        ...

    def write(self, grafana: Grafana, there: Json | None, *, overwrite: bool) -> None:
        """Make it, or change what is there. Raises as `Grafana.tell`."""
        ...


@dataclass(frozen=True)
class Folder:
    kind = "folder"
    uid: str = FOLDER_UID
    title: str = FOLDER_TITLE

    def read(self, grafana: Grafana) -> Json | None:
        return _dict(grafana.found("read the folder", lambda api: api.folder.get_folder(self.uid)))

    def differences(self, there: Json) -> list[str]:
        return differences({"title": self.title}, there)

    def hindrance(self, grafana: Grafana, there: Json) -> str | None:
        del grafana
        return f"it was renamed to {there.get('title')!r}"

    def write(self, grafana: Grafana, there: Json | None, *, overwrite: bool) -> None:
        if there is None:
            grafana.tell("make the folder", lambda api: api.folder.create_folder(self.title, self.uid))
            return
        version = there.get("version")
        grafana.tell(
            "rename the folder",
            lambda api: api.folder.update_folder(self.uid, self.title, version=version, overwrite=overwrite),
        )


@dataclass(frozen=True)
class DataSource:
    kind = "data source"
    wanted: Json
    secrets: Mapping[str, SecretStr] = field(default_factory=dict)
    renew: bool = False
    """Send the secrets also where Grafana has some: it never shows them, so that they cannot be compared."""

    @property
    def uid(self) -> str:
        return str(self.wanted["uid"])

    @property
    def title(self) -> str:
        return str(self.wanted["name"])

    def read(self, grafana: Grafana) -> Json | None:
        what = f"read the data source {self.title}"
        return _dict(grafana.found(what, lambda api: api.datasource.get_datasource_by_uid(self.uid)))

    def differences(self, there: Json) -> list[str]:
        known = there.get("secureJsonFields") or {}
        secret = [
            f"secureJsonData.{name}: {'kept by Grafana -> sent again' if known.get(name) else 'not set -> set'}"
            for name in self.secrets
            if self.renew or not known.get(name)
        ]
        return differences(self.wanted, there) + secret

    def hindrance(self, grafana: Grafana, there: Json) -> str | None:
        del grafana
        return "it comes from a file of Grafana's provisioning: change it there" if there.get("readOnly") else None

    def write(self, grafana: Grafana, there: Json | None, *, overwrite: bool) -> None:
        del overwrite  # there is no version that could be insisted on: Grafana compares the one that is sent
        body = dict(self.wanted)
        if self.secrets:
            body["secureJsonData"] = {name: secret.get_secret_value() for name, secret in self.secrets.items()}
        if there is None:
            grafana.tell(f"make the data source {self.title}", lambda api: api.datasource.create_datasource(body))
            return
        # What somebody added beside ours stays.
        body["jsonData"] = {**(there.get("jsonData") or {}), **self.wanted["jsonData"]}
        if "version" in there:
            body["version"] = there["version"]
        grafana.tell(
            f"change the data source {self.title}",
            lambda api: api.datasource.update_datasource_by_uid(self.uid, body),
        )


@dataclass(frozen=True)
class Dashboard:
    kind = "dashboard"
    wanted: Json
    folder_uid: str = FOLDER_UID

    @property
    def uid(self) -> str:
        return str(self.wanted["uid"])

    @property
    def title(self) -> str:
        return str(self.wanted["title"])

    def read(self, grafana: Grafana) -> Json | None:
        what = f"read the dashboard {self.title}"
        return _dict(grafana.found(what, lambda api: api.dashboard.get_dashboard(self.uid)))

    def differences(self, there: Json) -> list[str]:
        # A newer Grafana may bring a dashboard up to its own schema when it stores it.
        found = differences(self.wanted, there.get("dashboard") or {}, ignored=("schemaVersion",))
        return found + differences({"folder": self.folder_uid}, {"folder": (there.get("meta") or {}).get("folderUid")})

    def hindrance(self, grafana: Grafana, there: Json) -> str | None:
        meta = there.get("meta") or {}
        if meta.get("provisioned"):
            return "it comes from a file of Grafana's provisioning: change it there, or take the file away"
        newest = self._newest_version(grafana)
        if newest is None or str(newest.get("message", "")).startswith(MESSAGE):
            return None
        return f"it was changed by {newest.get('createdBy') or 'somebody'} ({newest.get('created') or 'lately'})"

    def write(self, grafana: Grafana, there: Json | None, *, overwrite: bool) -> None:
        model = self.wanted if there is None else self.wanted | _identity(there)
        body = {"dashboard": model, "folderUid": self.folder_uid, "message": MESSAGE, "overwrite": overwrite}
        what = "make" if there is None else "change"
        grafana.tell(f"{what} the dashboard {self.title}", lambda api: api.dashboard.update_dashboard(body))

    def _newest_version(self, grafana: Grafana) -> Json | None:
        path = f"/dashboards/uid/{self.uid}/versions"
        what = f"read who changed the dashboard {self.title}"
        found = grafana.found(what, lambda api: api.client.GET(path, params={"limit": 1}))
        # A list until 11, a page of one since then.
        versions: Sequence[Json] = (found or {}).get("versions", []) if isinstance(found, dict) else found or []
        return max(versions, key=lambda each: int(each.get("version", 0)), default=None)


@dataclass(frozen=True)
class AlertRule:
    kind = "alert rule"
    wanted: Json

    @property
    def uid(self) -> str:
        return str(self.wanted["uid"])

    @property
    def title(self) -> str:
        return str(self.wanted["title"])

    def read(self, grafana: Grafana) -> Json | None:
        what = f"read the alert rule {self.title}"
        return _dict(grafana.found(what, lambda api: api.alertingprovisioning.get_alertrule(self.uid)))

    def differences(self, there: Json) -> list[str]:
        # In another organization than the first Grafana says its own number.
        return differences(self.wanted, there, ignored=("orgID",))

    def hindrance(self, grafana: Grafana, there: Json) -> str | None:
        del grafana
        if there.get("provenance") == "file":
            return "it comes from a file of Grafana's provisioning: change it there, or take the file away"
        mark = (there.get("annotations") or {}).get(MARK)
        return "it was changed since it was pushed" if mark == self.wanted["annotations"][MARK] else None

    def write(self, grafana: Grafana, there: Json | None, *, overwrite: bool) -> None:
        del overwrite  # rules have no versions
        # Without provenance: else the rule could not be edited in Grafana any more.
        if there is None:
            grafana.tell(
                f"make the alert rule {self.title}",
                lambda api: api.alertingprovisioning.create_alertrule(self.wanted, disable_provenance=True),
            )
            return
        grafana.tell(
            f"change the alert rule {self.title}",
            lambda api: api.alertingprovisioning.update_alertrule(self.uid, self.wanted, disable_provenance=True),
        )


def _identity(there: Json) -> Json:
    """Return what says to Grafana which version is replaced."""
    model = there.get("dashboard") or {}
    return {key: model[key] for key in ("id", "version") if key in model}


def _dict(answer: Any) -> Json | None:
    if answer is None or isinstance(answer, dict):
        return answer
    raise NotThere(f"an object was expected, and {type(answer).__name__} came")
