"""Route templates (docs/local-host.md, section 2)."""

from __future__ import annotations

import pytest

from sandbox.host.routes import BadTemplate, Route, Router, compile_template, decoded_path


@pytest.mark.parametrize(
    ("template", "path", "parameters"),
    [
        ("", "", {}),
        ("api/jobs", "API/Jobs", {}),
        ("api/jobs", "api/jobs/1", None),
        ("jobs/{id}", "jobs/Ab-1", {"id": "Ab-1"}),
        ("jobs/{id}", "jobs", None),
        ("jobs/{id?}", "jobs", {}),
        ("jobs/{id?}", "jobs/1", {"id": "1"}),
        ("jobs/{id=7}", "jobs", {"id": "7"}),
        ("jobs/{id=7}", "jobs/8", {"id": "8"}),
        ("files/{*rest}", "files", {}),
        ("files/{*rest}", "files/a/b.txt", {"rest": "a/b.txt"}),
        ("files/{*rest:length(3)}", "files/a/b", {"rest": "a/b"}),
        ("files/{*rest:length(3)}", "files/a/bc", None),
        ("v{version:int}/jobs", "v3/jobs", {"version": "3"}),
        ("v{version:int}/jobs", "vx/jobs", None),
        ("{name}.{ext}", "a.b.txt", {"name": "a.b", "ext": "txt"}),
        ("{Id:int}", "5", {"Id": "5"}),
        ("{id:int:min(3)?}", "2", None),
        ("{id:int:min(3)?}", "", {}),
        (r"{code:regex(^\d{{3}}-[a-z]+$)}", "123-abc", {"code": "123-abc"}),
        (r"{code:regex(^\d{{3}}-[a-z]+$)}", "12-abc", None),
        (r"{code:regex(^(a|b)/?$)}", "a", {"code": "a"}),
    ],
)
def test_a_template_matches_whole_paths(template: str, path: str, parameters: dict[str, str] | None) -> None:
    assert compile_template(template).match(path) == parameters


@pytest.mark.parametrize(
    ("constraint", "fits", "fails"),
    [
        ("int", ["0", "-5", "2147483647"], ["x", "1.5", "2147483648", "1_0", "\u0661"]),
        ("long", ["2147483648"], ["9223372036854775808"]),
        ("guid", ["7c9e6679-7425-40de-944b-e07fc1f90ae7"], ["7c9e6679"]),
        ("bool", ["true", "False"], ["1", "yes"]),
        ("datetime", ["2026-11-22", "2026-11-22T10:00:00"], ["22nd"]),
        ("decimal", ["1.50"], ["a"]),
        ("double", ["1e3"], ["a"]),
        ("float", ["1.5"], ["a"]),
        ("alpha", ["abcXYZ"], ["abc1"]),
        ("length(3)", ["abc"], ["ab", "abcd"]),
        ("length(2,3)", ["ab", "abc"], ["a", "abcd"]),
        ("minlength(2)", ["ab"], ["a"]),
        ("maxlength(2)", ["ab"], ["abc"]),
        ("min(5)", ["5"], ["4", "x"]),
        ("max(5)", ["5", "-9"], ["6"]),
        ("range(2,4)", ["2", "4"], ["1", "5"]),
        ("required", ["x"], []),
    ],
)
def test_a_constraint_lets_through_what_it_names(constraint: str, fits: list[str], fails: list[str]) -> None:
    template = compile_template(f"{{value:{constraint}}}")
    assert [template.match(value) for value in fits] == [{"value": value} for value in fits]
    assert [template.match(value) for value in fails] == [None] * len(fails)


@pytest.mark.parametrize(
    "template",
    ["a//b", "{a", "{a}/{a}", "{a?}/b", "{*rest}/b", "{a:colour}", "{a:range(1)}", "{a b}", "{a}}"],
)
def test_a_template_the_host_would_refuse_is_refused(template: str) -> None:
    with pytest.raises(BadTemplate):
        compile_template(template)


def _router(*templates: str) -> Router[str]:
    return Router([Route(compile_template(text), None, text) for text in templates])


@pytest.mark.parametrize(
    ("path", "winner"),
    [
        ("/jobs/new", "jobs/new"),
        ("/jobs/12", "jobs/{id:int}"),
        ("/jobs/abc", "jobs/{name}"),
        ("/jobs/abc/x", "jobs/{*rest}"),
        ("/jobs", "jobs"),
        ("/jobs/12/stages", "jobs/{id:int}/stages"),
        ("/other", "{*all}"),
    ],
)
def test_the_more_literal_route_wins_in_any_order_of_declaration(path: str, winner: str) -> None:
    templates = [
        "{*all}",
        "jobs/{*rest}",
        "jobs/{name}",
        "jobs/{id:int}",
        "jobs/{id:int}/stages",
        "jobs/new",
        "jobs",
    ]
    for order in (templates, templates[::-1]):
        found = _router(*order).find("GET", path)
        assert found is not None
        assert found[0] == winner


def test_a_method_that_does_not_fit_leaves_the_path_to_other_routes() -> None:
    router = Router(
        [
            Route(compile_template("jobs/new"), frozenset({"POST"}), "literal"),
            Route(compile_template("jobs/{id}"), frozenset({"GET"}), "parameter"),
        ]
    )
    assert router.find("GET", "/jobs/new") == ("parameter", {"id": "new"})
    assert router.find("PUT", "/jobs/new") is None


def test_a_path_is_decoded_once_and_keeps_its_encoded_slashes() -> None:
    assert decoded_path(b"/a%20b/%C3%BC/%2f%252F") == "/a b/ü/%2F%2F"
