"""A port that was free a moment ago may be taken: another is tried, and other trouble is told at once."""

from __future__ import annotations

import pytest

from sandbox.services.process import PORT_TRIES, ServiceFailed, on_free_port


class Service:
    """Starts when its time has come; until then fails with *words*."""

    def __init__(self, words: str, *, good_at: int) -> None:
        self.words, self.good_at = words, good_at
        self.ports: list[int] = []

    def start(self, port: int) -> int:
        """Return *port* at the try that is good."""
        self.ports.append(port)
        if len(self.ports) < self.good_at:
            raise ServiceFailed(self.words)
        return port


TAKEN = "postgres: could not bind: Address already in use"


@pytest.mark.parametrize("good_at", [1, 2, PORT_TRIES])
def test_a_port_that_somebody_took_is_left_for_another(good_at: int) -> None:
    service = Service(TAKEN, good_at=good_at)
    assert on_free_port(service.start) == service.ports[-1]
    assert len(service.ports) == good_at


def test_the_last_try_says_what_is_wrong() -> None:
    service = Service(TAKEN, good_at=PORT_TRIES + 1)
    with pytest.raises(ServiceFailed, match="Address already in use"):
        on_free_port(service.start)
    assert len(service.ports) == PORT_TRIES


def test_other_trouble_is_told_at_once() -> None:
    service = Service("postgres: out of memory", good_at=2)
    with pytest.raises(ServiceFailed, match="out of memory"):
        on_free_port(service.start)
    assert len(service.ports) == 1
