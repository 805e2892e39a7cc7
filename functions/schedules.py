"""Timers. They only start and knock; what takes time is a job."""

from __future__ import annotations

import azure.functions as func

from shared import composition, telemetry
from shared.errors import Unavailable
from shared.intake.publish import publish_all

bp = func.Blueprint()
log = telemetry.get_logger(__name__)


@bp.function_name("sweep_due_jobs")
@bp.timer_trigger(arg_name="timer", schedule="*/20 * * * * *", use_monitor=False)
async def sweep_due_jobs(timer: func.TimerRequest) -> None:
    """Every 20 seconds: knock for jobs and for webhooks' events whose message was lost or sleeps."""
    services = composition.services()
    try:
        await services.sweep.sweep()
        await services.intake.wake()
    except Unavailable as error:
        log.warning("sweep_skipped", code=error.code, past_due=timer.past_due)
    telemetry.write_counts()


@bp.function_name("tick_schedules")
@bp.timer_trigger(arg_name="timer", schedule="0 * * * * *")
async def tick_schedules(timer: func.TimerRequest) -> None:
    """Every minute: start the runs of due schedules, remind people. What is due is told by rows, not by this tick."""
    try:
        services = composition.services()
        await services.sweep.start_due()
        await services.reminders.run()
    except Unavailable as error:
        log.warning("schedules_skipped", code=error.code, past_due=timer.past_due)


@bp.function_name("publish_webhook_states")
@bp.timer_trigger(arg_name="timer", schedule="30 */5 * * * *")
async def publish_webhook_states(timer: func.TimerRequest) -> None:
    """Every five minutes: write the intake's table anew, so that nothing it missed stays missed."""
    try:
        services = composition.services()
        await publish_all(services.intake.publishing)
    except Unavailable as error:
        log.warning("publishing_skipped", code=error.code, past_due=timer.past_due)


@bp.function_name("maintain_storage")
@bp.timer_trigger(arg_name="timer", schedule="0 20 2 * * *")
async def maintain_storage(timer: func.TimerRequest) -> None:
    """Every night: monthly partitions ahead, old log months away, kept events past their time dropped."""
    services = composition.services()
    try:
        await services.maintenance.run()
    except Unavailable as error:
        log.warning("maintenance_skipped", code=error.code, past_due=timer.past_due)
