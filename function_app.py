"""The Functions app: registers the blueprints, nothing else."""

from __future__ import annotations

import azure.functions as func

from functions import (
    candidate_merges,
    conflicts,
    health,
    id_maps,
    integrations,
    mappings,
    operations,
    parity,
    past,
    previews,
    records,
    schedules,
    sync_jobs,
    webhooks,
)

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

MODULES = (
    health,
    integrations,
    previews,
    mappings,
    id_maps,
    operations,
    parity,
    records,
    past,
    candidate_merges,
    conflicts,
    webhooks,
    sync_jobs,
    schedules,
)
for module in MODULES:
    app.register_functions(module.bp)
