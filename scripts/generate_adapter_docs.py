"""
Write docs/adapters.md: how adapters work, and what each vendor lets us do, from the capabilities that they declare.

Run by `python -m scripts.generate_adapter_docs`. `--check` writes nothing and ends with 1 when the file differs from
what would be written.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from scripts.documents import write_or_check
from shared.adapters import get, platforms
from shared.adapters.protocol import Capabilities, EntityCapability, FieldCapability
from shared.model import FIELDS, EntityType, Kind

ROOT = Path(__file__).resolve().parents[1]

INTRODUCTION = """\
# Adapters

<!-- Written by scripts/generate_adapter_docs.py from the code; a test fails when it is out of date. -->

An adapter maps records and calls one vendor. It never retries a job, decides a merge or stores anything
(`shared/adapters/protocol.py`). Facts about a vendor stand in `docs/vendors/<vendor>.md`; its simulator enforces them.

## How a call is made

    http = VendorHttp(integration_id=…, windows=…, tokens=…)       one for an integration and process; keeps connections
    adapter = get("greenhouse").open(connection, http)
    with calling(lease_test):                                      asked before each call of this task; raises to stop
        async for page in adapter.pages(EntityType.CANDIDATE, cursor): …

- **Bounds.** 5 s to connect, 25 s of silence, 30 s for the whole call, 64 MiB of body after decompression.
- **Addresses** are checked when saved (`check_url`) and at each connection: the name is resolved once, every address is
  judged, and the judged one is connected to. Redirects are never followed. Loopback is for the sandbox alone.
- **Errors** become ours in one table (`shared/adapters/errors_of_http.py`); a vendor's dialect adds how it words a
  refusal. A write whose answer is lost or 5xx is `OutcomeUnknown`: search or fetch before repeating it. A read whose
  connection broke is repeated once.
- **Half a character**, the escape of half a surrogate pair, is JSON that no UTF-8 can hold: it costs the record that
  holds it, which is set aside, and not its page. What breaks off, holds `NaN` or is nested beyond 1,024 is no JSON. An
  answer to a write of which no record can be made is `OutcomeUnknown`: the next look tells.
- **401** proves that nothing was executed: the token is renewed and the call repeated, once.
- **Pace.** `Limiter` uses up the window that the vendor's headers tell, waits for its end and goes on. A wait beyond
  35 s is `RateLimited(retry_at)`: the job's to wait. Calls with the same credential share a window through a
  `WindowStore`: all workers together through a table ([limits.md](limits.md)), or one process by itself.
- **Tokens** come from a `TokenSource`: renewed by one at a time under a lease of the `TokenStore`, saved before use.

## How a payload is mapped

`to_canonical`, `from_canonical`, `expected`, `verify_webhook` and `read_webhook` need neither network nor clock: any
recorded payload can be replayed. A field that the payload doesn't carry is *not visible*, `null` is *empty*. Unknown
fields cost nothing; unknown words are kept as they came, with a warning that names the path. What can't be a record is
`InvalidPayload` with path and rule, never the value; in a page it stands in `Page.refused`.

`expected` tells what the vendor makes of a value. Where its answer to a write shows nothing (204), all that it makes of
values must be told there: a later look that shows neither what was sent nor what was expected is taken for somebody's
edit, or an edit between answer and look would be lost.

A new vendor is one folder and one line in `shared/adapters/registry.py`.

## Greenhouse

Harvest v3; v1 where `config.api_version` says so, or where only keys are given. `config`: `api_version`, `client_id`,
`token_url`, `user_id` (v3 `sub`, v1 On-Behalf-Of), `board_token`, `job_board_url`; secrets: `client_secret`, `api_key`,
`harvest_api_key`. `api_base_url` may end with a version; it is cut off.

- v1, v3 and webhooks are told apart by the payload. Names that v3 shows as ids are looked up in dictionaries, a few
  calls for all records, and merged into the payload under `_liaison`; the stages of fifty jobs are one call.
  Dictionaries that the credential may not read leave their fields not visible.
- With a `board_token` each pull of jobs, and each fetch of one, reads the Job Board's live posts in one call without a
  key. They go under `_liaison` too, by `internal_job_id`. If the board can't be read, description and location are not
  visible, with a warning. `harvest_api_key` serves Harvest and `api_key` the board; alone, `api_key` serves both.
- An incremental pull asks for `updated_at` at or after a moment. One of jobs also brings those of which a stage or the
  post alone has changed; posts of the last day before that moment are looked at once more, in case the board was down.
  v1 can't list applications by change: there each pull of applications is a full one.
- `null` in place of a contact list is *not visible*: the vendor always fills them, so it must not blank what we hold.
- An anonymised candidate has no fields, only the mark. A job's rich text loses scripts, styles and odd schemes.
- A candidate is created with one application: for `job_id` if given, else as a prospect. If Greenhouse makes it later,
  it is looked for by e-mail; without a trace of it the outcome is unknown.
- A contact list is written whole, and its other entries as the vendor shows them: types that no document names, Skype
  handles, a value under two types. If it refuses such a type, the list is written again, with `other` for it (6.13).
- Changes of an application are calls of their own, in the order reopen, move, end. A withdrawal is a rejection with a
  reason of the kind THEY_REJECTED_US. Without a named reason the first of the right kind is taken. A hire on a job with
  several open openings fills the first. A move may set off the customer's own rules, e-mails among them.
- When one of these calls is refused, the application is fetched once more. If somebody has moved, ended or reopened it
  since our look, nothing was wrong with the value (`from_stage_id` was stale): `Conflict`, and the job reads and merges
  again. Else the refusal stands.
"""


def page() -> str:
    """Write docs/adapters.md."""
    return INTRODUCTION + "".join(_platform(name, get(name).capabilities) for name in platforms())


def _platform(name: str, capabilities: Capabilities) -> str:
    hook = "is" if capabilities.webhook_api else "can't be"
    lines = [
        f"\n## What {name} lets us do\n",
        f"Numbers in brackets are sections of [vendors/{name}.md](vendors/{name}.md). Pages of",
        f"{capabilities.page_size}; change times to {_duration(capabilities.time_resolution)};",
        f"our webhook {hook} made by API.",
    ]
    tables = [_entity(entity, one) for entity, one in capabilities.entities.items()]
    return "\n".join(lines) + "\n" + "".join(tables)


def _entity(entity: EntityType, capability: EntityCapability) -> str:
    facts = [
        f"incremental pulls {_yes(capability.incremental)} (overlap {_duration(capability.overlap)})",
        f"webhooks {_yes(capability.webhooks)}",
        f"create {_yes(capability.create)}",
        f"update {_yes(capability.update)}",
        f"delete {_yes(capability.delete)}",
    ]
    if capability.search_lag:
        facts.append(f"a new one may be missing from a search for {_duration(capability.search_lag)}")
    head = f"\n### {entity.value}\n\n{'; '.join(facts)}.\n\n"
    table = "| field | read | written | moves the cursor | note |\n| --- | --- | --- | --- | --- |\n"
    rows = "".join(_row(entity, name, field) for name, field in capability.fields.items())
    return head + table + rows


def _row(entity: EntityType, name: str, field: FieldCapability) -> str:
    written = _yes(field.writable)
    if field.writable and FIELDS[entity][name].kind is Kind.SET and not (field.add and field.remove):
        written = "add only" if field.add else "remove only"
    cells = (f"`{name}`", _yes(field.readable), written, _yes(field.moves_cursor), field.note)
    return f"| {' | '.join(cells)} |\n"


def _yes(value: bool) -> str:  # noqa: FBT001 - a cell of a table
    return "yes" if value else "no"


def _duration(value: timedelta) -> str:
    seconds = value.total_seconds()
    for size, unit in ((3600.0, "h"), (60.0, "min"), (1.0, "s")):
        if seconds >= size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds * 1000:g} ms"


def written_files() -> dict[Path, str]:
    """Give each file and what should stand in it."""
    return {ROOT / "docs" / "adapters.md": page()}


if __name__ == "__main__":
    sys.exit(write_or_check(written_files, __doc__))
