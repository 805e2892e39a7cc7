"""The Functions app: registers the blueprints, nothing else."""

from __future__ import annotations

import azure.functions as func

from functions import conflicts, health, integrations, operations, past, records, schedules, sync_jobs, webhooks

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

for module in (health, integrations, operations, records, past, conflicts, webhooks, sync_jobs, schedules):
    app.register_functions(module.bp)
