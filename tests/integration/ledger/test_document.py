"""docs/ledger.md says what the code does: priorities, figures, codes and outcomes."""

from __future__ import annotations

import re
from pathlib import Path

from shared.store.ledger import MAX_CRASHES
from shared.store.queues import queue_for
from shared.sync.jobs import priorities
from shared.sync.jobs.next_step import wait_after
from shared.sync.jobs.priorities import UNIT_PRIORITY
from shared.sync.workers.runner import ANSWER_S, KEPT_FOR, LONGEST_DELAY_S
from shared.sync.workers.sweep import CAPACITY

PAGE = Path(__file__).resolve().parents[3] / "docs" / "ledger.md"


def section(heading: str) -> str:
    return PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]


def rows_of(heading: str) -> list[list[str]]:
    """Return the cells of the table below *heading*, its head aside."""
    lines = [line for line in section(heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_it_lists_every_priority_as_the_code_has_it() -> None:
    documented = {
        name: (int(priority), queue.strip("`"))
        for priority, queue, _, names in rows_of("Priorities")
        for name in re.findall(r"`([\w.]+)`", names)
    }
    constants = {name: value for name, value in vars(priorities).items() if name.isupper() and isinstance(value, int)}
    units = {
        f"{entity.value}.{unit}": priority
        for entity, table in UNIT_PRIORITY.items()
        for unit, priority in table.items()
    }
    assert documented == {name: (value, queue_for(value)) for name, value in {**constants, **units}.items()}


def test_its_figures_are_the_codes() -> None:
    figures = {name.strip("`"): value for name, value, _ in rows_of("Figures")}
    assert figures == {
        "MAX_CRASHES": str(MAX_CRASHES),
        "CAPACITY": str(CAPACITY),
        "ANSWER_S": f"{ANSWER_S:.0f} s",
        "LONGEST_DELAY_S": f"{LONGEST_DELAY_S / 60:.0f} min",
        "KEPT_FOR": f"{KEPT_FOR} x visibilityTimeout",
        "wait_after": ", ".join(f"{wait_after(attempt) / 60:.0f}" for attempt in range(1, 6)) + " min",
    }


def test_it_has_every_event_that_tells_people_something() -> None:
    text = section("What an operator sees")
    folder = PAGE.parents[1] / "shared" / "sync" / "workers"
    for name in ("runner", "sweep", "poison"):
        source = (folder / f"{name}.py").read_text(encoding="utf-8")
        events = re.findall(r'log\.(?:warning|error|exception)\(\s*"(\w+)"', source)
        assert events, name
        assert [event for event in events if f"`{event}`" not in text] == []
