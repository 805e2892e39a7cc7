"""Do with the stand-in what production.py does with the production library."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from azure.functions.meta import Datum

from sandbox.host.http_trigger import request_datum
from sandbox.host.indexing import Function, IndexingError, index
from sandbox.host.invocation import Invoker, RetryContext, TraceContext


class Outputs:
    """Keeps what an invocation would have written."""

    def __init__(self) -> None:
        self.written: dict[str, Any] = {}

    async def __call__(self, _function: Function, outputs: Mapping[str, Datum]) -> None:
        self.written = {name: outgoing(datum) for name, datum in outputs.items() if name != "$return"}


def incoming(invocation: dict[str, Any]) -> Datum:
    """Return the trigger's value."""
    if invocation["kind"] == "http":
        parts = dict(invocation["request"])
        return request_datum(**{**parts, "body": base64.b64decode(parts["body"])})
    return Datum(invocation["value"], "string" if invocation["kind"] == "queue" else "json")


def outgoing(datum: Datum | None) -> Any:
    """Return a value that a function gave back, as JSON."""
    if datum is None:
        return None
    if datum.type == "bytes":
        return [datum.type, base64.b64encode(datum.value).decode()]
    if datum.type != "http":
        return [datum.type, datum.value]
    value = datum.value
    morsels = [morsel for cookies in value["cookies"] or () for morsel in cookies.values()]
    return [
        datum.type,
        {
            "status_code": value["status_code"].value,
            "headers": {name: each.value for name, each in value["headers"].items()},
            "body": outgoing(value["body"]),
            "cookies": [[each.key, each.value, each["path"] or None] for each in morsels],
        },
    ]


async def invoke(function: Function, invocation: dict[str, Any]) -> dict[str, Any]:
    """Invoke one function and return how it ended."""
    outputs = Outputs()
    metadata = {name: Datum(value, kind) for name, (kind, value) in invocation["metadata"].items()}
    try:
        returned = await Invoker(outputs).invoke(
            function,
            incoming(invocation),
            metadata,
            trace=TraceContext(invocation["trace_parent"]),
            retry=RetryContext(invocation["retry_count"], 2),
        )
    except Exception:  # noqa: BLE001 - how it failed stands in the log
        return {"succeeded": False, "outputs": {}, "returned": None}
    return {"succeeded": True, "outputs": outputs.written, "returned": outgoing(returned)}


async def run(given: dict[str, Any]) -> dict[str, Any]:
    """Index and invoke."""
    root = Path(given["root"])
    os.chdir(root)
    try:
        functions = {each.name: each for each in index(root)}
    except IndexingError as exc:
        return {"refused": True, "why": str(exc)}
    return {
        "refused": False,
        "functions": {
            name: {
                "function_id": each.function_id,
                "script_file": each.script_file,
                "raw_bindings": [json.loads(raw) for raw in each.raw_bindings],
                "retries": int(each.retry["max_retry_count"]) if each.retry else None,
            }
            for name, each in functions.items()
        },
        "results": [await invoke(functions[each["function"]], each) for each in given["invocations"]],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(run(json.load(sys.stdin)))) + "\n")
