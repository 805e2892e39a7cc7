"""docs/operations.md names every function as the code does; routes lie where the host leaves room."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from shared.intake import events
from shared.store.queues import QUEUE_BY_PRIORITY
from tests.unit.documents.pages import DOCS, ROOT, names, table

PAGE = DOCS / "operations.md"
THE_HOSTS = ("admin", "runtime")


def calls() -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """Yield every decoration in `functions/`, also `endpoint(…)(handler)`: its name, its texts by place and by name."""
    for path in sorted((ROOT / "functions").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            applied = [node.func] if isinstance(node, ast.Call) else []
            applied = [each for each in applied if ast.unparse(each).startswith("endpoint(")]
            for decorator in [*applied, *getattr(node, "decorator_list", ())]:
                if isinstance(decorator, ast.Call):
                    called = ast.unparse(decorator.func).rpartition(".")[2]
                    places = [str(each.value) for each in decorator.args if isinstance(each, ast.Constant)]
                    keywords = {
                        each.arg: str(each.value.value)
                        for each in decorator.keywords
                        if each.arg and isinstance(each.value, ast.Constant)
                    }
                    yield called, places, keywords


FUNCTIONS = {places[0] for called, places, _ in calls() if called in {"function_name", "endpoint"}}
ROUTES = {places[2] for called, places, _ in calls() if called == "endpoint"} | {
    keywords["route"] for called, _, keywords in calls() if called == "route"
}
QUEUES = {keywords["queue_name"] for called, _, keywords in calls() if called == "queue_trigger"}


def on_the_page() -> set[str]:
    text = PAGE.read_text("utf-8")
    _, section = text.split("## Functions", 1)
    listing = section.split("The REST API", 1)[1].split("## ", 1)[0]
    first_cells = [name for cells in table(PAGE, "function") for name in names(cells[0])]
    return set(first_cells) | set(re.findall(r"`([a-z_]+)`", listing))


def test_every_function_is_on_the_page_and_no_other() -> None:
    assert len(FUNCTIONS) > 30
    assert on_the_page() == FUNCTIONS


def test_every_route_lies_where_the_host_leaves_room() -> None:
    assert ROUTES
    assert {route for route in ROUTES if not re.match(r"(api/|health$)", route)} == set()
    assert not any(route.startswith(THE_HOSTS) for route in ROUTES)


def test_every_queue_of_jobs_has_its_poison_queue_watched() -> None:
    """And every queue that we send to has a function at all: a message that nobody takes is lost for good."""
    plain = {queue for queue in QUEUES if not queue.endswith("-poison")}
    assert plain == {*QUEUE_BY_PRIORITY.values(), events.QUEUE}
    assert {f"{queue}-poison" for queue in plain} == QUEUES - plain
