"""Routes of HTTP functions: ASP.NET templates compiled to expressions, and their precedence (§2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Generic, TypeVar
from urllib.parse import unquote
from uuid import UUID

Target = TypeVar("Target")

# Ranks of one segment: a smaller one is tried first.
LITERAL, CONSTRAINED, PARAMETER, CONSTRAINED_REST, REST = range(1, 6)
RESERVED_PREFIXES = frozenset({"admin", "runtime"})


class BadTemplate(ValueError):
    """A route template the host would refuse."""


Check = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Template:
    """One compiled route template."""

    text: str
    rank: tuple[int, ...]
    expression: re.Pattern[str]
    checks: tuple[tuple[str, Check], ...]  # parameter, constraint
    defaults: Mapping[str, str]
    groups: Mapping[str, str]  # group of the expression -> parameter as the template spells it

    def match(self, path: str) -> dict[str, str] | None:
        """Return the parameters of *path* (no outer slashes), or None when it does not match."""
        found = self.expression.fullmatch(path)
        if found is None:
            return None
        values = dict(self.defaults)
        for group, name in self.groups.items():
            value = found.group(group)
            if value:
                values[name] = value
        if all(check(values[name]) for name, check in self.checks if name in values):
            return values
        return None


@dataclass(frozen=True, slots=True)
class Route(Generic[Target]):
    """A template, the methods it takes (None: all), and what it leads to."""

    template: Template
    methods: frozenset[str] | None
    target: Target


class Router(Generic[Target]):
    """All routes of an app, the most literal first."""

    def __init__(self, routes: Iterable[Route[Target]]) -> None:
        self._routes = sorted(routes, key=lambda r: (r.template.rank, r.template.text))

    def find(self, method: str, path: str) -> tuple[Target, dict[str, str]] | None:
        """Return the target for *method* and *path* with its parameters, or None (a 404)."""
        trimmed = path.strip("/")
        for route in self._routes:
            if route.methods is not None and method not in route.methods:
                continue
            values = route.template.match(trimmed)
            if values is not None:
                return route.target, values
        return None


def decoded_path(raw_path: bytes) -> str:
    """Decode the path of a request once, leaving an encoded slash as it is, as the server does."""
    text = raw_path.decode("ascii", "replace").partition("?")[0]
    return unquote(re.sub("%2[fF]", "%252F", text))


def compile_template(text: str) -> Template:
    """Compile an ASP.NET route template such as `jobs/{id:int}/{*rest}`. Raises BadTemplate."""
    compiler = _Compiler(text.strip("/"))
    return compiler.compile()


class _Compiler:
    """Reads one template from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._checks: list[tuple[str, Check]] = []
        self._defaults: dict[str, str] = {}
        self._groups: dict[str, str] = {}

    def compile(self) -> Template:
        segments = _split_segments(self._text)
        pattern = ""
        rank = []
        for number, segment in enumerate(segments):
            last = number == len(segments) - 1
            expression, segment_rank, may_miss = self._segment(segment, last=last)
            lead = "/" if number else ""
            pattern += f"(?:{lead}{expression})?" if may_miss else lead + expression
            rank.append(segment_rank)
        return Template(
            text=self._text,
            rank=tuple(rank),
            expression=re.compile(pattern, re.IGNORECASE | re.DOTALL),
            checks=tuple(self._checks),
            defaults=self._defaults,
            groups=self._groups,
        )

    def _segment(self, segment: str, *, last: bool) -> tuple[str, int, bool]:
        """Return a segment's expression, its rank and whether a path may leave it out."""
        parts = _split_parts(segment)
        if not any(is_parameter for is_parameter, _ in parts):
            return re.escape("".join(text for _, text in parts)), LITERAL, False
        if len(parts) == 1:
            return self._lone_parameter(parts[0][1], last=last)
        expression = "".join(
            self._parameter(text)[0] if is_parameter else re.escape(text) for is_parameter, text in parts
        )
        return expression, CONSTRAINED, False

    def _lone_parameter(self, inner: str, *, last: bool) -> tuple[str, int, bool]:
        expression, constrained, optional, rest = self._parameter(inner)
        if (optional or rest) and not last:
            raise BadTemplate(f"{self._text}: {{{inner}}} must come last")
        if rest:
            return expression, CONSTRAINED_REST if constrained else REST, True
        return expression, CONSTRAINED if constrained else PARAMETER, optional

    def _parameter(self, inner: str) -> tuple[str, bool, bool, bool]:
        """Read what stands between braces: its expression, and constrained, optional, catch-all."""
        rest = inner.startswith("*")
        body = inner.lstrip("*")
        name, constraints, default, optional = _split_parameter(body)
        if not re.fullmatch(r"\w[\w-]*", name):
            raise BadTemplate(f"{self._text}: bad parameter name {name!r}")
        if name.lower() in (known.lower() for known in self._groups.values()):
            raise BadTemplate(f"{self._text}: parameter {name!r} stands twice")
        group = f"p{len(self._groups)}"
        self._groups[group] = name
        self._checks += [(name, constraint(text)) for text in constraints]
        if default is not None:
            self._defaults[name] = default
        content = ".*" if rest else "[^/]+"
        return f"(?P<{group}>{content})", bool(constraints), optional or default is not None, rest


def _split_segments(text: str) -> list[str]:
    """Split *text* at slashes that stand outside braces."""
    if not text:
        return []
    segments, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if character == "/" and depth == 0:
            segments.append(text[start:position])
            start = position + 1
    segments.append(text[start:])
    if depth != 0 or not all(segments):
        raise BadTemplate(f"{text}: unbalanced braces or an empty segment")
    return segments


def _split_parts(segment: str) -> list[tuple[bool, str]]:
    """Split a segment into (is a parameter, text). Doubled braces inside a parameter are kept."""
    parts: list[tuple[bool, str]] = []
    position = 0
    while position < len(segment):
        opening = segment.find("{", position)
        if opening < 0:
            parts.append((False, segment[position:]))
            break
        if opening > position:
            parts.append((False, segment[position:opening]))
        closing = _closing_brace(segment, opening)
        inner = segment[opening + 1 : closing].replace("{{", "{").replace("}}", "}")
        parts.append((True, inner))
        position = closing + 1
    return parts


def _closing_brace(segment: str, opening: int) -> int:
    position = opening + 1
    while position < len(segment):
        if segment[position : position + 2] in {"{{", "}}"} and "regex(" in segment[:position]:
            position += 2
        elif segment[position] == "}":
            return position
        else:
            position += 1
    raise BadTemplate(f"{segment}: a brace is not closed")


_NEXT = re.compile(r":(?P<name>\w+)(?P<open>\()?")


def _split_parameter(body: str) -> tuple[str, list[str], str | None, bool]:
    """Split `id:int:min(1)=7` into name, constraints, default and whether it is optional."""
    name = re.match(r"[^:=?]*", body)
    position = name.end() if name else 0
    constraints = []
    while found := _NEXT.match(body, position):
        end = _closing_parenthesis(body, found.end()) if found.group("open") else found.end()
        constraints.append(body[position + 1 : end])
        position = end
    tail = body[position:]
    if tail == "?":
        return body[: name.end() if name else 0], constraints, None, True
    if tail.startswith("="):
        return body[: name.end() if name else 0], constraints, tail[1:], False
    if tail:
        raise BadTemplate(f"{{{body}}}: cannot read {tail!r}")
    return body[: name.end() if name else 0], constraints, None, False


def _closing_parenthesis(body: str, position: int) -> int:
    depth = 1
    while position < len(body):
        depth += (body[position] == "(") - (body[position] == ")")
        position += 1
        if depth == 0:
            return position
    raise BadTemplate(f"{{{body}}}: a parenthesis is not closed")


def _parses(read: Callable[[str], object]) -> Check:
    def check(value: str) -> bool:
        try:
            read(value)
        except (ValueError, InvalidOperation):
            return False
        return True

    return check


def _integer(value: str, bits: int) -> int:
    if not re.fullmatch(r"[+-]?\d+", value, re.ASCII):
        raise ValueError(value)
    number = int(value)
    if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
        raise ValueError(value)
    return number


def _within(low: int, high: int) -> Check:
    def check(value: str) -> bool:
        try:
            return low <= _integer(value, 64) <= high
        except ValueError:
            return False

    return check


def _of_length(low: int, high: int) -> Check:
    return lambda value: low <= len(value) <= high


_PLAIN: Mapping[str, Check] = {
    "int": _parses(lambda v: _integer(v, 32)),
    "long": _parses(lambda v: _integer(v, 64)),
    "guid": _parses(UUID),
    "bool": lambda v: v.lower() in {"true", "false"},
    "datetime": _parses(datetime.fromisoformat),
    "decimal": _parses(Decimal),
    "double": _parses(float),
    "float": _parses(float),
    "alpha": lambda v: re.fullmatch("[A-Za-z]*", v) is not None,
    "required": bool,
}
_MANY = 2**63 - 1


def constraint(text: str) -> Check:  # noqa: C901, PLR0911 - a table of cases
    """Return the check that a constraint such as `range(1,9)` stands for. Raises BadTemplate."""
    name, _, arguments = text.partition("(")
    name = name.lower()
    if not arguments:
        if name not in _PLAIN:
            raise BadTemplate(f"unknown route constraint {text!r}")
        return _PLAIN[name]
    inner = arguments.removesuffix(")")
    if name == "regex":
        expression = re.compile(inner, re.IGNORECASE)
        return lambda value: expression.search(value) is not None
    numbers = [int(n) for n in inner.split(",")]
    match name, numbers:
        case "length", [n]:
            return _of_length(n, n)
        case "length", [low, high]:
            return _of_length(low, high)
        case "minlength", [low]:
            return _of_length(low, _MANY)
        case "maxlength", [high]:
            return _of_length(0, high)
        case "min", [low]:
            return _within(low, _MANY)
        case "max", [high]:
            return _within(-_MANY - 1, high)
        case "range", [low, high]:
            return _within(low, high)
        case _:
            raise BadTemplate(f"unknown route constraint {text!r}")
