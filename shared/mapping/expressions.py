"""
Small expressions over one record: a few operators, a few functions, no attributes, no loops.

    department in ("Sales", "Support") and not starts_with(title, "Intern")

The grammar is Python's; what of it may be used is listed here, and an expression is judged by that list when it is
read. simpleeval evaluates it and knows no more than the same list. Every part is evaluated at most once and texts have
a longest length, so that the work is bounded by the length of the expression.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import JsonValue
from simpleeval import EvalWithCompoundTypes, InvalidExpression

from shared.errors import InvalidInput, InvalidPayload

LONGEST = 500
"""Characters of an expression."""
DEEPEST = 40
"""Parts within parts."""
LONGEST_TEXT = 100_000
"""Characters that a function may make."""

WHOLE_BELOW = 2**63
"""JSON, as it is kept and compared here, has whole numbers below this and down to its negative."""

Names = Mapping[str, JsonValue]
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")
"""An escape in an expression can make one; UTF-8 has none."""
_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")

_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
_FAILURES = (InvalidExpression, TypeError, ValueError, ArithmeticError, AttributeError, LookupError)


def _ordered(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], bool]:
    """Of what is empty nothing is less or greater."""
    return lambda one, other: one is not None and other is not None and bool(compare(one, other))


def _contains(element: Any, whole: Any) -> bool:
    return whole is not None and element is not None and element in whole


def _times(one: Any, other: Any) -> Any:
    if not isinstance(one, int | float) or not isinstance(other, int | float):
        raise TypeError("only numbers are multiplied")
    return one * other


def _plus(one: Any, other: Any) -> Any:
    if isinstance(one, str) and isinstance(other, str):
        return _bounded(one + other)
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one + other
    raise TypeError("only two texts or two numbers are added")


_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: _ordered(operator.lt),
    ast.LtE: _ordered(operator.le),
    ast.Gt: _ordered(operator.gt),
    ast.GtE: _ordered(operator.ge),
    ast.In: _contains,
    ast.NotIn: lambda element, whole: not _contains(element, whole),
    ast.Not: operator.not_,
    ast.USub: operator.neg,
    ast.Add: _plus,
    ast.Sub: operator.sub,
    ast.Mult: _times,
    ast.Div: operator.truediv,
}


def _bounded(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise ValueError("the text is too long")
    return text


def _of_text(change: Callable[[str], str]) -> Callable[[Any], Any]:
    """Return *change* as it takes a text, and leaves what is empty as it is."""

    def changed(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, str):
            raise TypeError("only a text can be changed like this")
        return change(value)

    return changed


def _replace(value: Any, old: Any, new: Any) -> Any:
    if value is None:
        return None
    if not (isinstance(value, str) and isinstance(old, str) and isinstance(new, str)) or not old:
        raise TypeError("replace takes three texts, of which the second is not empty")
    if len(value) + value.count(old) * (len(new) - len(old)) > LONGEST_TEXT:
        raise ValueError("the text is too long")
    return value.replace(old, new)


def _starts_with(value: Any, start: Any) -> bool:
    return isinstance(value, str) and isinstance(start, str) and value.startswith(start)


def _ends_with(value: Any, end: Any) -> bool:
    return isinstance(value, str) and isinstance(end, str) and value.endswith(end)


def _first(values: Any) -> Any:
    if values is not None and not isinstance(values, list | tuple | str):
        raise TypeError("first takes a list or a text")
    return values[0] if values else None


def _length(value: Any) -> int:
    return 0 if value is None else len(value)


def _coalesce(*values: Any) -> Any:
    return next((each for each in values if each not in (None, "", [])), values[-1] if values else None)


def _text(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value)
    raise TypeError("only a number or yes and no become a text")


def _number(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    if not isinstance(value, str):
        raise TypeError("only a text becomes a number")
    digits = value.strip()
    if _WHOLE.fullmatch(digits):
        return int(digits)
    if not _DECIMAL.fullmatch(digits):
        raise ValueError("only digits become a number, with a sign, a point and an exponent")
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("the number is too large")
    return number


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "lower": _of_text(str.lower),
    "upper": _of_text(str.upper),
    "title": _of_text(str.title),
    "trim": _of_text(lambda text: " ".join(text.split())),
    "replace": _replace,
    "starts_with": _starts_with,
    "ends_with": _ends_with,
    "first": _first,
    "length": _length,
    "coalesce": _coalesce,
    "text": _text,
    "number": _number,
}
CUSTOM = "custom"
"""`custom("Notice period")`: the value of a custom field, by our name of it."""

_CALLABLE = (*FUNCTIONS, CUSTOM)
_ALLOWED: tuple[type[ast.AST], ...] = (
    *_OPERATORS,
    *(ast.Expr, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.BinOp, ast.Compare, ast.IfExp),
    *(ast.Name, ast.Load, ast.Constant, ast.Call, ast.List, ast.Tuple),
)
_EVALUATED = frozenset(
    {ast.Expr, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Compare, ast.IfExp, ast.Name, ast.Constant, ast.Call}
    | {ast.List, ast.Tuple}
)
_CONSTANTS = (str, int, float, bool, type(None))


class _Evaluator(EvalWithCompoundTypes):  # type: ignore[misc]  # the library says no types
    """simpleeval with our operators and functions and without anything else."""

    nodes: dict[type[ast.AST], Callable[..., Any]]
    functions: dict[str, Callable[..., Any]]

    def __init__(self) -> None:
        super().__init__(operators=dict(_OPERATORS), functions={}, names={})
        self.functions = dict(FUNCTIONS)
        self.nodes = {node: evaluate for node, evaluate in self.nodes.items() if node in _EVALUATED}


class Expression:
    """An expression that was read and judged. Not to be shared by threads."""

    def __init__(self, text: str, *, path: str, known: Mapping[str, Any]) -> None:
        """
        Read *text*, which stands at *path* of a configuration and may name what is in *known*.

        Raises InvalidInput that names the path, the part that may not be used, and what may.
        """
        self.text = text
        self._path = path
        self._node = _read(text, path)
        _judge(self._node, path, known)
        self._evaluator = _Evaluator()

    def value(self, names: Names, custom: Mapping[str, JsonValue]) -> Any:
        """
        Return what the expression comes to; a name that *names* lacks is empty. *custom*: custom fields by our name.

        Raises InvalidPayload, which names the path and never a value, where it can't be computed of these, or comes to
        what can't be kept.
        """
        self._evaluator.names = _Sparse(names)
        self._evaluator.functions[CUSTOM] = custom.get
        try:
            value = self._evaluator.eval(self.text, self._node)
        except _FAILURES as error:
            # The cause may quote the value that it could not take.
            raise InvalidPayload(
                f"{self._path}: can't be computed of this record ({type(error).__name__})",
                remedy='where a field may be empty, say coalesce(field, "")',
            ) from None
        if not _can_be_kept(value):
            raise InvalidPayload(
                f"{self._path}: comes to what can't be kept",
                remedy="let it come to a finite number, whole ones of at most 18 digits, or a text of whole characters",
            )
        return value


def _can_be_kept(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" not in value and (value.isascii() or not _HALF_A_CHARACTER.search(value))
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return -WHOLE_BELOW <= value < WHOLE_BELOW
    if isinstance(value, list | tuple):
        return all(map(_can_be_kept, value))
    return True


class _Sparse(dict[str, Any]):
    """Names of which those that are missing are empty."""

    def __missing__(self, name: str) -> None:
        return None


def _read(text: str, path: str) -> ast.AST:
    if len(text) > LONGEST:
        raise InvalidInput(
            f"{path}: an expression has at most {LONGEST} characters", field=path, remedy="make it shorter"
        )
    try:
        body = ast.parse(text.strip()).body
    except _UNREADABLE as error:
        where = f" at character {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
        raise InvalidInput(
            f"{path}: can't be read{where}", field=path, remedy='write it like status == "open" and "x" in tags'
        ) from error
    if len(body) != 1 or not isinstance(body[0], ast.Expr):
        raise InvalidInput(f"{path}: must be one expression", field=path, remedy='like status == "open"')
    return body[0]


def _judge(root: ast.AST, path: str, known: Mapping[str, Any]) -> None:
    """Walk every part without recursion. Raises InvalidInput."""
    parts: list[tuple[ast.AST, int]] = [(root, 0)]
    while parts:
        node, depth = parts.pop()
        if depth > DEEPEST:
            raise InvalidInput(f"{path}: is nested too deeply", field=path, remedy="make it simpler")
        if not isinstance(node, _ALLOWED):
            raise InvalidInput(
                f"{path}: {type(node).__name__} can't be used in an expression",
                field=path,
                remedy="use fields, texts, numbers, lists, comparisons, and, or, not, + - * / and the functions "
                + ", ".join(_CALLABLE),
            )
        if isinstance(node, ast.Call):
            _judge_call(node, path)
            parts.extend((each, depth + 1) for each in node.args)
            continue
        if isinstance(node, ast.Name) and node.id not in known:
            raise InvalidInput.none_of(path, f"there is no {node.id}", known)
        if isinstance(node, ast.Constant) and not isinstance(node.value, _CONSTANTS):
            raise InvalidInput(f"{path}: only texts, numbers, True, False and None", field=path, remedy='"open"')
        parts.extend((each, depth + 1) for each in ast.iter_child_nodes(node))


def _judge_call(node: ast.Call, path: str) -> None:
    name = node.func.id if isinstance(node.func, ast.Name) else None
    if name not in _CALLABLE or node.keywords:
        raise InvalidInput(
            f"{path}: {name or 'this'} can't be called" + (" with named arguments" if node.keywords else ""),
            field=path,
            remedy="functions are " + ", ".join(_CALLABLE),
        )
