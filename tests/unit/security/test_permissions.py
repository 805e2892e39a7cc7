"""The permission table."""

from __future__ import annotations

from uuid import UUID

import pytest

from shared.security.identity import Forbidden, Principal, Role
from shared.security.permissions import PERMISSIONS, PUBLIC, require

PERSONAL_RECORDS = [name for name in PERMISSIONS if name.endswith(("candidate", "candidates", "applications"))]


def caller(role: Role) -> Principal:
    return Principal("jo", UUID(int=1), role, "token-1")


@pytest.mark.parametrize("permission", sorted(PERMISSIONS))
def test_a_role_passes_where_the_table_names_it_and_nowhere_else(permission: str) -> None:
    for role in Role:
        if role in PERMISSIONS[permission]:
            require(caller(role), permission)
        else:
            with pytest.raises(Forbidden):
                require(caller(role), permission)


@pytest.mark.parametrize("permission", PERSONAL_RECORDS)
def test_operations_see_no_personal_records(permission: str) -> None:
    with pytest.raises(Forbidden):
        require(caller(Role.OPS), permission)


def test_a_viewer_changes_nothing() -> None:
    allowed = {name for name, roles in PERMISSIONS.items() if Role.VIEWER in roles}
    assert {name.partition("_")[0] for name in allowed} == {"list", "get", "explain"}


def test_what_is_not_in_the_table_can_be_called_by_nobody() -> None:
    with pytest.raises(KeyError):
        require(caller(Role.ADMIN), "export_everything")


def test_an_admin_is_locked_out_of_nothing_and_public_endpoints_have_no_entry() -> None:
    assert all(Role.ADMIN in roles for roles in PERMISSIONS.values())
    assert not PUBLIC & set(PERMISSIONS)
