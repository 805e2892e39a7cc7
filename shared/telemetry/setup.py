"""
Where events go, decided once at start.

    here                      standard output, as LOG_FORMAT says
    Azure with a connection   Application Insights alone: the host would ship each event a second time
    Azure without             the worker's own logger, which the host ships

Outside Azure a connection adds Application Insights (or its stand-in) beside standard output.
"""

from __future__ import annotations

import atexit
import base64
import logging
import re
import sys
from threading import Lock
from typing import TYPE_CHECKING

from shared.telemetry.events import ROOT, use_redactor
from shared.telemetry.lines import Columns, JsonLines
from shared.telemetry.metrics import write_counts
from shared.telemetry.redaction import Redactor

if TYPE_CHECKING:  # pydantic is not needed to log
    from shared.settings import Settings

ROLE = "liaison"
QUIET = ("httpx", "httpcore", "azure", "urllib3", "opencensus", "psycopg.pool")
"""Libraries whose `info` tells addresses with their queries."""

_SECRET_PARTS = re.compile(r"(?:AccountKey=|Signature=|password=|://[^/@:\s]*:)([^;@\s]{8,})")
"""Keys in a storage connection string, the password of a database in either of its spellings."""

_lock = Lock()
_ours: list[logging.Handler] = []


def configure(settings: Settings, *, role: str = ROLE) -> None:
    """Set up logging as *settings* say. A second call replaces what the first one set up."""
    redactor = Redactor(_secrets(settings))
    with _lock:
        root = logging.getLogger(ROOT)
        _remove_ours()
        _ours[:] = [] if settings.runs_in_azure else [_standard_output(settings)]
        _ours.extend(_insights(settings, role, redactor))
        for handler in _ours:
            root.addHandler(handler)
        root.propagate = not _ours
        root.setLevel(settings.log_level.value)
    use_redactor(redactor)
    for library in QUIET:
        logging.getLogger(library).setLevel(logging.WARNING)
    atexit.unregister(write_counts)
    atexit.register(write_counts)


def shutdown() -> None:
    """Send what is held back and undo `configure`: events go to the process' root logger again."""
    write_counts()
    with _lock:
        _remove_ours()
        logging.getLogger(ROOT).propagate = True
    use_redactor(Redactor())
    atexit.unregister(write_counts)


def flush(timeout_s: float = 2.0) -> None:
    """
    Send what is held back; returns after *timeout_s* for each destination at most.

    For the end of a failed invocation: the platform may freeze or end a worker between two of them.
    """
    write_counts()
    for handler in _ours:
        if isinstance(handler, logging.StreamHandler):
            handler.flush()
        else:
            handler.flush(timeout=timeout_s)  # type: ignore[call-arg]


def _remove_ours() -> None:
    for handler in _ours:
        logging.getLogger(ROOT).removeHandler(handler)
        handler.close()
    _ours.clear()


def _standard_output(settings: Settings) -> logging.Handler:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Columns() if settings.log_format.value == "console" else JsonLines())
    return handler


def _insights(settings: Settings, role: str, redactor: Redactor) -> list[logging.Handler]:
    if settings.insights_connection_string is None:
        return []
    # By need: the exporter brings some 300 ms of imports.
    from shared.settings import prepare_exporter_environment

    prepare_exporter_environment(settings)
    from shared.telemetry import insights

    connection = settings.insights_connection_string.get_secret_value()
    return insights.handlers(connection, role=role, redactor=redactor, keep_on_disk=settings.runs_in_azure)


def _secrets(settings: Settings) -> list[str]:
    """Give the literal secrets of the settings: whole connection strings, and the passwords and keys within."""
    root_secrets = (settings.encryption_secret, *settings.encryption_secret_previous)
    literals = [base64.b64encode(secret.get_secret_value()).decode() for secret in root_secrets]
    for text in (
        settings.database_url,
        settings.database_owner_url,
        settings.storage_connection,
        settings.auth_jwt_secret,
    ):
        if text is not None:
            literals += _SECRET_PARTS.findall(text.get_secret_value())
            literals.append(text.get_secret_value())
    return literals
