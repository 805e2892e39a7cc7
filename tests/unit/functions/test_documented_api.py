"""docs/api.md names every endpoint with the roles that may call it."""

from __future__ import annotations

import re
from pathlib import Path

from functions.edge import ENDPOINTS
from functions.problem import STATUS
from shared.security.identity import Role
from shared.security.permissions import EVERYONE, PERMISSIONS, PUBLIC, READS_RECORDS
from tests.integration.api.calling import http_functions

TEXT = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\w+)` \| `([A-Z]+) /(\S+)` \| ([^|]+) \|$", TEXT, re.MULTILINE)
WORDS = {"all": EVERYONE, "all but ops": READS_RECORDS}


def test_each_function_is_documented_with_its_call() -> None:
    documented = {(name, method, route) for name, method, route, _ in ROWS}
    assert documented == {(function.name, function.method, function.route) for function in http_functions()}


def test_each_function_is_documented_with_its_roles() -> None:
    assert http_functions()  # registering them is what fills ENDPOINTS
    for name, _, _, words in ROWS:
        if name in PUBLIC:
            assert words.startswith("open")
            continue
        roles = WORDS.get(words) or frozenset(Role(word) for word in words.split(", "))
        assert roles == PERMISSIONS[ENDPOINTS[name]], name


def test_each_status_is_documented_with_its_code() -> None:
    told = {
        (int(status), code)
        for status, codes in re.findall(r"^\| (\d{3}) \| ([^|]+) \|", TEXT, re.MULTILINE)
        for code in re.findall(r"`(\w+)`", codes)
    }
    # A signature is checked by the webhook alone, which answers a bare status.
    ours = {(status, kind.code) for kind, status in STATUS.items() if kind.code != "signature_invalid"}
    assert told == ours | {(500, "internal_error")}
