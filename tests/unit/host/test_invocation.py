"""Invocations as the worker makes them (docs/local-host.md, section 6)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import azure.functions as func
import pytest
from azure.functions.meta import Datum

from sandbox.host.http_trigger import answer_of, joined_headers, query_values
from sandbox.host.indexing import Function, read_function
from sandbox.host.invocation import FunctionTimeout, Invoker, TraceContext
from sandbox.host.keys import Keys
from sandbox.host.timer_trigger import invoke_with_retries, retry_delay

QUEUE: dict[str, Any] = {"queue_name": "q", "connection": "C"}


class Written:
    """Remembers the outputs it is given, or fails."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.outputs: list[dict[str, Any]] = []
        self._failure = failure

    async def __call__(self, _function: Function, outputs: Any) -> None:
        if self._failure is not None:
            raise self._failure
        self.outputs.append({name: datum.value for name, datum in outputs.items()})


def declared(body: Callable[..., Any], **retry: Any) -> Function:
    app = func.FunctionApp()
    decorated = app.timer_trigger(arg_name="timer", schedule="0 0 0 * * *")(
        app.queue_output(arg_name="out", **QUEUE)(body)
    )
    if retry:
        app.retry(**retry)(decorated)
    (found,) = app.get_functions()
    return read_function(found)


TIMER = Datum('{"IsPastDue": false}', "json")


async def test_outputs_are_written_after_success_alone() -> None:
    async def fails(timer: func.TimerRequest, out: func.Out[str]) -> None:
        out.set("x")
        raise ValueError("no")

    async def works(timer: func.TimerRequest, out: func.Out[str]) -> None:
        out.set("x")

    written = Written()
    invoker = Invoker(written)
    with pytest.raises(ValueError, match="no"):
        await invoker.invoke(declared(fails), TIMER, {})
    assert written.outputs == []
    await invoker.invoke(declared(works), TIMER, {})
    assert written.outputs == [{"out": "x"}]
    assert invoker.running == {}


async def test_an_output_that_cannot_be_written_fails_the_invocation() -> None:
    async def works(timer: func.TimerRequest, out: func.Out[str]) -> None:
        out.set("x")

    with pytest.raises(ConnectionError):
        await Invoker(Written(ConnectionError())).invoke(declared(works), TIMER, {})


async def test_a_returned_value_needs_a_return_binding() -> None:
    async def returns(timer: func.TimerRequest, out: func.Out[str]) -> str:
        return "x"

    with pytest.raises(RuntimeError, match="without a \\$return binding"):
        await Invoker(Written()).invoke(declared(returns), TIMER, {})


async def test_a_function_that_exits_fails_and_the_worker_goes_on() -> None:
    def exits(timer: func.TimerRequest, out: func.Out[str]) -> None:
        raise SystemExit(3)

    with pytest.raises(RuntimeError, match="SystemExit"):
        await Invoker(Written()).invoke(declared(exits), TIMER, {})


async def test_sync_functions_run_side_by_side_in_threads() -> None:
    both_here = threading.Barrier(2, timeout=60)

    def meets(timer: func.TimerRequest, out: func.Out[str]) -> None:
        both_here.wait()

    invoker = Invoker(Written(), threads=2)
    function = declared(meets)
    await asyncio.gather(*(invoker.invoke(function, TIMER, {}) for _ in range(2)))


async def test_an_abandoned_invocation_fails_while_its_code_runs_on() -> None:
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def lingers(timer: func.TimerRequest, out: func.Out[str]) -> None:
        begun.set()
        await go_on.wait()
        ended.set()

    written = Written()
    invoker = Invoker(written)
    call = asyncio.create_task(invoker.invoke(declared(lingers), TIMER, {}))
    await begun.wait()
    (running,) = invoker.running.values()
    running.abandon(FunctionTimeout("late"))
    with pytest.raises(FunctionTimeout):
        await call
    go_on.set()
    await asyncio.wait_for(ended.wait(), 5)
    assert written.outputs == []


async def test_a_retry_policy_is_kept_and_its_end_raises() -> None:
    counts: list[tuple[int, int]] = []

    async def fails(timer: func.TimerRequest, context: func.Context, out: func.Out[str]) -> None:
        retry = context.retry_context
        counts.append((retry.retry_count, retry.max_retry_count))
        raise ValueError("again")

    policy = {"strategy": "fixed_delay", "max_retry_count": "2", "delay_interval": "00:00:00"}
    with pytest.raises(ValueError, match="again"):
        await invoke_with_retries(Invoker(Written()), declared(fails, **policy), TIMER)
    assert counts == [(0, 2), (1, 2), (2, 2)]
    counts.clear()
    with pytest.raises(ValueError, match="again"):
        await invoke_with_retries(Invoker(Written()), declared(fails), TIMER)
    assert counts == [(0, 0)]


def test_retry_delays() -> None:
    fixed = {"strategy": "fixed_delay", "delay_interval": "00:00:10"}
    assert retry_delay(fixed, 5) == timedelta(seconds=10)
    growing = {
        "strategy": "exponential_backoff",
        "minimum_interval": "00:00:01",
        "maximum_interval": "00:00:20",
    }
    for tried, low, high in [(0, 1.8, 2.2), (2, 4.2, 5.8), (9, 20, 20)]:
        assert low <= retry_delay(growing, tried).total_seconds() <= high


def test_an_unset_http_output_is_a_204() -> None:
    assert answer_of(None) == (204, [], b"")


def test_headers_are_lower_case_and_joined() -> None:
    raw = [(b"X-A", b"1"), (b"x-a", b"2"), (b"Host", b"h")]
    assert joined_headers(raw) == {"x-a": "1,2", "host": "h"}


def test_query_items_are_joined_and_empty_ones_dropped() -> None:
    assert query_values(b"a=1&b=&a=%C3%BC&c") == {"a": "1,ü"}


def test_a_trace_without_a_caller_is_new_each_time() -> None:
    first, second = (TraceContext.following("nonsense", "state") for _ in range(2))
    assert first.trace_parent != second.trace_parent
    assert first.trace_state == ""


def test_keys_depend_on_the_master_key_and_the_function_alone() -> None:
    keys = Keys("master")
    assert keys.of_function("F") == Keys("master").of_function("f")
    assert keys.of_function("f") != keys.of_function("g")
    assert keys.host != Keys("other").host
    assert not keys.opens("function", "f", "ü")
