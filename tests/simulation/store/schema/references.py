"""Foreign keys that most tables have."""

from __future__ import annotations

COMPANY = {"company_id": "companies"}
HANGS_ON = {"company_id": "companies", "integration_id": "integrations"}
