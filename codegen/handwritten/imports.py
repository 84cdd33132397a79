"""Keeps the imports of generated classes in hand-written modules: re-exports, and whatever a module uses."""

import ast
from collections.abc import Iterable, Iterator

MODELS = "kaspi_delivery_async.models"


def class_names(source: str) -> list[str]:
    """Return the names of the classes and types that a module of models defines, in its order."""
    return [
        name
        for node in ast.parse(source).body
        if not isinstance(node, (ast.Import, ast.ImportFrom))
        for name in _defined(node)
    ]


def with_exports(source: str, generated: str, present: Iterable[str], wanted: Iterable[str]) -> str:
    """Return a module that imports and lists in `__all__` what the generated module defines now, and not before."""
    tree = ast.parse(source)
    lines = source.splitlines(keepends=True)
    edits: list[tuple[ast.stmt, str]] = [(node, _import(generated, wanted)) for node in _imports(tree, generated)]
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=elements)):
                listed = {str(one.value) for one in elements if isinstance(one, ast.Constant)}
                names = sorted({*(listed - set(present)), *wanted}, key=lambda name: (not name[0].isupper(), name))
                edits.append((node, "__all__ = [\n" + "".join(f'    "{name}",\n' for name in names) + "]\n"))
            case _:
                pass
    return _edited(lines, edits)


def with_imports(source: str, available: Iterable[str]) -> str:
    """Return a module that imports the models that it uses, beside those that it imports already."""
    tree = ast.parse(source)
    bound = {name for node in tree.body for name in _defined(node)}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    missing = (used & set(available)) - bound
    if not missing:
        return source
    edits: list[tuple[ast.stmt, str]] = [
        (node, _import(MODELS, missing.union(alias.name for alias in node.names))) for node in _imports(tree, MODELS)
    ]
    return _edited(source.splitlines(keepends=True), edits)


def _imports(tree: ast.Module, module: str) -> Iterator[ast.ImportFrom]:
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == module:
            yield node


def _import(module: str, names: Iterable[str]) -> str:
    ordered = sorted(names, key=lambda name: (not name[0].isupper(), name))
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in ordered) + ")\n"


def _defined(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.Assign(targets=targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        case ast.ImportFrom(names=names) | ast.Import(names=names):
            yield from (alias.asname or alias.name for alias in names)
        case _:
            pass


def _edited(lines: list[str], edits: Iterable[tuple[ast.stmt, str]]) -> str:
    for node, text in sorted(edits, key=lambda edit: edit[0].lineno, reverse=True):
        lines[node.lineno - 1 : node.end_lineno] = [text]
    return "".join(lines)
