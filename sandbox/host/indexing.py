"""Indexing of a project's function_app.py: what the Python worker accepts and what it refuses (§1)."""

from __future__ import annotations

import importlib
import inspect
import operator
import sys
import typing
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import azure.functions as func
from azure.functions.meta import get_binding_registry

GENERIC = "generic"  # the converter of parameters annotated with str or bytes
RETURN = "$return"
OUT_DIRECTION = 1
INOUT_DIRECTION = 2
TRIGGERS = frozenset({"httpTrigger", "queueTrigger", "timerTrigger"})
SUPPORTED = TRIGGERS | {"http", "queue"}


class IndexingError(Exception):
    """The worker would not index this app. The whole app fails, not one function."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """How one parameter (or the return value) is converted."""

    converter: str  # a binding type of the library, or `generic`
    python_type: Any  # None when not annotated


@dataclass(frozen=True, slots=True)
class Function:
    """One indexed function."""

    name: str
    function_id: str
    call: Callable[..., Any]
    directory: str
    script_file: str
    is_async: bool
    wants_context: bool
    trigger: Mapping[str, Any]  # the trigger's binding, as the host gets it
    bindings: Mapping[str, Mapping[str, Any]]  # every binding by name
    raw_bindings: tuple[str, ...]
    inputs: Mapping[str, Parameter]
    outputs: Mapping[str, Parameter]
    returns: Parameter | None
    retry: Mapping[str, str] | None


def index(root: Path, script: str = "function_app.py") -> list[Function]:
    """
    Import *root*'s *script* and return its functions, in the order they were declared.

    *root* is put first on the module path and must stay there, since functions import on first
    use. Raises IndexingError for all that the worker refuses, chained to its cause.
    """
    if not (root / script).is_file():
        raise IndexingError(f"{root} has no {script}")
    sys.path.insert(0, str(root))
    try:
        module = importlib.import_module(Path(script).stem)
    except Exception as exc:
        raise IndexingError(f"{script} cannot be imported: {exc!r}") from exc
    found = [value for value in vars(module).values() if isinstance(value, func.FunctionRegister)]
    if len(found) != 1:
        raise IndexingError(f"{script} has {len(found)} top-level FunctionApps instead of one")
    try:
        # Only once: a second call finds every name already taken.
        declared = found[0].get_functions()
    except ValueError as exc:
        raise IndexingError(str(exc)) from exc
    return [read_function(each) for each in declared]


def read_function(declared: Any) -> Function:
    """Check one declared function as the worker does and return it. Raises IndexingError."""
    return _Reader(declared).read()


class _Reader:
    """Reads one declared function; each step refuses what it finds wrong."""

    def __init__(self, declared: Any) -> None:
        self._declared = declared
        self._name = declared.get_function_name()
        self._call = declared.get_user_function()
        self._bindings = {binding.name: binding for binding in declared.get_bindings()}

    def read(self) -> Function:
        call = self._call
        parameters = dict(inspect.signature(call).parameters)
        try:
            annotations = typing.get_type_hints(call)
        except Exception as exc:
            raise self._refusal(f"its annotations cannot be evaluated: {exc}") from exc
        self._check_bindings()
        wants_context = self._take_context(parameters, annotations)
        self._check_names(set(parameters))
        inputs, outputs = self._parameters(parameters, annotations)
        raw = {name: binding.get_dict_repr() for name, binding in self._bindings.items()}
        return Function(
            name=self._name,
            function_id=str(uuid.uuid5(uuid.NAMESPACE_OID, self._name)),
            call=call,
            directory=str(Path(inspect.getfile(call)).parent),
            script_file=self._declared.function_script_file,
            is_async=inspect.iscoroutinefunction(call),
            wants_context=wants_context,
            trigger=self._declared.get_trigger().get_dict_repr(),
            bindings=raw,
            raw_bindings=tuple(self._declared.get_raw_bindings()),
            inputs=inputs,
            outputs=outputs,
            returns=self._returns(annotations),
            retry=self._declared.get_settings_dict("retry_policy"),
        )

    def _refusal(self, why: str) -> IndexingError:
        return IndexingError(f"function {self._name!r}: {why}")

    def _check_bindings(self) -> None:
        for name, binding in self._bindings.items():
            if binding.type not in SUPPORTED:
                raise self._refusal(f"binding type {binding.type!r} is not known to this stand-in")
            if binding.direction == INOUT_DIRECTION:
                raise self._refusal(f"binding {name!r}: inout is not supported")
            if name == RETURN and binding.direction != OUT_DIRECTION:
                raise self._refusal("$return must have direction out")

    def _take_context(self, parameters: dict[str, inspect.Parameter], annotations: Mapping[str, Any]) -> bool:
        """Remove the one parameter that needs no binding, and tell whether it was there."""
        if "context" not in parameters or "context" in self._bindings:
            return False
        del parameters["context"]
        annotation = annotations.get("context", func.Context)
        if getattr(annotation, "__name__", None) != "Context":
            raise self._refusal("parameter 'context' must be annotated with func.Context")
        return True

    def _check_names(self, parameters: set[str]) -> None:
        bound = self._bindings.keys() - {RETURN}
        if parameters - bound:
            raise self._refusal(f"parameters without binding: {sorted(parameters - bound)}")
        if bound - parameters:
            raise self._refusal(f"bindings without parameter: {sorted(bound - parameters)}")

    def _parameters(
        self, parameters: Mapping[str, inspect.Parameter], annotations: Mapping[str, Any]
    ) -> tuple[dict[str, Parameter], dict[str, Parameter]]:
        inputs: dict[str, Parameter] = {}
        outputs: dict[str, Parameter] = {}
        for name in parameters:
            binding = self._bindings[name]
            goes_out = binding.direction == OUT_DIRECTION
            annotation = annotations.get(name)
            python_type = self._python_type(name, annotation, goes_out=goes_out)
            converter = GENERIC if python_type in (str, bytes) else binding.type
            if annotation is not None:
                self._check_type(name, converter, python_type, goes_out=goes_out)
            (outputs if goes_out else inputs)[name] = Parameter(converter, python_type)
        return inputs, outputs

    def _python_type(self, name: str, annotation: Any, *, goes_out: bool) -> Any:
        """Take an `Out[...]` off and check that it stands where the binding goes out."""
        origin = typing.get_origin(annotation)
        is_out = getattr(origin or annotation, "__name__", None) == "Out"
        if annotation is not None and goes_out and not is_out:
            raise self._refusal(f"{name!r} is an output, but not annotated with func.Out")
        if is_out and not goes_out:
            raise self._refusal(f"{name!r} is an input, but annotated with func.Out")
        if not is_out:
            return annotation
        arguments = typing.get_args(annotation)
        if len(arguments) != 1:
            raise self._refusal(f"{name!r} needs one type in func.Out[...]")
        return arguments[0]

    def _check_type(self, name: str, converter: str, python_type: Any, *, goes_out: bool) -> None:
        is_generic_type = typing.get_origin(python_type) is not None
        if not isinstance(python_type, type) and not is_generic_type:
            raise self._refusal(f"{name!r} has a non-type annotation {python_type!r}")
        if converter == GENERIC:
            return
        registered = get_binding_registry().get(converter)
        check = operator.attrgetter("check_output_type_annotation" if goes_out else "check_input_type_annotation")(
            registered
        )
        try:
            fits = check(python_type)
        except TypeError:  # issubclass() on a generic type that the converter does not know
            fits = False
        if not fits:
            raise self._refusal(f"{name!r}: {converter} cannot be converted to {python_type!r}")

    def _returns(self, annotations: Mapping[str, Any]) -> Parameter | None:
        binding = self._bindings.get(RETURN)
        if binding is None:
            return None
        if "return" not in annotations:
            return Parameter(binding.type, None)
        python_type = annotations["return"]
        if not isinstance(python_type, type):
            raise self._refusal(f"non-type return annotation {python_type!r}")
        self._check_type(RETURN, binding.type, python_type, goes_out=True)
        return Parameter(binding.type, python_type)
