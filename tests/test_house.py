"""The house stays in order: no module imports itself by way of others, and what is read fits on a screen or two."""

import ast
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parent.parent
# It stands alone by design: what is exported takes it along, and nothing else.
ALONE = "export/runner.py"
FILES = {
    path.relative_to(ROOT / "src" / "genedge").as_posix(): path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "src" / "genedge").rglob("*.py"))
}
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match, ast.FunctionDef, ast.AsyncFunctionDef)


def circles(imports):
    """Groups of modules each of which imports, by way of others, all of its group; Tarjan's algorithm."""
    order, low, on_way, found = {}, {}, [], []

    def visit(module):
        order[module] = low[module] = len(order)
        on_way.append(module)
        for other in imports[module]:
            if other not in order:
                visit(other)
            if other in on_way:
                low[module] = min(low[module], low[other])
        if low[module] == order[module]:
            group = on_way[on_way.index(module) :]
            del on_way[on_way.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in imports:
        if module not in order:
            visit(module)
    return found


def deepest(node, blocks=0):
    """How many blocks stand within each other; what follows `elif` stands beside, not within."""
    within = [blocks]
    for child in ast.iter_child_nodes(node):
        beside = isinstance(child, ast.If) and isinstance(node, ast.If) and node.orelse == [child]
        within.append(deepest(child, blocks + (isinstance(child, BLOCKS) and not beside)))
    return max(within)


def functions():
    for name, text in FILES.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield pytest.param(node, id=f"{name}:{node.name}")


def test_no_module_imports_itself_by_way_of_others():
    graph = grimp.build_graph("genedge", exclude_type_checking_imports=False)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 100
    assert circles(imports) == []


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [["b", "c"]]


def test_files_are_short():
    long = {name: text.count("\n") for name, text in FILES.items() if name != ALONE and text.count("\n") > 500}
    assert long == {}


def test_functions_are_short_and_flat():
    long, deep = [], []
    for param in functions():
        (node,) = param.values
        documented = ast.get_docstring(node) is not None
        code = node.end_lineno - (node.body[0].end_lineno if documented else node.lineno - 1)
        if code > 60:
            long.append((param.id, code))
        if deepest(node) > 4:
            deep.append((param.id, deepest(node)))
    assert (long, deep) == ([], [])
