"""Gives the client a coroutine for each function of operations.py, with its arguments.

The docstring of a coroutine is the client's own: only a new one begins with that of the function.
"""

import ast
from collections.abc import Iterator

CLIENT = "DeliveryClient"

Function = ast.FunctionDef | ast.AsyncFunctionDef


def public_functions(source: str) -> dict[str, ast.FunctionDef]:
    """Return the public functions of a module by name."""
    return {
        node.name: node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }


def with_coroutines(client: str, operations: str) -> str:
    """Return the client's module with a coroutine for each public function of the module of operations."""
    present = dict(_coroutines(client))
    lines = client.splitlines(keepends=True)
    last = max((node.end_lineno or 0 for node in present.values()), default=len(lines))
    added: list[str] = []
    edits: list[tuple[Function, str]] = []
    for name, function in public_functions(operations).items():
        node = present.get(name)
        if node is None:
            added.append("\n" + _coroutine(function, _docstring(operations, function)))
        elif _signature(node) != _signature(function):
            edits.append((node, _coroutine(function, _docstring(client, node))))
    lines[last:last] = added
    for node, text in sorted(edits, key=lambda edit: edit[0].lineno, reverse=True):
        lines[node.lineno - 1 : node.end_lineno] = [text]
    return "".join(lines)


def _coroutines(client: str) -> Iterator[tuple[str, Function]]:
    """Yield the methods of the client that send an operation of the same name."""
    for node in ast.walk(ast.parse(client)):
        if isinstance(node, ast.ClassDef) and node.name == CLIENT:
            for method in node.body:
                match method:
                    case ast.AsyncFunctionDef(name=name) if f"operations.{name}(" in ast.unparse(method):
                        yield name, method
                    case _:
                        pass


def _signature(function: Function) -> str:
    """Return the arguments and the result of a function or of the coroutine that sends its operation."""
    arguments = ast.unparse(function.args).removeprefix("self, ").removeprefix("self")
    return f"({arguments}) -> {_result(function)}"


def _result(function: Function) -> str:
    match function.returns:
        case ast.Subscript(value=ast.Name(id="Operation"), slice=inner):
            return ast.unparse(inner)
        case None:
            return "None"
        case other:
            return ast.unparse(other)


def _docstring(source: str, function: Function) -> str:
    """Return the docstring of a function as it is written, moved to the depth of a method's."""
    first = function.body[0]
    if ast.get_docstring(function) is None:
        return f'"""Send `{function.name}`."""'
    return (ast.get_source_segment(source, first) or "").replace("\n    ", "\n" + " " * (8 - function.col_offset))


def _coroutine(function: Function, docstring: str) -> str:
    arguments = function.args
    given = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    given += [f"{one.arg}={one.arg}" for one in arguments.kwonlyargs]
    given += [f"**{arguments.kwarg.arg}"] if arguments.kwarg else []
    rest = _signature(function)[1:]
    own = f"self{rest}" if rest.startswith(")") else f"self, {rest}"
    call = f"return await self._engine.value(operations.{function.name}({', '.join(given)}))"
    return f"    async def {function.name}({own}:\n        {docstring}\n        {call}\n"
