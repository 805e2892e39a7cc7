"""
Invocations: calling user code as the Python worker does (§6).

Async functions run as tasks of the one event loop, others in one thread pool. The values go
through the converters of the azure-functions library itself. An invocation can be *abandoned*
(its function timed out, or its worker is about to end): its caller sees a failure at once, while
the user's code runs on until the process ends, as with the real host.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from azure.functions.meta import Datum, get_binding_registry

from sandbox.host.indexing import GENERIC, RETURN, Function

log = logging.getLogger(__name__)

Outputs = Mapping[str, Datum]  # by binding name; `$return` among them
OutputWriter = Callable[[Function, Outputs], Awaitable[None]]

_TRACE_PARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})")
_thread_local = threading.local()


class FunctionTimeout(Exception):
    """A function ran longer than `functionTimeout`."""


class WorkerEnding(Exception):
    """The worker is about to be restarted because another of its functions timed out."""


@dataclass(frozen=True, slots=True)
class RpcException:
    """What `context.retry_context.exception` shows of the failure before."""

    source: str
    stack_trace: str
    message: str


@dataclass(frozen=True, slots=True)
class RetryContext:
    """Where an invocation stands in its function's retry policy."""

    retry_count: int = 0
    max_retry_count: int = 0
    exception: RpcException | None = None


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The W3C trace context of an invocation."""

    trace_parent: str
    trace_state: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def following(cls, trace_parent: str | None, trace_state: str | None) -> TraceContext:
        """Return a new span in the caller's trace, or in a new trace when there is none."""
        match = _TRACE_PARENT.fullmatch(trace_parent or "")
        trace, flags = match.groups() if match else (secrets.token_hex(16), "00")
        state = (trace_state or "") if match else ""
        return cls(f"00-{trace}-{secrets.token_hex(8)}-{flags}", state)


@dataclass(frozen=True, slots=True)
class Context:
    """The `context` parameter of a function."""

    invocation_id: str
    function_name: str
    function_directory: str
    trace_context: TraceContext
    retry_context: RetryContext
    thread_local_storage: threading.local = _thread_local


class Out:
    """The `func.Out` that a function gets for an output binding."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, val: Any) -> None:
        """Hand over the value. `None` sends nothing."""
        self._value = val

    def get(self) -> Any:
        """Return what was set last."""
        return self._value


@dataclass(slots=True)
class Running:
    """One invocation under way."""

    function: str
    started: float  # time.monotonic()
    outcome: asyncio.Future[dict[str, Datum]]
    task: asyncio.Task[dict[str, Datum]]

    def abandon(self, reason: BaseException) -> None:
        """Fail the invocation towards its caller; the user's code is left running."""
        if not self.outcome.done():
            self.outcome.set_exception(reason)

    def settle(self, task: asyncio.Task[dict[str, Datum]]) -> None:
        """Pass on what *task* ended with, unless the invocation was abandoned before."""
        if task.cancelled():
            self.abandon(WorkerEnding("cancelled"))
        elif (error := task.exception()) is not None:
            self.abandon(error)
        elif not self.outcome.done():
            self.outcome.set_result(task.result())


class Invoker:
    """Runs functions and knows which are running."""

    def __init__(self, write_outputs: OutputWriter, *, threads: int | None = None) -> None:
        self._write_outputs = write_outputs
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="function")
        self.running: dict[str, Running] = {}

    async def invoke(
        self,
        function: Function,
        trigger: Datum,
        metadata: Mapping[str, Datum],
        *,
        trace: TraceContext | None = None,
        retry: RetryContext | None = None,
    ) -> Datum | None:
        """
        Run *function* once, write its output bindings, and return its encoded return value.

        Raises what the function raised, FunctionTimeout, WorkerEnding, or what writing an output
        raised. Outputs are written only after success.
        """
        invocation_id = str(uuid.uuid4())
        context = Context(
            invocation_id=invocation_id,
            function_name=function.name,
            function_directory=function.directory,
            trace_context=trace or TraceContext.following(None, None),
            retry_context=retry or RetryContext(),
        )
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._execute(function, trigger, metadata, context))
        running = Running(function.name, time.monotonic(), loop.create_future(), task)
        self.running[invocation_id] = running
        task.add_done_callback(running.settle)
        try:
            outputs = await running.outcome
            if outputs:
                await self._write_outputs(function, outputs)
        except Exception as exc:
            log.exception(
                "Executed 'Functions.%s' (Failed, Id=%s, Duration=%dms)",
                function.name,
                invocation_id,
                (time.monotonic() - running.started) * 1000,
                exc_info=exc,
            )
            raise
        finally:
            del self.running[invocation_id]
        log.debug("Executed 'Functions.%s' (Succeeded, Id=%s)", function.name, invocation_id)
        return outputs.get(RETURN)

    async def _execute(
        self,
        function: Function,
        trigger: Datum,
        metadata: Mapping[str, Datum],
        context: Context,
    ) -> dict[str, Datum]:
        arguments: dict[str, Any] = {
            name: decode(parameter.converter, trigger, metadata) for name, parameter in function.inputs.items()
        }
        outs = {name: Out() for name in function.outputs}
        arguments.update(outs)
        _thread_local.invocation_id = context.invocation_id
        if function.wants_context:
            arguments["context"] = context
        try:
            result = await self._call(function, arguments, context.invocation_id)
        except (SystemExit, KeyboardInterrupt) as exc:  # which would end the event loop
            raise RuntimeError(f"the function raised {exc!r}") from exc
        if result is not None and function.returns is None:
            raise RuntimeError(f"function {function.name!r} without a $return binding returned a non-None value")
        return _encoded(function, outs, result)

    async def _call(self, function: Function, arguments: Mapping[str, Any], invocation_id: str) -> Any:
        if function.is_async:
            return await function.call(**arguments)
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, _call_in_thread, function, arguments, invocation_id
        )


def decode(converter: str, data: Datum, metadata: Mapping[str, Datum]) -> Any:
    """Turn what the host delivers into the Python value of a parameter. Raises TypeError."""
    if converter == GENERIC:
        return data.value
    try:
        return get_binding_registry().get(converter).decode(data, trigger_metadata=metadata)
    except NotImplementedError as exc:
        raise TypeError(f"{converter} cannot be decoded from {data.type!r}") from exc


def encode(converter: str, value: Any, python_type: Any) -> Datum:
    """Turn what a function gives back into what the host gets. Raises TypeError."""
    if converter == GENERIC:
        return _encode_generic(value)
    try:
        datum: Datum = get_binding_registry().get(converter).encode(value, expected_type=python_type)
    except NotImplementedError as exc:
        raise TypeError(f"{type(value).__name__} cannot be encoded for {converter}") from exc
    return datum


def _encode_generic(value: Any) -> Datum:
    match value:
        case str():
            return Datum(value, "string")
        case bytes() | bytearray():
            return Datum(bytes(value), "bytes")
        case dict() | list():
            return Datum(json_text(value), "json")
        case int() | float():
            return Datum(str(value), "string")
        case _:
            raise TypeError(f"{type(value).__name__} cannot be encoded")


def json_text(value: Any) -> str:
    """Return *value* as the worker writes JSON."""
    return json.dumps(value)


def _encoded(function: Function, outs: Mapping[str, Out], result: Any) -> dict[str, Datum]:
    encoded = {
        name: encode(function.outputs[name].converter, out.get(), function.outputs[name].python_type)
        for name, out in outs.items()
        if out.get() is not None
    }
    if function.returns is not None:
        returns = function.returns
        encoded[RETURN] = encode(returns.converter, result, returns.python_type)
    return encoded


def _call_in_thread(function: Function, arguments: Mapping[str, Any], invocation_id: str) -> Any:
    _thread_local.invocation_id = invocation_id
    try:
        return function.call(**arguments)
    finally:
        _thread_local.invocation_id = None
