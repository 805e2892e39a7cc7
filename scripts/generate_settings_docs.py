"""
Write docs/settings.md and local.settings.sample.json from the settings that shared/settings.py declares.

Run by `python -m scripts.generate_settings_docs`. `--check` writes nothing and ends with 1 when a file differs from
what would be written.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from scripts.documents import write_or_check
from shared.setting_list import Setting, declared

ROOT = Path(__file__).resolve().parents[1]

WORKER_SETTINGS = {"FUNCTIONS_WORKER_RUNTIME": "python"}
"""Read by the Functions host, not by us."""

INTRODUCTION = """\
# Settings

<!-- Written by scripts/generate_settings_docs.py from shared/settings.py; a test fails when it is out of date. -->

Environment variables of the process: app settings in Azure, `local.settings.json` on your machine (copy
`local.settings.sample.json` and fill in the secrets). They are read once, at start; all faults are reported together,
by name. A blank value counts as absent. A value may be a Key Vault reference in Azure; one that the platform did not
resolve stops the start. Only `shared/settings.py` reads them.

Secrets: `openssl rand -base64 32` makes one. How `ENCRYPTION_SECRET` is rotated stands in [security.md](security.md).

| variable | meaning | unit | default |
| --- | --- | --- | --- |
"""

PLATFORM_HEADING = """
## Set by the platform

| variable | meaning |
| --- | --- |
"""

HOST_HEADING = """
## What host.json must agree with

| host.json | must be | because |
| --- | --- | --- |
| `extensions.queues.batchSize` + `newBatchThreshold` | `SYNC_BATCH_SIZE` (6 + 4 = 10) | together they bound the messages that one instance holds |
| `extensions.queues.maxPollingInterval` | at most `SYNC_POLL_INTERVAL`; 00:00:01 | an idle urgent queue must be looked at within a second |
| `extensions.queues.maxDequeueCount` | 5 | a message that fails so often goes to `<queue>-poison` |
| `extensions.queues.visibilityTimeout` | `SYNC_VISIBILITY_SECONDS`; 00:00:30 | a failed job must be due when its message is redelivered |
| `extensions.queues.messageEncoding` | `base64` | what our sender writes |
| `extensions.http.routePrefix` | empty | `/health` and the console do not live under `/api` |

`local.settings.json` is for this machine alone and is never committed. `FUNCTIONS_WORKER_RUNTIME` in it is read by the
Functions host. host.json values can be overridden by variables of the form `AzureFunctionsJobHost__extensions__queues__…`.
"""  # noqa: E501  # a table row is one line


def settings_page() -> str:
    """Write docs/settings.md."""
    ours = [setting for setting in declared() if not setting.is_platform]
    platform = [setting for setting in declared() if setting.is_platform]
    rows = "".join(_row(setting) for setting in ours)
    platform_rows = "".join(f"| `{setting.variable}` | {setting.description} |\n" for setting in platform)
    return INTRODUCTION + rows + PLATFORM_HEADING + platform_rows + HOST_HEADING


def sample_file() -> str:
    """Write local.settings.sample.json: every setting, with a value that works locally or blank for a secret."""
    ours = {setting.variable: setting.sample for setting in declared() if not setting.is_platform}
    document = {
        "IsEncrypted": False,
        "Values": {**WORKER_SETTINGS, **ours},
        "Host": {"LocalHttpPort": 7071},
    }
    return json.dumps(document, indent=2) + "\n"


def written_files() -> dict[Path, str]:
    """Give each file and what should stand in it."""
    return {ROOT / "docs" / "settings.md": settings_page(), ROOT / "local.settings.sample.json": sample_file()}


def _row(setting: Setting) -> str:
    default = "**required**" if setting.is_required else f"`{setting.default}`" if setting.default else ""
    secret = " *Secret.*" if setting.is_secret else ""
    return f"| `{setting.variable}` | {setting.description}{secret} | {setting.unit} | {default} |\n"


if __name__ == "__main__":
    sys.exit(write_or_check(written_files, __doc__))
