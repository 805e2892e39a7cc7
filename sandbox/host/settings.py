"""The host's own view of its settings: host.json, its overrides, local.settings.json, durations (§1)."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

OVERRIDE_PREFIX = "AzureFunctionsJobHost__"
KNOWN_HOST_KEYS = frozenset(
    {
        "version",
        "functionTimeout",
        "extensions",
        "logging",
        "extensionBundle",
        "retry",
        "functions",
        "watchDirectories",
        "watchFiles",
        "singleton",
        "aggregator",
        "healthMonitor",
        "managedDependencies",
        "customHandler",
        "concurrency",
        "telemetryMode",
        "sendCanceledInvocationsToWorker",
        "metadataProviderTimeout",
    }
)
DEFAULT_BODY_LIMIT_BYTES = 104_857_600
DEFAULT_FUNCTION_TIMEOUT = timedelta(minutes=30)
BATCH_SIZE_LIMIT = 32  # the queue service's maximum per get
HOST_ID_LENGTH = 32

_TIME_SPAN = re.compile(
    r"(?:(?P<days>\d+)\.)?(?P<hours>\d{1,2}):(?P<minutes>\d{1,2})(?::(?P<seconds>\d{1,2}(?:\.\d+)?))?"
)
_REFERENCE = re.compile(r"%([^%]+)%")


class BadSettings(ValueError):
    """A setting the host cannot start with. The message names it."""


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """`extensions.queues` of host.json, for all queue functions of the app."""

    batch_size: int
    new_batch_threshold: int
    max_dequeue_count: int
    visibility_timeout: timedelta  # the delay after a failure; not the lease
    max_polling_interval: timedelta
    encodes_base64: bool


@dataclass(frozen=True, slots=True)
class Timings:
    """Durations of the host in seconds: the real ones unless `SANDBOX_HOST_…` shortens them."""

    lease: float  # how long a received message stays hidden unless renewed
    polling_start: float  # the first wait of an idle queue listener
    timeout_grace: float  # from a function's timeout to the end of its worker
    lock: int  # the host lock's lease; the service takes 15 to 60
    lock_retry: float  # between two tries for a host lock that another host holds
    restart_start: float  # before a crashed worker is started again; doubled each time


@dataclass(frozen=True, slots=True)
class HostSettings:
    """All that one worker needs to know besides the functions themselves."""

    root: Path
    host_id: str
    route_prefix: str
    max_outstanding_requests: int  # -1: no limit
    body_limit_bytes: int
    buffers_chunked_bodies: bool
    has_homepage: bool
    function_timeout: timedelta | None
    queues: QueueOptions
    timings: Timings
    environment: Mapping[str, str]

    def resolve(self, text: str) -> str:
        """Replace each `%NAME%` in *text* by that app setting. Raises BadSettings when unset."""

        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            if name not in self.environment:
                raise BadSettings(f"%{name}% is used by a binding and not set")
            return self.environment[name]

        return _REFERENCE.sub(value, text)

    def connection_string(self, name: str) -> str:
        """Return the storage connection string that binding connection *name* stands for."""
        name = name or "AzureWebJobsStorage"
        found = self.environment.get(name) or self.environment.get(f"AzureWebJobs{name}")
        if not found:
            raise BadSettings(f"{name}: no connection string (identities need the real host)")
        return found

    def is_disabled(self, function: str) -> bool:
        """Tell whether `AzureWebJobs.<function>.Disabled` (or its `__` form) is true."""
        names = (f"AzureWebJobs.{function}.Disabled", f"AzureWebJobs__{function}__Disabled")
        return any(is_true(self.environment.get(n)) for n in names)


def is_true(text: str | None) -> bool:
    """Read a switch of the environment: `true` and `1`, in any case."""
    return (text or "").strip().lower() in {"true", "1"}


def time_span(value: object) -> timedelta:
    """
    Read a duration of host.json: `"[d.]hh:mm[:ss]"`, or a number, which counts **days**.

    Raises BadSettings.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return timedelta(days=value)
    text = str(value).strip()
    if text.isdecimal():
        return timedelta(days=int(text))
    match = _TIME_SPAN.fullmatch(text)
    if match is None:
        raise BadSettings(f"not a duration: {text!r} (hh:mm:ss)")
    return timedelta(**{unit: float(n) for unit, n in match.groupdict().items() if n})


def environment_with_local(root: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """
    Return *environment* laid over the `Values` of *root*'s local.settings.json.

    A variable that is already set wins over the file. `AZURE_FUNCTIONS_ENVIRONMENT` is always
    `Development` afterwards, as with the vendor's local tools.
    """
    merged: dict[str, str] = {}
    file = root / "local.settings.json"
    if file.exists():
        values = json.loads(file.read_text(encoding="utf-8-sig")).get("Values") or {}
        merged = {str(name): str(value) for name, value in values.items()}
    merged.update(environment)
    merged["AZURE_FUNCTIONS_ENVIRONMENT"] = "Development"
    return merged


def read_settings(root: Path, environment: Mapping[str, str]) -> HostSettings:
    """
    Read *root*'s host.json and *environment* (already merged) into one object.

    Raises BadSettings for values out of the host's bounds. Unknown top-level keys of host.json
    are only logged: the host ignores them in silence.
    """
    host = _host_json(root, environment)
    for unknown in sorted(host.keys() - KNOWN_HOST_KEYS):
        log.warning("host.json: %r is not known to the host and has no effect", unknown)
    extensions = host.get("extensions") or {}
    http = extensions.get("http") or {}
    limit = environment.get("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT") or DEFAULT_BODY_LIMIT_BYTES
    return HostSettings(
        root=root,
        host_id=_host_id(root, environment),
        route_prefix=str(http.get("routePrefix", "api")).strip("/"),
        max_outstanding_requests=int(http.get("maxOutstandingRequests", -1)),
        body_limit_bytes=int(limit),
        buffers_chunked_bodies=is_true(environment.get("SANDBOX_HOST_BUFFER_CHUNKED")),
        has_homepage=not is_true(environment.get("AzureWebJobsDisableHomepage")),
        function_timeout=_function_timeout(host.get("functionTimeout")),
        queues=_queue_options(extensions.get("queues") or {}),
        timings=_timings(environment),
        environment=environment,
    )


def _host_json(root: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    file = root / "host.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8-sig")) if file.exists() else {"version": "2.0"}
    for name, value in environment.items():
        if name.lower().startswith(OVERRIDE_PREFIX.lower()):
            _override(found, name[len(OVERRIDE_PREFIX) :].split("__"), value)
    return found


def _override(tree: dict[str, Any], path: list[str], value: str) -> None:
    """Set the leaf at *path* in *tree*; names are matched without regard to case."""
    *branches, leaf = _spelling(tree, path)
    for branch in branches:
        below = tree.get(branch)
        if not isinstance(below, dict):
            below = tree[branch] = {}
        tree = below
    tree[leaf] = value


def _spelling(tree: Any, path: list[str]) -> Iterator[str]:
    """Yield *path* as *tree* spells it, so that an override meets the key it overrides."""
    for name in path:
        known = tree if isinstance(tree, dict) else {}
        spelled = next((key for key in known if key.lower() == name.lower()), name)
        yield spelled
        tree = known.get(spelled)


def _queue_options(found: Mapping[str, Any]) -> QueueOptions:
    batch_size = int(found.get("batchSize", 16))
    threshold = found.get("newBatchThreshold")
    options = QueueOptions(
        batch_size=batch_size,
        new_batch_threshold=(batch_size // 2 * (os.cpu_count() or 1) if threshold is None else int(threshold)),
        max_dequeue_count=int(found.get("maxDequeueCount", 5)),
        visibility_timeout=time_span(found.get("visibilityTimeout", "00:00:00")),
        max_polling_interval=time_span(found.get("maxPollingInterval", "00:00:02")),
        encodes_base64=_encodes_base64(str(found.get("messageEncoding", "base64"))),
    )
    in_bounds = {
        "batchSize": 1 <= options.batch_size <= BATCH_SIZE_LIMIT,
        "newBatchThreshold": options.new_batch_threshold >= 0,
        "maxDequeueCount": options.max_dequeue_count >= 1,
        "maxPollingInterval": options.max_polling_interval >= timedelta(milliseconds=100),
    }
    for name, holds in in_bounds.items():
        if not holds:
            raise BadSettings(f"host.json extensions.queues.{name} is out of bounds")
    return options


def _encodes_base64(text: str) -> bool:
    if text.lower() not in {"base64", "none"}:
        raise BadSettings(f"host.json extensions.queues.messageEncoding: {text!r}")
    return text.lower() == "base64"


def _function_timeout(value: object) -> timedelta | None:
    if value is None:
        return DEFAULT_FUNCTION_TIMEOUT
    if str(value) in {"-1", "-00:00:01"}:
        return None
    timeout = time_span(value)
    if timeout < timedelta(seconds=1):
        raise BadSettings("host.json functionTimeout is below one second")
    return timeout


def _host_id(root: Path, environment: Mapping[str, str]) -> str:
    """Name the app among those that share its storage account: by setting, else by its folder."""
    given = environment.get("AzureFunctionsWebHost__hostid")
    if given:
        return given.lower()[:HOST_ID_LENGTH]
    name = re.sub(r"[^a-z0-9]+", "-", root.name.lower()).strip("-") or "app"
    mark = sha256(str(root).encode()).hexdigest()[:8]
    return f"{name[: HOST_ID_LENGTH - 9]}-{mark}"


def _timings(environment: Mapping[str, str]) -> Timings:
    def seconds(name: str, default: float) -> float:
        return float(environment.get(f"SANDBOX_HOST_{name}_SECONDS") or default)

    return Timings(
        lease=seconds("LEASE", 600),
        polling_start=seconds("POLLING_START", 0.1),
        timeout_grace=seconds("TIMEOUT_GRACE", 2),
        lock=int(seconds("LOCK", 60)),
        lock_retry=seconds("LOCK_RETRY", 60),
        restart_start=seconds("RESTART_START", 1),
    )
