"""
The life of an integration: created, changed, paused and resumed, tested, deleted.

Nothing is called while a transaction is open: a vendor is asked first, and what it said is kept only if nobody else
changed the integration meanwhile. Whatever the webhook intake has to know is a job of the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID, uuid4

from shared import telemetry
from shared.adapters import registry
from shared.adapters.protocol import Connection, ConnectionReport
from shared.errors import Conflict, LiaisonError, Unavailable
from shared.intake.secrets import WebhookSecrets
from shared.integrations import credentials
from shared.integrations.addresses import CredentialsNeeded, hosts_of
from shared.integrations.authorities import check_authorities
from shared.integrations.cadence import default_cadences
from shared.integrations.change import Change, new_webhook_secret, plan_change
from shared.integrations.connection_test import report_view, require_ok, skew_ms, try_kept, try_new
from shared.integrations.drafting import default_directions, draft_of
from shared.integrations.leaving import Leaving, farewell
from shared.integrations.outbound_turns import follow
from shared.integrations.parts import Parts
from shared.integrations.rejudging import look_again, owe_another_look
from shared.integrations.requests import CreateIntegration, PatchIntegration, platform_name
from shared.integrations.switching import Canceller
from shared.integrations.view import integration_view
from shared.model import Direction, EntityType, LogAction, LogStatus
from shared.security.keys import Purpose
from shared.security.webhook_url import webhook_url
from shared.store.connections import IntegrationRow
from shared.store.database import Transaction
from shared.store.integrations import FIRST, Integration, NewIntegration
from shared.store.ledger import JobRequest, Knock
from shared.store.logs import LogRow
from shared.store.schedules import Cadence
from shared.sync.jobs.priorities import PUBLISH, SECRETS
from shared.sync.workers.standing import go_on, lift

TRIES_TO_DELETE = 3
"""Times that a deletion is tried which waits in a circle with somebody at work."""

log = telemetry.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Created:
    """A new integration, with the one sight of its webhook's secret."""

    view: Mapping[str, Any]
    webhook_secret: str


@dataclass(frozen=True, slots=True)
class Changed:
    """An integration after a change. *webhook_secret* is there after a rotation, once."""

    view: Mapping[str, Any]
    webhook_secret: str | None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Integrations:
    """What can be done with an integration as a whole."""

    @classmethod
    def of(cls, services: Any) -> Self:
        """Build it from what the composition root gives."""
        return cls(Parts.of(services))

    def __init__(self, parts: Parts, *, now: Callable[[], datetime] = _utc_now) -> None:
        self._parts = parts
        self._now = now
        self._canceller = Canceller(parts.integrations, parts.ledger, parts.logs, parts.runs)
        self._leaving = Leaving(self._canceller, parts.logs)

    async def create(self, company_id: UUID, request: CreateIntegration) -> Created:
        """
        Keep a new connection: inbound only, pulled by the default cadence, credentials sealed.

        The vendor is asked who we are; if it can't be reached, the integration is made all the same and the account
        is learned at its first test. Raises InvalidInput, PreviewNeeded.
        """
        platform = platform_name(request.platform)
        adapter = registry.get(platform)
        draft = draft_of(request, self._parts.settings)
        integration_id = uuid4()
        connection = draft.connection(integration_id)
        _tell_of_trial(company_id, connection)
        report = await self._try_gently(platform, connection)
        signing = WebhookSecrets(current=new_webhook_secret())
        new = NewIntegration(
            id=integration_id,
            platform=platform,
            name=request.name or platform,
            api_base_url=draft.api_base_url,
            webhook_url=webhook_url(
                self._parts.settings.public_base_url,
                integration_id,
                self._parts.keys.derive(Purpose.WEBHOOK_MAC),
            ),
            sync_enabled=request.sync_enabled,
            sync_roles=request.sync_roles,
            sync_candidates=request.sync_candidates,
            sync_applications=request.sync_applications,
            config={**draft.config, "directions": default_directions(adapter.capabilities, draft.config)},
            max_retries=request.max_retries,
            account=report.account if report and report.ok else None,
            clock_skew_ms=skew_ms(report) if report else 0,
            api_key_encrypted=credentials.seal_secrets(self._parts.sealer, integration_id, draft.secrets),
            webhook_secret_sealed=self._parts.sealer.seal(signing.to_json(), integration_id=integration_id),
        )
        asked = [Cadence(**cadence.model_dump()) for cadence in request.schedules]
        async with self._parts.database.company(company_id) as tx:
            await check_authorities(tx, self._parts.integrations, integration_id, new.config)
            integration = await self._parts.integrations.create(tx, new)
            await self._parts.schedules.put(tx, integration_id, [*default_cadences(adapter.capabilities), *asked])
            await self._take_over(tx, integration)
            knocks = await self._publish(tx, integration_id)
            view = await self._view(tx, integration)
        await self._parts.knocker.send(knocks)
        log.info("integration_created", company_id=company_id, integration_id=integration_id, platform=platform)
        return Created(view, signing.current)

    async def get(self, company_id: UUID, integration_id: UUID) -> dict[str, Any]:
        """Return one integration. Raises NotFound."""
        async with self._parts.database.company(company_id) as tx:
            return await self._view(tx, await self._parts.integrations.get(tx, integration_id))

    async def page(self, company_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int) -> list[dict[str, Any]]:
        """Return the company's integrations in the order of their creation."""
        async with self._parts.database.company(company_id) as tx:
            found = await self._parts.integrations.of_company(tx, after=after or FIRST, limit=limit)
            return [await self._view(tx, integration) for integration in found]

    async def change(
        self, company_id: UUID, integration_id: UUID, request: PatchIntegration, *, expected_version: int | None
    ) -> Changed:
        """
        Change settings; new credentials are tested first, and replace the old ones in one statement or not at all.

        Raises NotFound, InvalidInput (also for what the vendor refuses), PreviewNeeded, Unavailable if the vendor can't
        be asked, Conflict if it is not at *expected_version* or was changed meanwhile.
        """
        async with self._parts.database.company(company_id) as tx:
            before = await self._parts.integrations.get(tx, integration_id)
            now = await tx.clock()
        change = self._plan(company_id, before, request, expected_version, now)
        if change.connection is not None:
            _tell_of_trial(company_id, change.connection)
            report = await try_new(self._parts.connector, before.platform, change.connection)
            require_ok(report)
            change = change.confirmed(report)
        if change.webhook_secret is not None:
            await self._announce(before, now)
        async with self._parts.database.company(company_id) as tx:
            after, knocks = await self._apply(tx, before, change)
            view = await self._view(tx, after)
        await self._parts.knocker.send(knocks)
        await self._catch_up(company_id, integration_id, change)
        log.info(
            "integration_changed", company_id=company_id, integration_id=integration_id, changed=sorted(change.columns)
        )
        return Changed(view, change.webhook_secret)

    def _plan(
        self,
        company_id: UUID,
        before: Integration,
        request: PatchIntegration,
        expected_version: int | None,
        now: datetime,
    ) -> Change:
        try:
            return plan_change(
                before,
                request,
                sealer=self._parts.sealer,
                settings=self._parts.settings,
                expected_version=expected_version,
                now=now,
            )
        except CredentialsNeeded as error:
            log.warning(
                "connection_refused",
                company_id=company_id,
                integration_id=before.id,
                field=error.field,
                host=error.host,
            )
            raise

    async def _announce(self, before: Integration, now: datetime) -> None:
        """Let the intake keep what it can't verify from now on. If it can't be told, it can't read its table either."""
        try:
            await self._parts.announce(before.id, before.webhook_secrets_version + 1, now)
        except Unavailable as error:
            log.warning("rotation_not_announced", integration_id=before.id, code=error.code)

    async def test(self, company_id: UUID, integration_id: UUID) -> dict[str, Any]:
        """Ask the vendor; return a report, whatever it says. Raises NotFound."""
        async with self._parts.database.company(company_id) as tx:
            await self._parts.integrations.get(tx, integration_id)
            integration = await self._parts.connections.get(tx, integration_id)
        report = await try_kept(self._parts.connector, integration)
        if report.ok:
            await self._learn(company_id, integration_id, report)
            await self._go_on(company_id, integration)
        return {**report_view(report), "tested_at": self._now()}

    async def _go_on(self, company_id: UUID, integration: IntegrationRow) -> None:
        """Let it run again if it stood because the vendor refused it."""
        async with self._parts.database.company(company_id) as tx:
            knocks = await lift(tx, self._parts.store, integration)
        await self._parts.knocker.send(knocks or [])
        if knocks is not None and integration.sync_enabled:
            await self._parts.syncs.resume(company_id, integration.id)

    async def delete(self, company_id: UUID, integration_id: UUID, *, archive_records: bool) -> dict[str, Any]:
        """
        Stop schedules and jobs, destroy credentials, keep log and links (tombstones) for 30 days.

        A page or an answer that is being written comes in first; nothing does after that. What was submitted and has
        not come to the vendor is failed, and says so; issues and dead letters end. *archive_records*: records that no
        other system is linked to are archived. Raises NotFound, and Unavailable or Conflict when others write to the
        same records all the time.
        """
        told, knocks = await self._deleted(company_id, integration_id, archive=archive_records)
        await self._parts.knocker.send(knocks)
        log.info(
            "integration_deleted",
            company_id=company_id,
            integration_id=integration_id,
            archived=told["records_archived"],
            submissions_failed=told["submissions_failed"],
        )
        return told

    async def _deleted(
        self, company_id: UUID, integration_id: UUID, *, archive: bool
    ) -> tuple[dict[str, Any], list[Knock]]:
        for attempt in range(1, TRIES_TO_DELETE + 1):
            try:
                async with self._parts.database.company(company_id) as tx:
                    return await self._delete(tx, integration_id, archive=archive)
            except Conflict:  # two who waited for one another: somebody at work, who is gone the next time
                if attempt == TRIES_TO_DELETE:
                    raise
        raise AssertionError("unreachable")

    async def _delete(
        self, tx: Transaction, integration_id: UUID, *, archive: bool
    ) -> tuple[dict[str, Any], list[Knock]]:
        await self._leaving.stop(tx, integration_id)
        archived = await self._archive(tx, integration_id) if archive else 0
        failed = await self._leaving.fail_submissions(tx, integration_id)  # records are locked before links
        gone = await self._parts.integrations.delete(tx, integration_id)
        await self._parts.schedules.remove(tx, integration_id)
        # Whatever was submitted since then held the link of its job, and the links are tombstones now.
        ended = await self._leaving.end(tx, integration_id)
        told = {
            **farewell(gone, archived, archive_records=archive),
            "jobs_cancelled": ended.jobs,
            "submissions_failed": failed + ended.submissions,
        }
        return told, await self._publish(tx, integration_id)

    async def _apply(self, tx: Transaction, before: Integration, change: Change) -> tuple[Integration, list[Knock]]:
        after = before
        was = await self._parts.connections.get(tx, before.id)
        if "config" in change.columns:
            await check_authorities(tx, self._parts.integrations, before.id, change.columns["config"])
            await owe_another_look(tx, self._parts.store, before.id, before.config, change.columns["config"])
        if change.columns or change.schedules:  # a version is of the whole view, schedules and all
            after = await self._parts.integrations.update(tx, before.id, change.columns, based_on=before.version)
        if change.schedules:
            await self._parts.schedules.put(tx, before.id, change.schedules)
        if "api_key_encrypted" in change.columns:
            await self._parts.integrations.drop_tokens(tx, before.id)
        if "account" in change.columns:
            await self._take_over(tx, after)
        knocks: list[Knock] = []
        if "attention" in change.columns:
            knocks += await go_on(tx, self._parts.store, before.id)
        if change.switched_off:
            names = ", ".join(entity.log_name for entity in change.switched_off)
            cancelled = await self._canceller.cancel(
                tx,
                before.id,
                change.switched_off,
                cause="entity_switched_off",
                words=f"cancelled: {names} switched off",
            )
            knocks += cancelled.knocks
        if "config" in change.columns:
            knocks += await look_again(tx, self._parts.store, before.id, before.config, after.config)
        knocks += await follow(tx, self._parts, was)
        if change.concerns_intake:
            knocks += await self._publish(tx, before.id)
        return after, knocks

    async def _catch_up(self, company_id: UUID, integration_id: UUID, change: Change) -> None:
        if change.remapped:
            await self._parts.syncs.look_again(company_id, integration_id, change.remapped)
        if change.is_resumed:
            await self._parts.syncs.resume(company_id, integration_id)
            return
        for entity in change.switched_on:
            await self._parts.syncs.request(
                company_id,
                integration_id,
                direction=Direction.INBOUND,
                entity=entity,
                mode="incremental",
                trigger="resume",
            )

    async def _learn(self, company_id: UUID, integration_id: UUID, report: ConnectionReport) -> None:
        async with self._parts.database.company(company_id) as tx:
            before = await self._parts.integrations.get(tx, integration_id)
            account = before.account or report.account
            await self._parts.integrations.observe(tx, integration_id, account=account, clock_skew_ms=skew_ms(report))
            if before.account is None and account is not None:
                await self._take_over(tx, await self._parts.integrations.get(tx, integration_id))

    async def _take_over(self, tx: Transaction, integration: Integration) -> None:
        if integration.account is None:
            return
        links = await self._parts.integrations.take_over_links(tx, integration, integration.account)
        if links:
            log.info("links_taken_over", integration_id=integration.id, count=links)

    async def _archive(self, tx: Transaction, integration_id: UUID) -> int:
        records = await self._parts.integrations.archive_records(tx, integration_id)
        rows = [
            LogRow(
                integration_id,
                entity,
                LogAction.DELETED,
                Direction.INBOUND,
                LogStatus.SUCCESS,
                entity_id=record_id,
                details={"cause": "integration_deleted"},
            )
            for record_id, entity in records
        ]
        await self._parts.logs.write(tx, rows)
        return len(rows)

    async def _publish(self, tx: Transaction, integration_id: UUID) -> list[Knock]:
        # A job belongs to an entity; this one concerns none of them, so it names the first.
        request = JobRequest(integration_id, PUBLISH, EntityType.JOB, str(integration_id), Direction.INBOUND, SECRETS)
        return await self._parts.ledger.enqueue(tx, [request])

    async def _view(self, tx: Transaction, integration: Integration) -> dict[str, Any]:
        hints = credentials.hints(self._parts.sealer, integration.id, integration.api_key_encrypted)
        schedules = await self._parts.schedules.of(tx, integration.id)
        open_issues = await self._parts.attention.open_count(tx, integration.id)
        return integration_view(integration, hints, schedules, open_issues=open_issues)

    async def _try_gently(self, platform: str, connection: Connection) -> ConnectionReport | None:
        try:
            return await try_new(self._parts.connector, platform, connection)
        except LiaisonError as error:
            if error.code == "invalid_input":
                raise
            log.info("connection_not_tried", platform=platform, code=error.code)
            return None


def _tell_of_trial(company_id: UUID, connection: Connection) -> None:
    """Leave a trace of where credentials are about to go: one that fails is kept nowhere else."""
    hosts = hosts_of(connection.api_base_url, connection.config)
    log.info("connection_tried", company_id=company_id, integration_id=connection.integration_id, hosts=hosts)
