"""The tenant guard: refuses, just before the driver sees it, any statement that is not bound to its unit's scope.

A statement passes when every occurrence of a tenant's table is tied, by top-level `AND` conditions, to a bound
`workspace_id` whose value the scope allows; rows to insert must carry an allowed `workspace_id`. The shape of a
statement is analysed once per compiled form; afterwards only the bound values are compared.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Table
from sqlalchemy.engine import Compiled, Connection
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.dml import Delete, Insert, Update
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    ColumnClause,
    Grouping,
    TextClause,
)
from sqlalchemy.sql.selectable import Alias, CompoundSelect, FromClause, Join, Select, TableClause, TextualSelect

from blazz.kit.db.metadata import SCOPED
from blazz.kit.db.scope import Platform, Scope, ScopeError

_COLUMN = "workspace_id"
SCOPE_OPTION = "blazz_scope"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a compiled statement demands: binds compared with `workspace_id`, and whether it inserts tenant rows."""

    binds: tuple[str, ...]
    lists: tuple[str, ...]
    """Binds of `IN`: their values arrive as `name_1`, `name_2`, ..."""
    inserts: bool
    problem: str | None = None


_rules: WeakKeyDictionary[Compiled, Rule] = WeakKeyDictionary()


def check(
    connection: Connection,
    cursor: object,
    statement: str,
    parameters: object,
    context: DefaultExecutionContext | None,
    executemany: bool,
) -> None:
    """SQLAlchemy `before_cursor_execute` hook. Raises ScopeError; the unit of work is rolled back by its owner."""
    scope: Scope | None = connection.get_execution_options().get(SCOPE_OPTION)
    if scope is None or isinstance(scope, Platform):
        return  # None: the transaction frame itself (BEGIN, SAVEPOINT); units always run under a scope
    compiled = context.compiled if context is not None else None
    if compiled is None:
        raise ScopeError(f"raw SQL in a scoped unit of work: {statement[:120]}")
    rule = _rules.get(compiled)
    if rule is None:
        rule = _rules[compiled] = _analyse(compiled)
    if rule.problem:
        raise ScopeError(rule.problem)
    assert context is not None
    for row in context.compiled_parameters:
        _check_values(rule, row, scope)


def _check_values(rule: Rule, row: Mapping[str, Any], scope: Scope) -> None:
    values = [row.get(name) for name in rule.binds]
    for name in rule.lists:
        values += _listed(name, row)
    if not all(scope.allows(_as_uuid(value)) for value in values):
        raise ScopeError("a statement names another workspace than its unit of work")
    if rule.inserts and not scope.allows(_as_uuid(row.get(_COLUMN))):
        raise ScopeError("an inserted row belongs to another workspace than its unit of work")


def _listed(name: str, row: Mapping[str, Any]) -> Iterator[Any]:
    for number in count(1):
        key = f"{name}_{number}"
        if key not in row:
            return  # an empty list matches nothing
        yield row[key]


def _as_uuid(value: object) -> object:
    return uuid.UUID(value) if isinstance(value, str) else value


def _analyse(compiled: Any) -> Rule:
    statement = compiled.statement
    problem = _shape_problem(compiled)
    if problem:
        return _refused(problem)
    ties = _Ties()
    for element in visitors.iterate(statement):
        if isinstance(element, Select):
            ties.add_select(element)
        elif isinstance(element, (Update, Delete)):
            ties.add_table(element.table)
            ties.add_conditions(element.whereclause)
    loose = ties.loose()
    if loose:
        return _refused(f"no workspace_id condition on: {', '.join(sorted(loose))}")
    inserts = isinstance(statement, Insert) and _is_scoped(statement.table)
    names = [(compiled.bind_names[bind], bind.expanding) for bind in ties.binds]
    return Rule(
        tuple(name for name, expanding in names if not expanding),
        tuple(name for name, expanding in names if expanding),
        inserts,
    )


def _refused(problem: str) -> Rule:
    return Rule((), (), False, problem)


def _shape_problem(compiled: Any) -> str | None:
    """Say why a statement is refused whatever its conditions are: what it does cannot be read, or moves rows away."""
    statement = compiled.statement
    if not isinstance(statement, (Select, CompoundSelect, Insert, Update, Delete)):
        return f"a {type(statement).__name__} in a scoped unit of work cannot be analysed"
    for element in visitors.iterate(statement):
        if isinstance(element, (TextClause, TextualSelect)) or _is_raw_column(element):
            return f"SQL as text in a scoped unit of work: {str(element)[:120]}"
        if type(element) is TableClause:
            return f"{element.name} is named without its definition"
    if isinstance(statement, Insert) and _is_scoped(statement.table):
        if statement.select is not None:
            return f"INSERT..SELECT into {statement.table} is not allowed in a scoped unit of work"
        return _conflict_problem(statement)
    if isinstance(statement, Update) and _is_scoped(statement.table):
        # columns set by `values()`, and those named only by the parameters of the execution
        changed = [*(compiled.compile_state._dict_parameters or ()), *(compiled.column_keys or ())]
        if any(getattr(column, "name", column) == _COLUMN for column in changed):
            return f"an update of {statement.table} would move rows to another workspace"
    return None


def _conflict_problem(statement: Insert) -> str | None:
    """An upsert may meet only rows of the same workspace: its conflict target must hold `workspace_id`."""
    clause: Any = statement._post_values_clause
    if clause is None or not hasattr(clause, "update_values_to_set"):
        return None
    target = [getattr(item, "name", item) for item in clause.inferred_target_elements or ()]
    if _COLUMN not in target:
        return f"an upsert into {statement.table} could meet a row of another workspace"
    changed = {getattr(column, "name", column) for column in dict(clause.update_values_to_set)}
    return f"an upsert into {statement.table} would move rows to another workspace" if _COLUMN in changed else None


def _is_raw_column(element: object) -> bool:
    return isinstance(element, ColumnClause) and element.is_literal and element.name not in ("*", "1")


def _is_scoped(source: object) -> bool:
    while isinstance(source, Alias):
        source = source.element
    return isinstance(source, Table) and bool(source.info.get(SCOPED))


class _Ties:
    """Which occurrences of tenant tables are tied to a bound workspace, directly or through another occurrence."""

    def __init__(self) -> None:
        self._sources: dict[int, FromClause] = {}
        self._bound: set[int] = set()
        self._pairs: list[tuple[int, int]] = []
        self.binds: list[BindParameter[Any]] = []

    def add_select(self, select: Select[Any]) -> None:
        for source in select.get_final_froms():
            self._add_from(source)
        self.add_conditions(select.whereclause)

    def _add_from(self, source: FromClause) -> None:
        if isinstance(source, Join):
            self._add_from(source.left)
            self._add_from(source.right)
            self.add_conditions(source.onclause)
        else:
            self.add_table(source)

    def add_table(self, source: Any) -> None:
        if _is_scoped(source):
            self._sources[id(source)] = source

    def add_conditions(self, clause: Any) -> None:
        for condition in _conjuncts(clause):
            if not isinstance(condition, BinaryExpression) or condition.operator not in (operators.eq, operators.in_op):
                continue
            left, right = condition.left, condition.right
            if _is_workspace_column(right) and not _is_workspace_column(left):
                left, right = right, left
            if not _is_workspace_column(left):
                continue
            if _is_workspace_column(right):
                self._pairs.append((id(left.table), id(right.table)))
            elif isinstance(bind := _unwrap(right), BindParameter):
                self._bound.add(id(left.table))
                self.binds.append(bind)

    def loose(self) -> set[str]:
        tied = set(self._bound)
        changed = True
        while changed:
            changed = False
            for one, other in self._pairs:
                if (one in tied) != (other in tied):
                    tied |= {one, other}
                    changed = True
        return {str(getattr(source, "name", source)) for key, source in self._sources.items() if key not in tied}


def _conjuncts(clause: Any) -> Iterator[Any]:
    if isinstance(clause, Grouping):
        yield from _conjuncts(clause.element)
    elif isinstance(clause, BooleanClauseList) and clause.operator is operators.and_:
        parts: Iterable[Any] = clause.clauses
        for part in parts:
            yield from _conjuncts(part)
    elif clause is not None:
        yield clause


def _is_workspace_column(element: object) -> bool:
    return isinstance(element, ColumnClause) and element.name == _COLUMN and element.table is not None


def _unwrap(element: Any) -> Any:
    while isinstance(element, Grouping):
        element = element.element
    return element
