"""What is sealed under an older root secret, sealed anew under the newest one."""

from __future__ import annotations

import argparse
from collections import Counter
from uuid import UUID

from shared.cli.output import fault, result
from shared.cli.session import composed
from shared.intake.publish import publish_all
from shared.resealing import Resealed, Resealing


async def reseal(asked: argparse.Namespace) -> int:
    """
    Seal every company's values anew, or one's; a line for each and one for all. 1 if something can't be opened.

    A line for each webhook's URL, too, where those are asked for.
    """
    whole = Resealed()
    async with composed() as services:
        new_urls_at = services.settings.public_base_url if asked.webhook_urls else None
        resealing = Resealing(services.database, services.keys, new_urls_at=new_urls_at)
        companies: list[UUID] = [asked.company] if asked.company else await resealing.companies()
        for company_id in companies:
            told = await resealing.run(company_id)
            result({"company_id": company_id, **shown(told)})
            for integration_id, url in told.webhook_urls.items():
                result({"integration_id": integration_id, "webhook_url": url})
            whole.sealed += told.sealed
            whole.unreadable += told.unreadable
            whole.stays += told.stays
        copies = 0 if asked.company else await publish_all(services.intake.publishing)
        kid = services.keys.kid
    is_clear = not asked.company and whole.is_clear
    result({"kid": kid, "companies": len(companies), "intake_copies": copies, **shown(whole), "is_clear": is_clear})
    if whole.unreadable.total():
        fault({"code": "seal_broken", "detail": "no known secret opens what is counted under `unreadable`"})
        return 1
    return 0


def shown(told: Resealed) -> dict[str, dict[str, int]]:
    """Return counts by kind, those that are not zero."""
    counts: dict[str, Counter[str]] = {"sealed": told.sealed, "unreadable": told.unreadable, "stays": told.stays}
    return {name: {kind: count for kind, count in sorted(each.items()) if count} for name, each in counts.items()}
