"""Types of contacts that no document names (docs/vendors/greenhouse.md, section 6.13)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sandbox.vendors.greenhouse import GreenhouseSimulator

PAGER: dict[str, Any] = {"value": "0009", "type": "pager"}
LANDLINE: dict[str, Any] = {"value": "0010", "type": "home"}


@pytest.mark.parametrize("keeps", [True, False])
async def test_an_undocumented_word_is_taken_where_its_list_holds_it(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient, control: httpx.AsyncClient, keeps: bool
) -> None:
    greenhouse.settings.keeps_type_words = keeps
    candidate = next(row for row in greenhouse.simulator.account["candidates"] if not row["private"])
    path = f"/candidates/{candidate['id']}"
    await control.patch(path, json={"phone_numbers": [PAGER], "addresses": [{"value": "1 Mill Lane", "type": "home"}]})
    answer = await v3.patch(path, json={"phone_numbers": [PAGER, LANDLINE]})
    assert answer.status_code == (200 if keeps else 422)
    if keeps:
        assert answer.json()["phone_numbers"] == [PAGER, LANDLINE]
    # Another list's word is new to this one, and a word that its list no longer holds is new again.
    elsewhere = await v3.patch(path, json={"addresses": [{"value": "1 Mill Lane", "type": "pager"}]})
    assert elsewhere.status_code == 422
    assert (await v3.patch(path, json={"phone_numbers": [LANDLINE]})).status_code == 200
    refused = await v3.patch(path, json={"phone_numbers": [PAGER, LANDLINE]})
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["phone_numbers.type"]
