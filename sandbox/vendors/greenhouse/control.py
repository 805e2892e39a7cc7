"""
The control plane, `/_control`: it stands for people in the Greenhouse UI, and for the weather.

Its own token guards it; it is not part of Greenhouse, and no fault or limit touches it.
docs/vendors/greenhouse.md, section 13, lists its endpoints.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.vendors.greenhouse import control_edits, organisation, people
from sandbox.vendors.greenhouse.account import no_events
from sandbox.vendors.greenhouse.calls import answer, no_content, read_body
from sandbox.vendors.greenhouse.errors import Refusal, not_found
from sandbox.vendors.greenhouse.webhooks import Webhook

if TYPE_CHECKING:
    from sandbox.vendors.greenhouse.app import Simulator

Handler = Callable[[Request], Awaitable[Response]]
SECRETS = frozenset({"client_secret", "api_key", "job_board_key", "admin_token"})


class Control:
    """The endpoints of the control plane over one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._account = simulator.account

    def routes(self) -> list[Route]:
        """Method, path and handler, all behind the admin token."""
        table: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "/state", self.state),
            ("GET", "/state/{table}", self.table),
            ("GET", "/settings", self.settings),
            ("PATCH", "/settings", self.change_settings),
            ("POST", "/fill", self.fill),
            ("GET", "/access", self.access),
            ("PATCH", "/access", self.change_access),
            ("POST", "/access/revoke_tokens", self.revoke_tokens),
            ("POST", "/access/rotate_secret", self.rotate_secret),
            ("GET", "/faults", self.faults),
            ("POST", "/faults", self.add_fault),
            ("DELETE", "/faults", self.clear_faults),
            ("GET", "/webhooks", self.webhooks),
            ("POST", "/webhooks", self.add_webhook),
            ("POST", "/webhooks/{row_id:int}/ping", self.ping_webhook),
            ("POST", "/webhooks/{row_id:int}/disable", self.disable_webhook),
            ("DELETE", "/webhooks/{row_id:int}", self.remove_webhook),
            ("GET", "/deliveries", self.deliveries),
            ("POST", "/deliveries/{event_id}/resend", self.resend),
            ("POST", "/events", self.send_event),
            ("GET", "/requests", self.requests),
            ("DELETE", "/requests", self.reset_requests),
            ("GET", "/counters", self.counters),
            ("DELETE", "/counters", self.reset_counters),
            ("POST", "/{table}", self.create),
            ("PATCH", "/{table}/{row_id:int}", self.edit),
            ("DELETE", "/{table}/{row_id:int}", self.remove),
            ("POST", "/{table}/{row_id:int}/{verb}", self.act),
        )
        return [Route(f"/_control{path}", self._guarded(handler), methods=[method]) for method, path, handler in table]

    def _guarded(self, handler: Handler) -> Handler:
        async def endpoint(request: Request) -> Response:
            expected = f"Bearer {self._account.settings.admin_token}"
            given = request.headers.get("authorization", "")
            if not hmac.compare_digest(given.encode(), expected.encode()):
                raise Refusal(401, "The control plane needs its admin token")
            return await handler(request)

        return endpoint

    # What there is.

    async def state(self, _: Request) -> Response:
        """Every table as `{table: [rows]}`, in v3 shape, ids ascending."""
        parts = [orjson.dumps(name) + b":" + self._rows(name) for name in sorted(self._account.tables)]
        return answer(b"{" + b",".join(parts) + b"}")

    async def table(self, request: Request) -> Response:
        """One table's rows."""
        name = request.path_params["table"]
        if name not in self._account.tables:
            raise not_found("Table")
        return answer(self._rows(name))

    def _rows(self, name: str) -> bytes:
        table = self._account[name]
        return b"[" + b",".join(raw for i in table.ids() if (raw := table.raw(i))) + b"]"

    async def settings(self, _: Request) -> Response:
        """All settings but the secrets."""
        shown = asdict(self._account.settings)
        return answer({name: value for name, value in shown.items() if name not in SECRETS})

    async def change_settings(self, request: Request) -> Response:
        """Change settings while running."""
        self._account.settings.change(await read_body(request))
        self._account.version += 1
        return await self.settings(request)

    async def fill(self, request: Request) -> Response:
        """Add `people` more generated people, as data that was always there: no events."""
        body = await read_body(request)
        count = body.get("people")
        if not isinstance(count, int) or count < 0:
            raise Refusal(422, "people must be a number of people")
        organisation.build(self._account, jobs=len(self._account["jobs"]) + count // 100)
        people.fill(self._account, count)
        return answer({name: len(table) for name, table in self._account.tables.items()})

    # Who may do what.

    async def access(self, _: Request) -> Response:
        """Denied scopes, whether private candidates are seen, and how many tokens live."""
        authority = self._simulator.authority
        return answer(
            {
                "denied_scopes": sorted(authority.denied_scopes),
                "sees_private": authority.sees_private,
                "access_tokens": len(authority.access),
            }
        )

    async def change_access(self, request: Request) -> Response:
        """Set `denied_scopes` and `sees_private`."""
        body = await read_body(request)
        authority = self._simulator.authority
        authority.denied_scopes = set(body.get("denied_scopes", authority.denied_scopes))
        authority.sees_private = bool(body.get("sees_private", authority.sees_private))
        self._account.version += 1
        return await self.access(request)

    async def revoke_tokens(self, _: Request) -> Response:
        """End all access tokens now."""
        self._simulator.authority.access.clear()
        return no_content()

    async def rotate_secret(self, _: Request) -> Response:
        """Make a new client secret; the old one works on for a week (section 2.4)."""
        secret = self._simulator.authority.rotate_secret()
        return answer({"client_secret": secret})

    # The weather.

    async def faults(self, _: Request) -> Response:
        """The fault rules and how often each was applied."""
        return answer([vars(rule) for rule in self._simulator.faults.rules])

    async def add_fault(self, request: Request) -> Response:
        """Put a fault rule in force."""
        return answer(vars(self._simulator.faults.add(await read_body(request))), 201)

    async def clear_faults(self, _: Request) -> Response:
        """Remove all fault rules."""
        self._simulator.faults.rules.clear()
        return no_content()

    # Webhooks, as the customer sets them up in the UI.

    async def webhooks(self, _: Request) -> Response:
        """All webhooks."""
        return answer([vars(webhook) for webhook in self._simulator.webhooks.webhooks.values()])

    async def add_webhook(self, request: Request) -> Response:
        """Register and ping; the answer says whether it is enabled."""
        body = await read_body(request)
        known = {f.name for f in fields(Webhook)} - {"id", "enabled"}
        if not {"url", "secret"} <= body.keys() or not body.keys() <= known:
            raise Refusal(422, f"url and secret are required; known: {sorted(known)}")
        webhook = await self._simulator.webhooks.register(**{"name": "webhook"} | body)
        return answer(vars(webhook), 201)

    async def ping_webhook(self, request: Request) -> Response:
        """Ping again, which enables or disables the webhook."""
        row_id = request.path_params["row_id"]
        return answer({"enabled": await self._simulator.webhooks.ping(row_id)})

    async def disable_webhook(self, request: Request) -> Response:
        """Switch a webhook off, as its checkbox does; a ping that is answered switches it on again."""
        self._simulator.webhooks.disable(request.path_params["row_id"])
        return no_content()

    async def remove_webhook(self, request: Request) -> Response:
        """Delete a webhook."""
        self._simulator.webhooks.remove(request.path_params["row_id"])
        return no_content()

    async def deliveries(self, _: Request) -> Response:
        """The last deliveries, pings too, and their attempts."""
        return answer([d.summary() for d in self._simulator.webhooks.deliveries])

    async def resend(self, request: Request) -> Response:
        """Deliver one event again, byte by byte."""
        self._simulator.webhooks.resend(request.path_params["event_id"])
        return no_content()

    async def send_event(self, request: Request) -> Response:
        """Send any `{"action", "payload"}`, correctly signed: true, unknown or forged."""
        body = await read_body(request)
        self._simulator.webhooks.tell(str(body.get("action")), body.get("payload") or {})
        return no_content()

    # What was asked.

    async def requests(self, request: Request) -> Response:
        """The request log after entry number `since` (default 0)."""
        since = int(request.query_params.get("since", "0"))
        entries = [e for e in self._simulator.journal.entries if e["number"] > since]
        return answer(entries)

    async def reset_requests(self, _: Request) -> Response:
        """Empty the request log."""
        self._simulator.journal.reset()
        return no_content()

    async def counters(self, _: Request) -> Response:
        """Requests, 429s, the use of every window per limiter, and webhooks by outcome."""
        limiters = self._simulator.limiters()
        return answer(
            {
                "requests": self._simulator.journal.total,
                "throttled": sum(limiter.refusals() for limiter in limiters),
                "windows": [window for limiter in limiters for window in limiter.windows()],
                "webhooks_pending": self._simulator.webhooks.pending(),
                "webhooks": self._simulator.webhooks.outcomes,
            }
        )

    async def reset_counters(self, _: Request) -> Response:
        """Forget all windows, the present ones too."""
        for limiter in self._simulator.limiters():
            limiter.reset()
        return no_content()

    # Records, as a recruiter edits them. `?webhooks=false` keeps quiet about it.

    async def create(self, request: Request) -> Response:
        """Insert a record of any table."""
        return await self._edited(request, control_edits.create, 201)

    async def edit(self, request: Request) -> Response:
        """Change any fields of a record of any table."""
        return await self._edited(request, control_edits.edit, 200)

    async def remove(self, request: Request) -> Response:
        """Delete a record of any table."""
        await self._edited(request, control_edits.remove, 200)
        return no_content()

    async def act(self, request: Request) -> Response:
        """A verb on a candidate or an application: move, reject, hire, merge, ..."""
        return await self._edited(request, control_edits.act, 200)

    async def _edited(self, request: Request, change: control_edits.Change, status: int) -> Response:
        body: dict[str, Any] = await read_body(request)
        if request.path_params["table"] not in self._account.tables:
            raise not_found("Table")
        told = self._account.tell
        if request.query_params.get("webhooks") == "false":
            self._account.tell = no_events
        try:
            row = change(self._account, request.path_params, body)
        finally:
            self._account.tell = told
        return answer(row, status)
