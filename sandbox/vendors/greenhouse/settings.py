"""Everything about the simulator that can be set, at start or while it runs."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from sandbox.vendors.greenhouse.errors import Refusal

WEEK_S = 7 * 24 * 3600.0
START_ONLY = frozenset({"people", "seed", "jobs", "client_id", "board_token", "admin_token"})


@dataclass
class Settings:
    """Times are in seconds. Section numbers are those of docs/vendors/greenhouse.md."""

    people: int = 0
    seed: int = 1
    jobs: int | None = None  # None: one per 100 people, 12 to 200
    client_id: str = "greenhouse-client"
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    api_key: str = field(default_factory=lambda: secrets.token_hex(20))
    job_board_key: str | None = None  # None: the Harvest key serves the job board too
    board_token: str = "acme"  # noqa: S105 - the public name of a job board
    admin_token: str = field(default_factory=lambda: secrets.token_hex(24))
    """Handed to programs as an option: one that begins with a dash would be taken for another option."""

    token_lifetime_s: float = 3600.0  # section 2.2
    refresh_token_lifetime_s: float = 24 * 3600.0  # section 2.3
    code_lifetime_s: float = 60.0  # section 2.3
    rotated_secret_lifetime_s: float = WEEK_S  # section 2.4
    cursor_lifetime_s: float = 600.0  # section 3.2, our figure

    limiter: bool = True
    window_s: float = 30.0  # section 4.1
    window_limit: int = 75
    legacy_window_s: float = 10.0  # section 4.2
    legacy_window_limit: int = 50
    token_window_s: float = 60.0  # section 4.3
    token_window_limit: int = 60

    legacy: Literal["served", "removed"] = "served"  # section 10.1
    legacy_removed_status: int = 410
    clock_offset_s: float = 0.0  # added to every time the simulator writes or compares
    replica_lag_s: float = 0.0  # lists show the state of so long ago (section 3.6)
    async_create: bool = False  # POST /v3/candidates answers {"message"} (section 6.1)
    async_create_delay_s: float = 0.2
    keeps_type_words: bool = True  # a word for a type that a list holds is taken again (section 6.13)
    merge_event: bool = True  # merge_candidate replaces delete_candidate (section 9.4)
    file_url_lifetime_s: float = WEEK_S  # section 7.1

    extra_fields: bool = False  # a new unknown property on every record (section 3.1)
    null_lists: bool = False  # null where a list was promised
    hidden_fields: dict[str, list[str]] = field(default_factory=dict)  # {"candidates": ["title"]}
    static_answers: bool = False  # each GET's bytes are made once and kept until a change

    webhook_time_scale: float = 1.0  # 1.0: the ladder's real minutes (section 9.3)
    webhook_timeout_s: float = 10.0
    webhook_drop: float = 0.0  # share of deliveries that are never sent
    webhook_duplicate: float = 0.0  # share that is sent twice
    webhook_reorder_s: float = 0.0  # deliveries wait a random time up to this
    webhook_delay_s: float = 0.0  # and all of them this long
    webhook_keep_event_id: bool = True  # retries keep Greenhouse-Event-ID (section 9.2)

    def change(self, changes: dict[str, Any]) -> None:
        """Apply *changes* while running. Raises Refusal for unknown names and wrong types."""
        kinds = {f.name: type(getattr(self, f.name)) for f in fields(self)}
        for name, value in changes.items():
            if name not in kinds or name in START_ONLY:
                raise Refusal(422, f"no such setting while running: {name}")
            if not _fits(value, kinds[name]):
                raise Refusal(422, f"{name} must be {kinds[name].__name__}")
        if changes.get("legacy", "served") not in {"served", "removed"}:
            raise Refusal(422, "legacy must be served or removed")
        for name, value in changes.items():
            setattr(self, name, value)


def _fits(value: object, kind: type) -> bool:
    """Whether *value* may replace one of *kind*; a whole number may stand for a float."""
    if kind is type(None) or kind is bool:
        return kind is not bool or isinstance(value, bool)
    if isinstance(value, bool):
        return False
    return isinstance(value, (int, float) if kind is float else kind)
