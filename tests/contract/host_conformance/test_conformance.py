"""
The stand-in against the production library, on the same app (docs/local-host.md, section 9).

Metadata, decoded values and responses must be equal, and an app that one refuses the other must
refuse too.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.host_conformance.environment import (
    REPOSITORY,
    ensure_environment,
    find_interpreter,
)
from tests.fixtures.lacking import lacking

HERE = Path(__file__).parent
SAMPLE_APP = REPOSITORY / "tests" / "fixtures" / "host_app"
SECONDS_TO_RUN = 60
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def python313(pytestconfig: pytest.Config) -> Path:
    """A Python 3.13 with the production library."""
    interpreter = find_interpreter()
    if interpreter is None:
        lacking(pytestconfig, "Python 3.13: the conformance test of the Functions host did not run")
    return ensure_environment(interpreter)


@pytest.fixture
def in_production(python313: Path) -> Run:
    """Run an app with the production library."""
    return lambda root, invocations=(): _run([str(python313), "production.py"], root, invocations)


def in_stand_in(root: Path, invocations: Any = ()) -> dict[str, Any]:
    """Run an app with the stand-in."""
    return _run([sys.executable, "stand_in.py"], root, invocations)


def _run(command: list[str], root: Path, invocations: Any) -> dict[str, Any]:
    interpreter, script = command
    ended = subprocess.run(  # noqa: S603 - our own script and an interpreter we chose
        [interpreter, str(HERE / script)],
        input=json.dumps({"root": str(root), "invocations": list(invocations)}),
        capture_output=True,
        text=True,
        timeout=SECONDS_TO_RUN,
        check=False,
        env={"PATH": os.defpath, "PYTHONPATH": str(REPOSITORY)},
    )
    assert ended.returncode == 0, ended.stderr
    printed: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return printed


def invocation(function: str, kind: str, **rest: Any) -> dict[str, Any]:
    return {"function": function, "kind": kind, "metadata": {}, "trace_parent": TRACE, "retry_count": 0, **rest}


def http(function: str, body: bytes = b"", **parts: Any) -> dict[str, Any]:
    request = {
        "method": "POST",
        "url": "http://localhost/x?a=1",
        "headers": {"host": "localhost", "x-a": "1,2"},
        "query": {"a": "1"},
        "parameters": {"id": "7"},
        "body": base64.b64encode(body).decode(),
        **parts,
    }
    return invocation(function, "http", request=request)


MESSAGE = {
    "Id": ["string", "5d5f"],
    "PopReceipt": ["string", "AgAA"],
    "DequeueCount": ["json", "3"],
    "InsertionTime": ["json", '"2026-11-22T01:56:52+00:00"'],
    "ExpirationTime": ["json", '"9999-12-31T23:59:59+00:00"'],
    "NextVisibleTime": ["json", '"2026-11-22T02:06:52.1234567+00:00"'],
}
TIMER = {
    "Schedule": {"AdjustForDST": True},
    "ScheduleStatus": {"Last": "2026-11-22T01:00:00+00:00", "Next": "2026-11-22T02:00:00+00:00"},
    "IsPastDue": True,
}

# One case each, with whether it succeeds: equal failures of both would prove nothing.
CASES = {
    "http, bytes that are no text": (http("echo", b"\x00\xff"), True),
    "http, nothing in it": (http("echo", query={}, parameters={}, headers={}), True),
    "http, cookies": (http("cookies"), True),
    "http, a string returned from a thread": (http("plain"), True),
    "http, the context": (http("context_of"), True),
    "http, with a queue output": (http("enqueue", parameters={"text": "hello"}), True),
    "http, an exception": (http("raises"), False),
    "http, None returned": (http("nothing"), False),
    "queue, a message": (invocation("inbox", "queue", value='{"ü": 1}', metadata=MESSAGE), True),
    "queue, a failure after the output was set": (invocation("inbox", "queue", value="fail", metadata=MESSAGE), False),
    "queue, a string and a list": (invocation("texts", "queue", value="hello", metadata=MESSAGE), True),
    "queue, a value without $return": (invocation("returns_something", "queue", value="x", metadata=MESSAGE), False),
    "timer, past due": (invocation("tick", "timer", value=json.dumps(TIMER)), True),
    "timer, without status": (
        invocation("tick", "timer", value='{"Schedule": {}, "ScheduleStatus": null, "IsPastDue": false}'),
        True,
    ),
    "timer, the last retry": (invocation("retried", "timer", value=json.dumps(TIMER), retry_count=2), True),
}
DIFFERENT_EACH_TIME = {"pid", "began", "invocation_id", "local_id"}


def _comparable(value: Any) -> Any:
    """Return *value* with JSON inside strings read, and without what no two runs share."""
    match value:
        case ["bytes", str() as body]:
            return ["bytes", _comparable(base64.b64decode(body).decode("latin-1"))]
        case dict():
            return {k: _comparable(v) for k, v in value.items() if k not in DIFFERENT_EACH_TIME}
        case list():
            return [_comparable(each) for each in value]
        case str() if value[:1] in {"{", "["}:
            return _comparable(json.loads(value))
        case _:
            return value


def _sorted_bindings(functions: dict[str, Any]) -> dict[str, Any]:
    """Return *functions* with their bindings in an order of ours: theirs is not fixed."""
    return {
        name: {**each, "raw_bindings": sorted(each["raw_bindings"], key=lambda b: str(b["name"]))}
        for name, each in functions.items()
    }


def test_the_sample_app_is_indexed_and_invoked_alike(in_production: Run) -> None:
    invocations = [case for case, _ in CASES.values()]
    ours = in_stand_in(SAMPLE_APP, invocations)
    theirs = in_production(SAMPLE_APP, invocations)
    assert not theirs["refused"], theirs["why"]
    assert not ours["refused"], ours["why"]
    assert _sorted_bindings(ours["functions"]) == _sorted_bindings(theirs["functions"])
    for (name, (_, succeeds)), mine, real in zip(CASES.items(), ours["results"], theirs["results"], strict=True):
        assert real["succeeded"] is succeeds, name
        assert _comparable(mine) == _comparable(real), name


@pytest.mark.skipif(not (REPOSITORY / "function_app.py").exists(), reason="there is no app yet")
def test_the_project_is_indexed_alike(in_production: Run) -> None:
    theirs = in_production(REPOSITORY)
    ours = in_stand_in(REPOSITORY)
    assert not theirs["refused"], theirs["why"]
    assert not ours["refused"], ours["why"]
    assert theirs["functions"]
    assert _sorted_bindings(ours["functions"]) == _sorted_bindings(theirs["functions"])


HEAD = """
from typing import List
import azure.functions as func
app = func.FunctionApp()
queue = app.queue_trigger(arg_name="msg", queue_name="q", connection="C")
output = app.queue_output(arg_name="out", queue_name="q", connection="C")
"""
REFUSED = {
    "an import that fails": "import no_such_module_at_all",
    "no app": "",
    "two apps": HEAD + "other = func.FunctionApp()",
    "two functions of one name": HEAD + "@queue\ndef f(msg): ...\n@queue\ndef f(msg): ...",
    "a parameter without binding": HEAD + "@queue\ndef f(msg: func.QueueMessage, more: str): ...",
    "a binding without parameter": HEAD + "@app.route(route='x')\ndef f(request): ...",
    "a wrong input type": HEAD + "@queue\ndef f(msg: dict): ...",
    "an output without Out": HEAD + "@queue\n@output\ndef f(msg: str, out: str): ...",
    "an Out that is no output": HEAD + "@queue\ndef f(msg: func.Out[str]): ...",
    "a built-in list for an output": HEAD + "@queue\n@output\ndef f(msg: str, out: func.Out[list[str]]): ...",
    "a wrong output type": HEAD + "@queue\n@output\ndef f(msg: str, out: func.Out[int]): ...",
    "an optional response": HEAD
    + "@app.route(route='x')\ndef f(req: func.HttpRequest) -> func.HttpResponse | None: ...",
    "a response of None": HEAD + "@app.route(route='x')\ndef f(req: func.HttpRequest) -> None: ...",
    "a context of another type": HEAD + "@queue\ndef f(msg: str, context: str): ...",
    "an annotation for type checkers only": HEAD + "@queue\ndef f(msg: 'Absent'): ...",
    "a wrapper without its function's names": HEAD
    + "def wrap(f):\n    def inner(*a, **k): f(*a, **k)\n    return inner\n@queue\n@wrap\ndef f(msg): ...",
}
ACCEPTED = {
    "a list for an output": HEAD + "@queue\n@output\ndef f(msg: str, out: func.Out[List[str]]): ...",
    "no annotations": HEAD + "@queue\n@output\ndef f(msg, out): ...",
    "postponed annotations": "from __future__ import annotations" + HEAD + "@queue\ndef f(msg: func.QueueMessage): ...",
    "a context": HEAD + "@queue\ndef f(msg: bytes, context: func.Context): ...",
}


@pytest.mark.parametrize(
    ("source", "refused"),
    [
        *(pytest.param(source, True, id=name) for name, source in REFUSED.items()),
        *(pytest.param(source, False, id=name) for name, source in ACCEPTED.items()),
    ],
)
def test_an_app_is_refused_by_both_or_by_neither(
    tmp_path: Path, in_production: Run, source: str, refused: bool
) -> None:
    (tmp_path / "function_app.py").write_text(source)
    theirs, ours = in_production(tmp_path), in_stand_in(tmp_path)
    assert theirs["refused"] is refused, theirs
    assert ours["refused"] is refused, ours
