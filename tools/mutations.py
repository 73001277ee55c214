"""Mutants of a function: the same function with one small fault, made on its syntax tree.

Mutated are comparisons and their borders, `and`/`or` and their operands, `not`, arithmetic, constants, conditions,
returned values, `min` and `max`, keyword arguments, and what may be left out: a call, a raise, an assignment to
an attribute. Not mutated are docstrings, annotations, decorators, defaults, texts inside of a `raise` or an f-string
(they are for people), and what runs at import.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
_OPPOSITES = {"min": "max", "max": "min", "any": "all", "all": "any"}
_PLACES = {ast.FunctionDef: ("args", "decorator_list", "returns"), ast.AnnAssign: ("annotation",)}
_PLACES[ast.AsyncFunctionDef] = _PLACES[ast.FunctionDef]


@dataclass(frozen=True)
class Mutant:
    """One fault. `lines`: those of the statement that it is in. `apply` changes the tree that it was found in."""

    function: str
    lines: range
    what: str
    apply: Callable[[], None] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.function}: {self.what}"


class Source:
    """A file of Python, and the functions and methods in it that are not inside of other functions."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = ast.parse(path.read_text(), str(path))

    def mutants(self) -> Iterator[Mutant]:
        """Every one, in the order of the lines."""
        for name, function in _functions(self.tree, ""):
            yield from _mutants(name, function)


def _functions(parent: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, Function]]:
    for node in parent.body:
        if isinstance(node, Function):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{prefix}{node.name}.")


def _mutants(name: str, function: Function) -> Iterator[Mutant]:
    for node, put, lines in _nodes(function, range(function.lineno, function.lineno + 1), spoken=False):
        for new in _replacements(node):
            what = f"{_text(node)}  ->  {_text(new)}"
            yield Mutant(name, lines, what, lambda put=put, new=new, old=node: put(ast.copy_location(new, old)))  # type: ignore[misc]


Put: TypeAlias = Callable[[ast.AST], None]


def _nodes(parent: ast.AST, lines: range, *, spoken: bool) -> Iterator[tuple[ast.AST, Put, range]]:
    """Each node below, how another one is put in its place, and the lines of its statement."""
    for name, value in ast.iter_fields(parent):
        if name in _PLACES.get(type(parent), ()):
            continue
        for child, put in _places(parent, name, value):
            inner = _lines(child) if isinstance(child, ast.stmt) else lines
            if _is_text(child) and (spoken or (isinstance(parent, ast.Expr))):
                continue
            yield child, put, inner
            if not isinstance(child, ast.JoinedStr):
                yield from _nodes(child, inner, spoken=spoken or isinstance(child, ast.Raise))


def _places(parent: ast.AST, name: str, value: object) -> Iterator[tuple[ast.AST, Put]]:
    if isinstance(value, ast.AST):
        yield value, lambda new: setattr(parent, name, new)
    elif isinstance(value, list):
        for at, child in enumerate(value):
            if isinstance(child, ast.AST):
                yield child, lambda new, at=at: value.__setitem__(at, new)  # type: ignore[misc]


def _lines(statement: ast.stmt) -> range:
    """A statement's own lines: of one with a body those before the body."""
    body = getattr(statement, "body", None)
    end = body[0].lineno - 1 if body else statement.end_lineno or statement.lineno
    return range(statement.lineno, max(end, statement.lineno) + 1)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _replacements(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(left, [operator], right):
            yield from (ast.Compare(left, [kind()], right) for kind in _COMPARISONS[type(operator)])
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
            yield from (_joined(operator, values[:at] + values[at + 1 :]) for at in range(len(values)))
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.BinOp(left, operator, right) if type(operator) in _ARITHMETIC:
            yield ast.BinOp(left, _ARITHMETIC[type(operator)](), right)
        case ast.Constant(value):
            yield from map(ast.Constant, _other_constants(value))
        case ast.Call(ast.Name(name), arguments, keywords) if name in _OPPOSITES:
            yield ast.Call(ast.copy_location(ast.Name(_OPPOSITES[name], ast.Load()), node), arguments, keywords)
        case ast.Call(function, arguments, keywords):
            for at, keyword in enumerate(keywords):
                if keyword.arg is not None:
                    yield ast.Call(function, arguments, keywords[:at] + keywords[at + 1 :])
        case ast.comprehension(target, iterable, conditions, is_async):
            for at in range(len(conditions)):
                yield ast.comprehension(target, iterable, conditions[:at] + conditions[at + 1 :], is_async)
        case ast.IfExp(_, body, orelse):
            yield from (body, orelse)
        case ast.stmt():
            yield from _other_statements(node)


def _joined(operator: ast.boolop, values: list[ast.expr]) -> ast.expr:
    return values[0] if len(values) == 1 else ast.BoolOp(operator, values)


def _other_constants(value: object) -> Iterator[bool | float | str | bytes]:
    match value:
        case bool():
            yield not value
        case int() | float():
            yield value + 1
        case str():
            yield "XX" + value
        case bytes():
            yield b"XX" + value


def _other_statements(node: ast.stmt) -> Iterator[ast.stmt]:
    match node:
        case ast.If(_, body, orelse):
            yield from (ast.If(ast.copy_location(ast.Constant(each), node), body, orelse) for each in (True, False))
        case ast.While(_, body, orelse):
            yield ast.While(ast.copy_location(ast.Constant(value=False), node), body, orelse)
        case ast.Return(ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Return(ast.copy_location(ast.Constant(None), node))
        case ast.AugAssign(target, operator, value):
            if type(operator) in _ARITHMETIC:
                yield ast.AugAssign(target, _ARITHMETIC[type(operator)](), value)
            yield ast.Pass()
        case ast.Expr(ast.Call() | ast.Await()) | ast.Raise() | ast.Delete():
            yield ast.Pass()
        case ast.Assign([ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()


def _text(node: ast.AST) -> str:
    """One line of it, as a person reads it."""
    if isinstance(node, ast.If | ast.While):
        node = ast.Expr(node.test)
    if isinstance(node, ast.comprehension):
        return " ".join(f"if {ast.unparse(condition)}" for condition in node.ifs) or "no condition"
    return ast.unparse(node).partition("\n")[0][:100]
