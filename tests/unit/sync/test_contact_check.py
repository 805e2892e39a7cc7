"""What people type as an address or number: refused when it can't be one, left alone when it stands there already."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from shared.errors import InvalidInput
from shared.sync.editing.contact_check import check_contacts


@pytest.mark.parametrize(
    "email",
    [
        "grace@example.org",
        "o'neil+jobs@mail.example.co.uk",
        "user@müller.de",
        "用户@例子.公司",
        "θσερ@εχαμπλε.ψομ",
        "a@xn--mller-kva.de",
    ],
)
def test_an_address_is_taken_in_every_script(email: str) -> None:
    check_contacts({"email": email, "further_emails": [{"value": email, "type": "work"}]})


@pytest.mark.parametrize(
    "email",
    ["not an email", "grace", "grace@", "@example.org", "grace@localhost", "a b@example.org", "a@b@example.org"],
)
@pytest.mark.parametrize("is_further", [False, True])
def test_what_is_no_address_is_refused_by_field(email: str, is_further: bool) -> None:
    values: dict[str, JsonValue] = {"further_emails": [{"value": "a@b.example"}, {"value": email}]}
    with pytest.raises(InvalidInput, match="is no e-mail address") as caught:
        check_contacts(values if is_further else {"email": email})
    assert caught.value.field == ("further_emails.1.value" if is_further else "email")
    assert caught.value.remedy
    assert "grace@localhost" not in str(caught.value), "what was typed is nobody's business but theirs"


@pytest.mark.parametrize("phone", ["+49 30 1234567", "(030) 12-34 ext. 5", "٠٣٠١٢٣"])
def test_a_number_is_taken_as_it_is_written(phone: str) -> None:
    check_contacts({"phone": phone, "further_phones": [{"value": phone}]})


@pytest.mark.parametrize(
    ("values", "field"),
    [({"phone": "abc"}, "phone"), ({"further_phones": [{"value": "call me"}]}, "further_phones.0.value")],
)
def test_a_phone_without_a_digit_is_refused(values: dict[str, JsonValue], field: str) -> None:
    with pytest.raises(InvalidInput, match="has no digit") as caught:
        check_contacts(values)
    assert caught.value.field == field


def test_empty_is_no_fault() -> None:
    check_contacts({"email": None, "phone": "", "further_emails": [], "further_phones": None, "first_name": "?"})


def test_what_a_vendor_brought_may_stay_wherever_it_is_put() -> None:
    known: dict[str, JsonValue] = {"email": "n/a", "further_phones": [{"value": "unknown", "type": "home"}]}
    check_contacts({"further_emails": [{"value": "n/a"}, {"value": "a@b.example"}], "phone": "unknown"}, known)
    with pytest.raises(InvalidInput):
        check_contacts({"email": "n/a!"}, known)
