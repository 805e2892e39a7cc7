"""What is indexed and what is refused (docs/local-host.md, section 1)."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, List  # noqa: UP035 - the worker refuses list[str] in an Out

import azure.functions as func
import pytest

from sandbox.host.indexing import Function, IndexingError, index, read_function

Declare = Callable[[func.FunctionApp], Any]
QUEUE: dict[str, Any] = {"queue_name": "q", "connection": "C"}


def indexed(declare: Declare) -> Function:
    app = func.FunctionApp()
    declare(app)
    (declared,) = app.get_functions()
    return read_function(declared)


def test_a_function_is_described_as_the_host_gets_it() -> None:
    def declare(app: func.FunctionApp) -> None:
        @app.function_name("named")
        @app.route(route="jobs/{id}", methods=["GET"])
        @app.queue_output(arg_name="out", **QUEUE)
        async def body(req: func.HttpRequest, out: func.Out[str], context: func.Context) -> func.HttpResponse:
            return func.HttpResponse()

    found = indexed(declare)
    assert found.name == "named"
    assert found.function_id == str(uuid.uuid5(uuid.NAMESPACE_OID, "named"))
    assert found.is_async
    assert found.wants_context
    assert found.inputs["req"].converter == "httpTrigger"
    assert found.outputs["out"].converter == "generic"
    assert found.returns is not None
    assert {json.loads(raw)["type"] for raw in found.raw_bindings} == {
        "httpTrigger",
        "http",
        "queue",
    }


def parameter_without_binding(app: func.FunctionApp) -> None:
    @app.queue_trigger(arg_name="msg", **QUEUE)
    def body(msg: func.QueueMessage, more: str) -> None: ...


def binding_without_parameter(app: func.FunctionApp) -> None:
    @app.route(route="x")
    def body(request: func.HttpRequest) -> str:
        return ""


def wrong_input_type(app: func.FunctionApp) -> None:
    @app.queue_trigger(arg_name="msg", **QUEUE)
    def body(msg: dict) -> None: ...  # type: ignore[type-arg]


def generic_input_type(app: func.FunctionApp) -> None:
    @app.queue_trigger(arg_name="msg", **QUEUE)
    def body(msg: List[func.QueueMessage]) -> None: ...  # noqa: UP006


def wrong_context(app: func.FunctionApp) -> None:
    @app.queue_trigger(arg_name="msg", **QUEUE)
    def body(msg: func.QueueMessage, context: str) -> None: ...


def output_without_out(app: func.FunctionApp) -> None:
    @app.queue_trigger(arg_name="msg", **QUEUE)
    @app.queue_output(arg_name="out", **QUEUE)
    def body(msg: func.QueueMessage, out: str) -> None: ...


def out_without_output(app: func.FunctionApp) -> None:
    @app.queue_trigger(arg_name="msg", **QUEUE)
    def body(msg: func.Out[str]) -> None: ...


def wrong_out_type(app: func.FunctionApp) -> None:
    @app.queue_trigger(arg_name="msg", **QUEUE)
    @app.queue_output(arg_name="out", **QUEUE)
    def body(msg: func.QueueMessage, out: func.Out[int]) -> None: ...


def optional_return(app: func.FunctionApp) -> None:
    @app.route(route="x")
    def body(req: func.HttpRequest) -> func.HttpResponse | None: ...


def none_return(app: func.FunctionApp) -> None:
    @app.route(route="x")
    def body(req: func.HttpRequest) -> None: ...


def unwrapped_decorator(app: func.FunctionApp) -> None:
    def decorate(inner: Callable[..., None]) -> Callable[..., None]:
        def wrapper(*a: Any, **k: Any) -> None:
            inner(*a, **k)

        return wrapper

    @app.queue_trigger(arg_name="msg", **QUEUE)
    @decorate
    def body(msg: func.QueueMessage) -> None: ...


def missing_annotation(app: func.FunctionApp) -> None:
    @app.queue_trigger(arg_name="msg", **QUEUE)
    def body(msg: OnlyForTypeCheckers) -> None: ...  # type: ignore[name-defined]  # noqa: F821


def unknown_binding(app: func.FunctionApp) -> None:
    @app.blob_trigger(arg_name="blob", path="x", connection="C")
    def body(blob: func.InputStream) -> None: ...


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (parameter_without_binding, "parameters without binding: ['more']"),
        (binding_without_parameter, "parameters without binding: ['request']"),
        (wrong_input_type, "cannot be converted"),
        (generic_input_type, "cannot be converted"),
        (wrong_context, "func.Context"),
        (output_without_out, "not annotated with func.Out"),
        (out_without_output, "annotated with func.Out"),
        (wrong_out_type, "cannot be converted"),
        (optional_return, "non-type return annotation"),
        (none_return, "cannot be converted"),
        (unwrapped_decorator, "parameters without binding"),
        (missing_annotation, "annotations cannot be evaluated"),
        (unknown_binding, "not known to this stand-in"),
    ],
)
def test_what_the_worker_refuses_is_refused(declare: Declare, said: str) -> None:
    with pytest.raises(IndexingError, match=r".*") as refused:
        indexed(declare)
    assert said in str(refused.value)


HEAD = "import azure.functions as func\n"


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("absent_app", None, "has no absent_app.py"),
        ("broken_app", "import no_such_module_at_all", "no_such_module_at_all"),
        ("empty_app", "", "0 top-level FunctionApps"),
        (
            "double_app",
            HEAD + "a = func.FunctionApp()\nb = func.FunctionApp()",
            "2 top-level FunctionApps",
        ),
        (
            "same_names_app",
            HEAD
            + "app = func.FunctionApp()\n"
            + "@app.route(route='a')\ndef f(req): ...\n"
            + "@app.route(route='b')\n@app.function_name('f')\ndef g(req): ...\n",
            "unique function name",
        ),
    ],
)
def test_an_app_that_cannot_be_indexed_fails_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: str | None, said: str
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    if source is not None:
        (tmp_path / f"{name}.py").write_text(source)
    with pytest.raises(IndexingError) as refused:
        index(tmp_path, f"{name}.py")
    assert said in str(refused.value)
