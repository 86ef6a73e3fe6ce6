"""Suites as data: what a rule is, how a suite file is read, and the checks that a suite expects.

What belongs here: the model of ``suites/<kind>.yml``, its validation with errors that name file, rule and key, and the
expansion of rules into checks, one per table and column. What does not: running checks (``adapter``), and the rules
themselves.

A rule names its targets as ``table: [columns]``. An empty list stands for the whole record; ``"*"`` for every table of
the connector whose key is unique; the column ``$key`` for each key column; ``$record`` for the record, shown by its
key column. ``{column}``, ``{table}`` and ``{key}`` are replaced in SQL (quoted) and in sentences (plain).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sources.spec import Table

RuleId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Sentence = Annotated[str, Field(min_length=8)]

DELIVERY = "_delivery"
"""Target table of rules about a delivery as a whole; see ``landing`` for its columns."""
REJECT = "_reject"
"""Target table of rules about records that the connector could not read as rows."""
RESERVED = (DELIVERY, REJECT)
KEYED = "_keyed"
"""Relation: the rows of all tables that share their key with another row of the delivery; see ``landing``."""
KEY, RECORD = "$key", "$record"


class SuiteError(Exception):
    """A suite file can't be used. ``problems`` are sentences that name file, rule and key."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))
        self.problems = problems


class Severity(StrEnum):
    """What a failure means. ``error`` is for the publish edge, where it blocks the release."""

    SUBMISSION = "submission"
    RECORD = "record"
    WARNING = "warning"
    ERROR = "error"


class Dimension(StrEnum):
    """The aspect of quality that a rule measures."""

    COMPLETENESS = "completeness"
    VALIDITY = "validity"
    CONSISTENCY = "consistency"
    UNIQUENESS = "uniqueness"
    TIMELINESS = "timeliness"
    ACCURACY = "accuracy"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Applies(_Strict):
    """Where a rule makes sense; elsewhere its outcome is not_applicable, with the reason."""

    when: str = Field(description="SQL predicate over the delivery, such as `stated_on is not null`.")
    otherwise: Sentence


class CodeList(_Strict):
    """Where the allowed codes stand: a seed of the models, which may have a column ``format_version``."""

    seed: RuleId
    code: str = Field(description="Column of the seed with the sender's code.")
    where: dict[str, str] = Field(default_factory=dict, description="Column → value of the rows that belong to it.")


class Rule(_Strict):
    """One rule of a suite."""

    rule: RuleId
    targets: dict[str, list[str]] = Field(min_length=1, description="Table → columns.")
    relation: str | None = Field(default=None, description="View of the table with what the predicate needs to know.")
    shown_as: str | None = Field(default=None, description="Column of the relation that holds the sender's own name.")
    expectation: str = Field(default="rows", pattern=r"^(rows|expect_[a-z_]+)$")
    holds: str | None = Field(default=None, description="SQL predicate for the good case; NULL counts as failing.")
    code_list: CodeList | None = Field(default=None, description="Codes that are allowed; empty is allowed.")
    arguments: dict[str, Any] = Field(default_factory=dict, description="Of a Great Expectations expectation.")
    severity: Severity
    then: Literal["refuse", "pause"] | None = Field(default=None, description="What a failing submission rule does.")
    dimension: Dimension
    applies: Applies | None = None
    message: Sentence = Field(description="What is wrong with a row that fails.")
    why: Sentence = Field(description="Why it matters.")
    fix: Sentence = Field(description="What the sender (or the engineer) should do.")

    @model_validator(mode="after")
    def _consistent(self) -> Rule:
        if self.expectation == "rows":
            if (self.holds is None) == (self.code_list is None):
                raise ValueError("a `rows` rule has either `holds` or `code_list`")
            if self.arguments:
                raise ValueError("`arguments` belong to Great Expectations' own expectations, not to `rows`")
        else:
            if self.holds or self.code_list:
                raise ValueError("`holds` and `code_list` belong to `rows` rules")
            if self.severity is Severity.RECORD:
                raise ValueError("severity `record` needs `holds`: only a predicate tells which rows to hold back")
        if (self.then is not None) != (self.severity is Severity.SUBMISSION):
            raise ValueError("`then` belongs to severity `submission`, and only there")
        if self.severity is Severity.RECORD and set(self.targets) & {DELIVERY}:
            raise ValueError("a rule about the delivery as a whole can't have severity `record`")
        return self


class SuiteFile(_Strict):
    """A suite file as written."""

    kind: str
    include: list[RuleId] = Field(default_factory=list, description="Suite files whose rules this suite has, too.")
    relations: dict[RuleId, str] = Field(default_factory=dict, description="Name → SELECT over the kind's tables.")
    rules: list[Rule] = Field(min_length=1)


@dataclass(frozen=True)
class Check:
    """A rule on one table and column: the unit that has an outcome."""

    check_id: str
    kind: str
    table: str
    column: str | None
    rule: Rule
    relation: str
    """View that the check reads; the table's own name, or one of the suite's relations."""
    holds: str | None
    """SQL predicate, placeholders filled."""

    def sentence(self, text: str) -> str:
        """A sentence of the rule about this table and column."""
        return text.replace("{column}", self.column or self.table).replace("{table}", self.table)


@dataclass(frozen=True)
class Suite:
    """A suite that was read and found valid."""

    kind: str
    relations: Mapping[str, str]
    checks: tuple[Check, ...]


@cache
def load_suite_file(path: Path) -> SuiteFile:
    """Read and validate a suite file. Raises :class:`SuiteError` naming file, rule and key."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    except OSError as error:
        raise SuiteError([f"{path.name}: can't be read: {error.strerror}"]) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        raise SuiteError([f"{path.name}{where}: not valid YAML: {getattr(error, 'problem', error)}"]) from error
    try:
        return SuiteFile.model_validate(data)
    except ValidationError as error:
        raise SuiteError([_sentence(path.name, data, dict(problem)) for problem in error.errors()]) from error


def load_suite(kind: str, tables: Mapping[str, Table] | None, suites_dir: Path, reference_dir: Path) -> Suite:
    """The suite of a kind, expanded over its tables (None: tables are not known beforehand, as at the publish edge).

    Raises :class:`SuiteError` if a rule names a table, column, relation or code list that does not exist, or if two
    rules claim the same check.
    """
    path = suites_dir / f"{kind}.yml"
    written = load_suite_file(path)
    problems = [] if written.kind == kind else [f"{path.name}: kind: {written.kind!r} is not the file's name"]
    checks: dict[str, Check] = {}
    files = {f"{name}.yml": load_suite_file(suites_dir / f"{name}.yml") for name in written.include}
    for name, file in {**files, path.name: written}.items():
        for rule in file.rules:
            try:
                for check in _expand(kind, file, rule, tables, reference_dir):
                    if check.check_id in checks:
                        problems.append(f"{name}: rule {rule.rule}: targets: {check.check_id} is claimed twice")
                    checks[check.check_id] = check
            except ValueError as error:
                problems.append(f"{name}: rule {rule.rule}: {error}")
    if problems:
        raise SuiteError(problems)
    relations = {name: select for file in files.values() for name, select in file.relations.items()}
    return Suite(kind, {**relations, **written.relations}, tuple(checks.values()))


def code_lists_of(suite: Suite) -> dict[tuple[str, str], CodeList]:
    """(table, column) → the code list that its values are checked against."""
    return {(c.table, str(c.column)): c.rule.code_list for c in suite.checks if c.rule.code_list is not None}


def _expand(
    kind: str, suite: SuiteFile, rule: Rule, tables: Mapping[str, Table] | None, reference_dir: Path
) -> Iterator[Check]:
    for table, columns in _targets(rule, tables):
        if rule.relation is not None and rule.relation != KEYED and rule.relation not in suite.relations:
            raise ValueError(f"relation: there is no relation {rule.relation!r}")
        for column, is_shown_only in _columns(table, columns, tables):
            named = None if is_shown_only else column
            yield Check(
                check_id=".".join(part for part in (kind, table, named, rule.rule) if part),
                kind=kind,
                table=table,
                column=column,
                rule=rule,
                relation=rule.relation or table,
                holds=_holds(rule, table, column, tables, reference_dir),
            )


def _targets(rule: Rule, tables: Mapping[str, Table] | None) -> Iterator[tuple[str, list[str]]]:
    for name, columns in rule.targets.items():
        if tables is None or name in RESERVED:
            yield name, columns
        elif name == "*":
            yield from ((table.name, columns) for table in tables.values() if table.key and table.key_is_unique)
        elif name in tables:
            yield name, columns
        else:
            raise ValueError(f"targets: there is no table {name!r}; known: {', '.join(sorted(tables))}")


def _columns(table: str, columns: list[str], tables: Mapping[str, Table] | None) -> Iterator[tuple[str | None, bool]]:
    """(column, is it shown only and no part of the check's id)."""
    if not columns:
        yield None, False
    for column in columns:
        if tables is None or table in RESERVED:
            yield column, False
            continue
        spec = tables[table]
        if column == KEY:
            yield from ((name, False) for name in spec.key)
        elif column == RECORD:
            yield (spec.key[0] if len(spec.key) == 1 else None), True
        elif column in spec.column_names:
            yield column, False
        else:
            raise ValueError(f"targets: table {table!r} has no column {column!r}")


def _holds(
    rule: Rule, table: str, column: str | None, tables: Mapping[str, Table] | None, reference_dir: Path
) -> str | None:
    if rule.expectation != "rows":
        return None
    text = rule.holds or (_in_code_list(rule.code_list, reference_dir) if rule.code_list else "")
    key = tables[table].key if tables is not None and table in tables else ()
    filled = (
        text.replace("{column}", quoted(column or ""))
        .replace("{table}", quoted(table))
        .replace("{key}", ", ".join(quoted(name) for name in key))
        .strip()
    )
    return f"_table <> {literal(table)} OR ({filled})" if rule.relation == KEYED else filled


def quoted(identifier: str) -> str:
    """An SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string."""
    return "'" + text.replace("'", "''") + "'"


def _in_code_list(listed: CodeList, reference_dir: Path) -> str:
    """SQL: the column is empty or holds a code that the delivery's format allows.

    A format that the list does not know takes any code of the list.
    """
    codes = allowed_codes(listed, reference_dir)
    value = "trim({column}, ' \t')"

    def among(allowed: frozenset[str]) -> str:
        return f"{value} IN ({', '.join(map(literal, sorted(allowed)))})"

    every = among(frozenset().union(*codes.values()))
    arms = " ".join(f"WHEN {literal(version)} THEN {among(codes[version])}" for version in sorted(codes) if version)
    return f"{{column}} IS NULL OR {f'CASE _format_version {arms} ELSE {every} END' if arms else every}"


def allowed_codes(listed: CodeList, reference_dir: Path) -> dict[str, frozenset[str]]:
    """Allowed codes by format version (``''`` where the list is the same for all)."""
    path = reference_dir / f"{listed.seed}.csv"
    if not path.exists():
        raise ValueError(f"code_list: there is no seed {path.name}")
    columns, rows = _seed(path)
    absent = sorted({listed.code, *listed.where} - set(columns))
    if absent:
        raise ValueError(f"code_list: seed {path.name} has no column {absent[0]!r}")
    found: dict[str, set[str]] = {}
    for row in rows:
        if all(row[column] == value for column, value in listed.where.items()):
            found.setdefault(row.get("format_version") or "", set()).add(row[listed.code])
    if not found:
        raise ValueError(f"code_list: seed {path.name} has no row where {listed.where}")
    return {version: frozenset(codes) for version, codes in found.items()}


@cache
def _seed(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        return list(reader.fieldnames or ()), list(reader)


def _sentence(name: str, data: Any, problem: dict[str, Any]) -> str:
    """A pydantic error as a sentence with file, rule and key."""
    place = list(problem["loc"])
    rule = ""
    if len(place) > 1 and place[0] == "rules" and isinstance(place[1], int):
        entry = data["rules"][place[1]]
        named = entry.get("rule") if isinstance(entry, dict) else None
        rule = f" rule {named or place[1] + 1}:"
        place = place[2:]
    key = ".".join(str(part) for part in place)
    return f"{name}:{rule} {key + ': ' if key else ''}{problem['msg'].removeprefix('Value error, ')}"
