"""The Functions app: registers the blueprints, nothing else."""

from __future__ import annotations

import azure.functions as func

from functions import conflicts, health, integrations, operations, records, webhooks

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

for module in (health, integrations, operations, records, conflicts, webhooks):
    app.register_functions(module.bp)
