"""Vendors' webhooks: the open HTTP function, and the queue functions that process what it took in."""

from __future__ import annotations

import azure.functions as func

from shared import composition

bp = func.Blueprint()

STORAGE = "AzureWebJobsStorage"  # app setting, read by the host


@bp.function_name("webhook_in")
@bp.route(route="api/integrations/{id}/webhook", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def webhook_in(req: func.HttpRequest) -> func.HttpResponse:
    """Take one event of a vendor in. Open to all: the signature decides (docs/webhooks.md)."""
    verdict = await composition.services().intake.acceptor.accept(
        req.route_params["id"],
        req.params.get("mac"),
        dict(req.headers),
        req.get_body(),
        req.headers.get("traceparent"),
    )
    return func.HttpResponse(status_code=verdict.status)


@bp.function_name("process_webhook")
@bp.queue_trigger(arg_name="message", queue_name="webhook-events", connection=STORAGE)
async def process_webhook(message: func.QueueMessage) -> None:
    """Make jobs of an event. An outage is no failure: the event waits, here and then in the queue."""
    await composition.services().intake.worker.work(message.get_body())


@bp.function_name("process_webhook_poison")
@bp.queue_trigger(arg_name="message", queue_name="webhook-events-poison", connection=STORAGE)
async def process_webhook_poison(message: func.QueueMessage) -> None:
    """Record an event that failed each time, before the service drops it after seven days."""
    await composition.services().intake.worker.bury(message.get_body())
