"""A server that answers as Grafana's documented HTTP API does, and keeps what it is told; it draws nothing."""

import base64
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
INFINITY = "yesoreyeram-infinity-datasource"
ADMIN, EDITOR, VIEWER = "glsa_admin_token", "glsa_editor_token", "glsa_viewer_token"
WRITES = {
    "folders": "folders:create", "datasources": "datasources:create", "dashboards": "dashboards:write",
    "alert-rules": "alert.provisioning:write", "annotations": "annotations:create",
}  # fmt: skip
FORBIDDEN = {
    ADMIN: set(),
    EDITOR: {"datasources:create", "datasources:read"},
    VIEWER: set(WRITES.values()) | {"datasources:read"},
}
USER, PASSWORD = "admin", "secret"


@dataclass
class Fault:
    """What happens to the next requests of a kind."""

    method: str
    path: str
    status: int
    """0: the connection is cut."""
    times: int = 1
    afterwards: bool = False
    """The thing is done, and only the answer is lost."""


@dataclass
class GrafanaServer:
    """One Grafana, with a state; a context manager."""

    version: str = "11.6.0"
    plugins: set[str] = field(default_factory=lambda: {INFINITY})
    folders: dict[str, Json] = field(default_factory=dict)
    datasources: dict[str, Json] = field(default_factory=dict)
    secrets: dict[str, Json] = field(default_factory=dict)
    dashboards: dict[str, Json] = field(default_factory=dict)
    """By uid: model, folderUid, provisioned, and the messages of its versions."""
    rules: dict[str, Json] = field(default_factory=dict)
    annotations: dict[int, Json] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of every request."""

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [each for each in self.asked if each[0] != "GET"]

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self._numbers = iter(range(1, 1_000_000))
        grafana = self

        class Handler(_Handler):
            server_of = grafana

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def edited(self, uid: str, by: str, **changes: Any) -> None:
        """Change a dashboard as somebody does in the browser."""
        dashboard = self.dashboards[uid]
        dashboard["model"] |= changes
        dashboard["model"]["version"] += 1
        dashboard["versions"].append((by, ""))

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any, headers: Any) -> tuple[int, Any]:
        with self._lock:
            self.asked.append((method, path))
            if path == "/api/health":
                return 200, {"commit": "abc", "database": "ok", "version": self.version}
            token, refusal = _account(headers)
            if refusal is not None:
                return refusal
            return self._answer(method, path.removeprefix("/api/"), query, body, headers, token)

    def _answer(
        self, method: str, path: str, query: dict[str, list[str]], body: Any, headers: Any, token: str
    ) -> tuple[int, Any]:
        what, *rest = path.removeprefix("v1/provisioning/").split("/")
        needed = WRITES.get(what) if method != "GET" else f"{what}:read"
        if needed in FORBIDDEN[token]:
            text = f"You'll need additional permissions to perform this action. Permissions needed: {needed}"
            return 403, {"accessErrorId": "ACE1", "message": text, "title": "Access denied"}
        if what == "org":
            return 200, {"id": 1, "name": "Main Org.", "address": {}}
        if what == "plugins":
            here = rest[0] in self.plugins
            missing = {"message": "Plugin not found, no installed plugin with that id"}
            return (200, {"id": rest[0], "enabled": True}) if here else (404, missing)
        answer = {
            "folders": self._folder, "datasources": self._datasource, "dashboards": self._dashboard,
            "alert-rules": self._rule, "annotations": self._annotation,
        }[what]  # fmt: skip
        return answer(method, rest, query, body, headers)

    def _folder(self, method: str, rest: list[str], query: Any, body: Any, headers: Any) -> tuple[int, Any]:
        if method == "POST":
            if body["uid"] in self.folders or any(each["title"] == body["title"] for each in self.folders.values()):
                return 409, {"message": "a folder with the same name already exists", "status": "name-exists"}
            self.folders[body["uid"]] = {"id": next(self._numbers), "version": 1, **body}
            return 200, self.folders[body["uid"]]
        there = self.folders.get(rest[0])
        if there is None:
            return 404, {"message": "folder not found", "status": "not-found"}
        if method == "PUT":
            if not body.get("overwrite") and body.get("version") != there["version"]:
                text = "The folder has been changed by someone else"
                return 412, {"message": text, "status": "version-mismatch"}
            there |= {"title": body["title"], "version": there["version"] + 1}
        return 200, there

    def _datasource(self, method: str, rest: list[str], query: Any, body: Any, headers: Any) -> tuple[int, Any]:
        if method == "POST":
            if any(body["name"] == each["name"] for each in self.datasources.values()):
                return 409, {"message": "data source with the same name already exists"}
            kept = {"id": next(self._numbers), "orgId": 1, "readOnly": False, "version": 1}
            return 200, {"datasource": self._kept(body, kept), "message": "Datasource added"}
        there = self.datasources.get(rest[1])
        if there is None:
            return 404, {"message": "Data source not found"}
        if method == "PUT":
            if there["readOnly"]:
                return 403, {"message": "Cannot update read-only data source"}
            if body.get("version", there["version"]) != there["version"]:
                text = "Datasource has already been updated by someone else. Please reload and try again"
                return 409, {"message": text}
            kept = {key: there[key] for key in ("id", "orgId", "readOnly")} | {"version": there["version"] + 1}
            return 200, {"datasource": self._kept(body, kept), "message": "Datasource updated"}
        return 200, there

    def _kept(self, body: Json, kept: Json) -> Json:
        secrets = self.secrets.setdefault(body["uid"], {})
        secrets |= body.pop("secureJsonData", {})
        shown = {**body, **kept, "secureJsonFields": dict.fromkeys(secrets, True), "user": "", "database": ""}
        self.datasources[body["uid"]] = shown
        return shown

    def _dashboard(self, method: str, rest: list[str], query: Any, body: Any, headers: Any) -> tuple[int, Any]:
        if method == "POST":
            return self._save(body)
        there = self.dashboards.get(rest[1])
        if there is None:
            return 404, {"message": "Dashboard not found"}
        if rest[-1] == "versions":
            listed = [
                {"version": index + 1, "message": message, "createdBy": by, "created": "2026-11-20T10:00:00Z"}
                for index, (by, message) in enumerate(there["versions"])
            ][::-1][: int(query["limit"][0])]
            return 200, listed if self.major < 12 else {"continueToken": "", "versions": listed}
        meta = {
            "folderUid": there["folderUid"],
            "provisioned": there["provisioned"],
            "version": there["model"]["version"],
        }
        return 200, {"dashboard": there["model"], "meta": meta}

    def _save(self, body: Json) -> tuple[int, Any]:
        model = json.loads(json.dumps(body["dashboard"]))
        if "apiVersion" in model or "spec" in model:
            return 400, {"message": "dashboard appears to be in v2 format. Please use the v2 API"}
        if body["folderUid"] not in self.folders:
            return 400, {"message": "folder not found"}
        there = self.dashboards.get(model["uid"])
        if there is not None:
            if there["provisioned"]:
                return 400, {"message": "Cannot save provisioned dashboard"}
            if not body["overwrite"] and model.get("version") != there["model"]["version"]:
                text = "The dashboard has been changed by someone else"
                return 412, {"message": text, "status": "version-mismatch"}
        versions = [] if there is None else there["versions"]
        versions.append(("rungwatch", body["message"]))
        number = next(self._numbers) if there is None else there["model"]["id"]
        model |= {"id": number, "version": len(versions)}
        if self.major >= 13:  # brought up to its own schema
            model["schemaVersion"] = 42
        self.dashboards[model["uid"]] = {
            "model": model, "folderUid": body["folderUid"], "provisioned": False, "versions": versions,
        }  # fmt: skip
        return 200, {"id": number, "uid": model["uid"], "status": "success", "version": model["version"]}

    def _rule(self, method: str, rest: list[str], query: Any, body: Any, headers: Any) -> tuple[int, Any]:
        there = self.rules.get(rest[0]) if rest else None
        if method != "POST" and there is None:
            return 404, None  # with an empty body, as Grafana does
        if method == "GET":
            return 200, there
        wrong = _wrong_rule(body)
        if wrong or body["folderUID"] not in self.folders:
            return 400, {"message": f"invalid alert rule: {wrong or 'folder does not exist'}"}
        if method == "POST" and body["uid"] in self.rules:
            return 409, {"message": "rule title under the same organisation and folder should be unique"}
        provenance = "" if headers.get("X-Disable-Provenance") else "api"
        if there is not None and there.get("provenance") == "file":
            return 409, {"message": f"cannot change provenance from 'file' to '{provenance}'"}
        kept = {"id": next(self._numbers), "updated": "2026-11-20T10:00:00Z", "orgID": 1}
        rule = {**body, **kept} | ({"provenance": provenance} if provenance else {})
        self.rules[body["uid"]] = {key: value for key, value in rule.items() if value not in ("", {})}
        return (201 if method == "POST" else 200), self.rules[body["uid"]]

    def _annotation(self, method: str, rest: list[str], query: Any, body: Any, headers: Any) -> tuple[int, Any]:
        if method == "GET":
            tags = set(query.get("tags", []))
            found = [each for each in self.annotations.values() if tags <= set(each["tags"])]
            return 200, sorted(found, key=lambda each: -each["time"])[: int(query.get("limit", ["100"])[0])]
        if method == "POST":
            if not body.get("text"):
                return 400, {"message": "Failed to save annotation: text field should not be empty"}
            number = next(self._numbers)
            ends = {"timeEnd": body.get("timeEnd", body["time"])}
            self.annotations[number] = {"id": number, "dashboardUID": "", "panelId": 0, **body, **ends}
            return 200, {"message": "Annotation added", "id": number}
        there = self.annotations.get(int(rest[0]))
        if there is None:
            return 404, {"message": "Annotation not found"}
        if method == "DELETE":
            del self.annotations[int(rest[0])]
            return 200, {"message": "Annotation deleted"}
        there |= {key: body[key] for key in ("text", "tags", "time", "timeEnd") if key in body}
        return 200, {"message": "Annotation patched"}


def _account(headers: Any) -> tuple[str, tuple[int, Json] | None]:
    kind, _, given = headers.get("Authorization", "").partition(" ")
    if kind == "Bearer":
        known = given in FORBIDDEN
        return given, None if known else (401, {"message": "Invalid API key", "messageId": "api-key.invalid"})
    known = kind == "Basic" and base64.b64decode(given).decode() == f"{USER}:{PASSWORD}"
    return ADMIN, None if known else (401, {"message": "Invalid username or password"})


def _wrong_rule(rule: Json) -> str:
    needed = {"title", "ruleGroup", "folderUID", "condition", "data", "noDataState", "execErrState", "for", "orgID"}
    if needed - set(rule):
        return f"{sorted(needed - set(rule))} are required"
    if rule["condition"] not in {each["refId"] for each in rule["data"]}:
        return "condition does not exist"
    if not re.fullmatch(r"(\d+[smhd])+", rule["for"]):
        return "not a valid duration string"
    if rule["noDataState"] not in {"Alerting", "NoData", "OK", "KeepLast"}:
        return "unknown no data state option"
    return "" if rule["execErrState"] in {"OK", "Alerting", "Error", "KeepLast"} else "unknown execution error state"


class _Handler(BaseHTTPRequestHandler):
    server_of: GrafanaServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def _do(self) -> None:
        grafana = self.server_of
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length)
        address = urlsplit(self.path)
        fault = self._fault(address.path)
        if fault is not None and not fault.afterwards:
            grafana.asked.append((self.command, address.path))
            self._say(fault.status, {"message": "Service unavailable"})
            return
        body = json.loads(text) if text else None
        status, answer = grafana.answer(self.command, address.path, parse_qs(address.query), body, self.headers)
        if fault is not None:
            status, answer = fault.status, {"message": "Service unavailable"}
        self._say(status, answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do  # noqa: N815 - the names are the library's

    def _fault(self, path: str) -> Fault | None:
        for fault in self.server_of.faults:
            if fault.times > 0 and fault.method == self.command and path.startswith(fault.path):
                fault.times -= 1
                return fault
        return None

    def _say(self, status: int, answer: Any) -> None:
        if status == 0:
            self.close_connection = True
            self.connection.close()
            return
        text = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
        pass
