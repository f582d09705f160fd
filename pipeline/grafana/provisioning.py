"""The same as files: the tree that Grafana reads at its start, for those who keep everything in files."""

import json
from pathlib import Path
from typing import Any

import yaml

from pipeline.grafana.alerts import GROUP, INTERVAL_SECONDS, MARK, rules
from pipeline.grafana.dashboards import dashboards
from pipeline.grafana.names import API_UID, FOLDER_TITLE, Json, Site
from pipeline.grafana.sources import TOKEN_FIELD, sources

PROVISIONING = "/etc/grafana/provisioning"
"""Where Grafana looks for it, in its containers and packages."""
TOKEN_VARIABLE = "RUNGWATCH_API_TOKEN"
HEAD = "# Written by `rungwatch grafana export`; change it there, not here. {}\n"
RULE_FIELDS = (
    "uid", "title", "condition", "data", "noDataState", "execErrState", "for", "annotations", "labels", "isPaused",
)  # fmt: skip


def tree(site: Site, provisioning: str = PROVISIONING) -> dict[str, str]:
    """Return the text of every file by its path; `provisioning`: where the tree lies for Grafana."""
    found = {
        "provisioning/datasources/rungwatch.yaml": _yaml(
            _sources(site), f"The token of our API comes from the environment of Grafana: {TOKEN_VARIABLE}."
        ),
        "provisioning/dashboards/rungwatch.yaml": _yaml(
            _provider(f"{provisioning.rstrip('/')}/dashboards/rungwatch"), "The dashboards lie in the folder beside it."
        ),
        "provisioning/alerting/rungwatch.yaml": _yaml(_rules(site), "A dollar sign is doubled in these files."),
    }
    for uid, model in dashboards(site).items():
        found[f"provisioning/dashboards/rungwatch/{uid}.json"] = json.dumps(model, indent=2, ensure_ascii=False) + "\n"
    return found


def export(folder: Path, site: Site, provisioning: str = PROVISIONING) -> list[Path]:
    """Write the tree below a folder, and return its files. Other files there stay as they are."""
    written: list[Path] = []
    for name, text in tree(site, provisioning).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def _sources(site: Site) -> Json:
    listed = []
    for uid, source in sources(site, with_token=True).items():
        secrets = {"secureJsonData": {TOKEN_FIELD: f"$__env{{{TOKEN_VARIABLE}}}"}} if uid == API_UID else {}
        listed.append({"orgId": 1, **source, **secrets, "editable": False})
    return {"apiVersion": 1, "datasources": listed}


def _provider(path: str) -> Json:
    provider = {
        "name": "rungwatch",
        "orgId": 1,
        "type": "file",
        # No folderUid: the alert rules, which are read first, make the folder by its title.
        "folder": FOLDER_TITLE,
        "disableDeletion": False,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 30,
        "options": {"path": path},
    }
    return {"apiVersion": 1, "providers": [provider]}


def _rules(site: Site) -> Json:
    listed = []
    for rule in rules(site).values():
        shown = {name: rule[name] for name in RULE_FIELDS}
        shown["annotations"] = {key: text for key, text in rule["annotations"].items() if key != MARK}
        listed.append(_doubled(shown))
    group = {
        "orgId": 1,
        "name": GROUP,
        "folder": FOLDER_TITLE,
        "interval": f"{INTERVAL_SECONDS}s",
        "rules": listed,
    }
    return {"apiVersion": 1, "groups": [group]}


def _doubled(value: Any) -> Any:
    """Return the value with every dollar sign doubled: Grafana fills variables of its environment into these files."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: _doubled(each) for key, each in value.items()}
    return [_doubled(each) for each in value] if isinstance(value, list) else value


class _Dumper(yaml.SafeDumper):
    """Writes what stands in several places several times, instead of a reference to the first."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _yaml(document: Json, note: str) -> str:
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return HEAD.format(note) + text
