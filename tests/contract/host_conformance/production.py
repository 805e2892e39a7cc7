"""
Run under Python 3.13: index an app and invoke its functions with the production library.

Reads `{"root": ..., "invocations": [...]}` from standard input and prints one JSON object, as
stand_in.py does. The library takes its message classes as an injected module; ours are plain
classes with the field names that the library uses. Imports nothing of the project.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from types import SimpleNamespace
from typing import Any

from azure_functions_runtime import (
    function_load_request,
    functions_metadata_request,
    invocation_request,
    start_threadpool_executor,
    worker_init_request,
)


class Message(SimpleNamespace):
    """A message with the fields it is made with."""


class TypedData(Message):
    """Exactly one field is set, and it names the kind."""

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's spelling
        return next(iter(vars(self)), None)


class ParameterBinding(Message):
    """A named value."""

    def WhichOneof(self, _group: str) -> str:  # noqa: N802
        return "data"


class BindingInfo(Message):
    """One binding of a function, and the directions by name."""

    undefined = 0
    out = 1
    inout = 2


class StatusResult(Message):
    """How a request ended."""

    Failure = 0
    Success = 1


class RpcHttpCookie(Message):
    """One cookie of a response."""

    SameSite = SimpleNamespace(**{"None": 0, "Lax": 1, "Strict": 2, "ExplicitNone": 3})


PROTOS = SimpleNamespace(
    TypedData=TypedData,
    ParameterBinding=ParameterBinding,
    BindingInfo=BindingInfo,
    StatusResult=StatusResult,
    RpcHttpCookie=RpcHttpCookie,
    **{
        name: type(name, (Message,), {})
        for name in (
            "RpcHttp",
            "RpcFunctionMetadata",
            "RpcRetryOptions",
            "RpcException",
            "InvocationResponse",
            "WorkerInitResponse",
            "WorkerMetadata",
            "FunctionMetadataResponse",
            "FunctionLoadResponse",
            "NullableString",
            "NullableBool",
            "NullableDouble",
            "NullableTimestamp",
            "Timestamp",
        )
    },
)


def request(**body: Any) -> SimpleNamespace:
    """Wrap a request as the proxy worker does."""
    properties = {"host": "127.0.0.1", "protos": PROTOS}
    return SimpleNamespace(request=SimpleNamespace(**body), properties=properties)


def incoming(invocation: dict[str, Any]) -> tuple[TypedData, dict[str, TypedData]]:
    """Return the trigger's value and its metadata."""
    metadata = {name: TypedData(**{kind: value}) for name, (kind, value) in invocation["metadata"].items()}
    if invocation["kind"] == "http":
        parts = dict(invocation["request"])
        parts["params"] = parts.pop("parameters")
        parts["body"] = TypedData(bytes=base64.b64decode(parts["body"]))
        return TypedData(http=Message(**parts)), metadata
    kind = "string" if invocation["kind"] == "queue" else "json"
    return TypedData(**{kind: invocation["value"]}), metadata


def outgoing(data: TypedData | None) -> Any:
    """Return a value the library gave back, as JSON."""
    if data is None:
        return None
    kind = data.WhichOneof("data")
    value = getattr(data, str(kind))
    if kind == "bytes":
        return [kind, base64.b64encode(value).decode()]
    if kind != "http":
        return [kind, value]
    return [
        kind,
        {
            "status_code": value.status_code,
            "headers": value.headers,
            "body": outgoing(value.body),
            "cookies": [[each.name, each.value, each.path.value or None] for each in value.cookies or ()],
        },
    ]


async def invoke(metadata: Any, invocation: dict[str, Any]) -> dict[str, Any]:
    """Invoke one function and return how it ended."""
    (found,) = [each for each in metadata if each.name == invocation["function"]]
    (trigger,) = [name for name, binding in found.bindings.items() if binding.type.endswith("Trigger")]
    value, trigger_metadata = incoming(invocation)
    response = await invocation_request(
        request(
            invocation_request=SimpleNamespace(
                invocation_id="1",
                function_id=found.function_id,
                input_data=[ParameterBinding(name=trigger, data=value)],
                trigger_metadata=trigger_metadata,
                trace_context=SimpleNamespace(trace_parent=invocation["trace_parent"], trace_state="", attributes={}),
                retry_context=SimpleNamespace(retry_count=invocation["retry_count"], max_retry_count=2, exception=None),
            )
        )
    )
    succeeded = response.result.status == StatusResult.Success
    return {
        "succeeded": succeeded,
        "outputs": {each.name: outgoing(each.data) for each in response.output_data} if succeeded else {},
        "returned": outgoing(response.return_value) if succeeded else None,
    }


async def run(given: dict[str, Any]) -> dict[str, Any]:
    """Index and invoke."""
    root = given["root"]
    sys.path.insert(0, root)
    os.chdir(root)
    start_threadpool_executor()
    init = SimpleNamespace(capabilities={}, function_app_directory=root)
    ready = await worker_init_request(request(worker_init_request=init))
    if ready.result.status != StatusResult.Success:
        return {"refused": True, "why": ready.result.exception.message}
    answer = await functions_metadata_request(request())
    metadata = answer.function_metadata_results
    for each in metadata:
        load = SimpleNamespace(function_id=each.function_id)
        loaded = await function_load_request(request(function_load_request=load))
        assert loaded.result.status == StatusResult.Success
    return {
        "refused": False,
        "functions": {
            each.name: {
                "function_id": each.function_id,
                "script_file": each.script_file,
                "raw_bindings": [json.loads(raw) for raw in each.raw_bindings],
                "retries": each.retry_options.max_retry_count if each.retry_options else None,
            }
            for each in metadata
        },
        "results": [await invoke(metadata, each) for each in given["invocations"]],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(run(json.load(sys.stdin)))) + "\n")
