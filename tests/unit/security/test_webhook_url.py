"""The mark in a webhook's URL."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest

from shared.security.webhook_url import check_mac, mac_for, webhook_url

KEY, RETIRED = b"k" * 32, b"r" * 32
INTEGRATION = UUID("6f0e1c1e-5d0c-4a0e-9a52-000000000001")


def test_the_url_is_the_specifications_route_with_a_mark_of_128_bits() -> None:
    parts = urlsplit(webhook_url("https://sync.example.com", INTEGRATION, KEY))
    assert parts.path == f"/api/integrations/{INTEGRATION}/webhook"
    (mac,) = parse_qs(parts.query)["mac"]
    assert len(mac) == 22
    assert check_mac(str(INTEGRATION), mac, [KEY])


def test_a_mark_is_good_for_one_integration_under_one_key() -> None:
    mac = mac_for(INTEGRATION, KEY)
    assert not check_mac(uuid4(), mac, [KEY])
    assert not check_mac(INTEGRATION, mac, [RETIRED])
    assert not check_mac(INTEGRATION, mac, [])


def test_a_mark_under_a_retired_key_stays_good() -> None:
    assert check_mac(INTEGRATION, mac_for(INTEGRATION, RETIRED), [KEY, RETIRED])


@pytest.mark.parametrize(
    "mac", ["", "a", "é", "\ud800", mac_for(INTEGRATION, KEY)[:-1], mac_for(INTEGRATION, KEY) + "="]
)
def test_anything_else_is_no_mark(mac: str) -> None:
    assert not check_mac(INTEGRATION, mac, [KEY, RETIRED])
