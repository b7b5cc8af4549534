"""The tool `calculator`: arithmetic by a walk over the syntax tree, never by eval.

Every operation bounds the size of its result before it computes it, so that no
expression of the allowed length can keep the server busy.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from agents.tools.base import Tool, ToolContext, ToolError, object_schema

Number = int | float

_LENGTH: Final = 500
# Bits of the largest whole number; some 1,200 digits.
_BITS: Final = 4_096
_LARGEST_FACTORIAL: Final = 400

_CONSTANTS: Final = {"pi": math.pi, "e": math.e, "tau": math.tau}
_SIGNS: Final[Mapping[type[ast.unaryop], Callable[[Any], Any]]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}


async def _calculate(context: ToolContext, arguments: dict[str, Any]) -> str:
    return calculate(arguments["expression"])


def calculate(expression: str) -> str:
    """The value of an arithmetic expression. Raises ToolError saying what is wrong."""
    if len(expression) > _LENGTH:
        raise ToolError(f"An expression may have {_LENGTH} characters.")
    try:
        tree = ast.parse(expression.strip().replace("^", "**"), mode="eval")
        result = _value(tree.body)
    except (SyntaxError, RecursionError, MemoryError):
        raise ToolError("That is not an arithmetic expression.") from None
    except ZeroDivisionError:
        raise ToolError("That divides by zero.") from None
    except OverflowError:
        raise ToolError("The result is too large.") from None
    except (ValueError, TypeError):
        raise ToolError("That has no value among the real numbers.") from None
    if isinstance(result, float):
        if not math.isfinite(result):
            raise ToolError("The result is too large.")
        # 0.1 + 0.2 is 0.3 to everybody but a computer.
        return f"{result:.15g}"
    return str(result)


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=value) if type(value) in (int, float):
            return _bounded(value)
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _SIGNS:
            return _bounded(_SIGNS[type(op)](_value(operand)))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            return _bounded(_OPERATIONS[type(op)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if (
            name in _FUNCTIONS
        ):
            return _bounded(_FUNCTIONS[name](*map(_value, args)))
    raise ToolError(
        "Use numbers, + - * / // % ** ( ), pi, e, tau and the functions "
        f"{', '.join(_FUNCTIONS)}."
    )


def _bounded(value: Any) -> Number:
    if isinstance(value, int) and value.bit_length() > _BITS:
        raise OverflowError
    if not isinstance(value, int | float):  # a complex root
        raise ValueError
    return value


def _power(base: Number, exponent: Number) -> Number:
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and abs(base) > 1 and exponent * int(base).bit_length() > 2 * _BITS:
        raise OverflowError
    result: Number = base**exponent
    return result


def _factorial(of: Number) -> int:
    if of != int(of) or of > _LARGEST_FACTORIAL:
        raise OverflowError
    return math.factorial(int(of))


_OPERATIONS: Final[Mapping[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "abs": abs,
    "round": lambda of, digits=0: round(of, max(-400, min(400, int(digits)))),
    "min": lambda *of: min(of),
    "max": lambda *of: max(of),
    "sum": lambda *of: sum(of),
    "floor": math.floor,
    "ceil": math.ceil,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "atan2": math.atan2,
    "hypot": math.hypot,
    "degrees": math.degrees,
    "radians": math.radians,
    "factorial": _factorial,
    "gcd": math.gcd,
}

CALCULATOR = Tool(
    name="calculator",
    description="The exact value of an arithmetic expression.",
    schema=object_schema(
        expression={
            "type": "string",
            "description": "For example (17.5 - 3) * 2 ** 10 / sqrt(2).",
            "maxLength": _LENGTH,
        }
    ),
    run=_calculate,
)
