"""The gates of the main job: which deliveries are new to them, what is kept of their verdicts, and what is reported.

What belongs here: putting landed deliveries before the checks, remembering verdicts, and the row account at the final
gate. What does not: rules and how they run (``expectations``), the tables of results (``quality``), and the reports
themselves (``sender_report``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from expectations.results import (
    FINDING_SCHEMA,
    SUITES_DIR,
    CheckContext,
    CheckResult,
    LandedDelivery,
    LandingVerdict,
    Outcome,
    PauseLimits,
    Status,
    SurveyItem,
    WarehouseVerdict,
)
from expectations.results import REFERENCE_DIR as SEEDS_DIR
from expectations.suites import load_suite
from orchestration import quality
from orchestration.helper_process import HelperProcess, Tell
from orchestration.landing import Landed, landing_path
from orchestration.project import suites_fingerprint
from orchestration.region import Region
from orchestration.sender_report import IndexLine, write_index, write_sender_reports
from orchestration.vault import Vault
from orchestration.warehouse import connect, quoted, raw_name
from sources.connector import connectors
from sources.spec import Regime
from sources.survey.mapping import survey_mapping_rows

_DDL = """
CREATE TABLE IF NOT EXISTS ops.verdict (
    delivery_id VARCHAR, source_id VARCHAR, kind VARCHAR, connector_version VARCHAR, suites VARCHAR, status VARCHAR,
    reasons VARCHAR, row_counts VARCHAR, held_back_count BIGINT, compared_with VARCHAR
);
ALTER TABLE ops.verdict ADD COLUMN IF NOT EXISTS limits VARCHAR;
CREATE TABLE IF NOT EXISTS ops.concluded (release_id VARCHAR)
"""

ACCOUNT_CHECK = "warehouse.row_account"


_CHECKS = HelperProcess()
"""The landing gate reads Parquet, not the warehouse: it has a process of its own, and starts beside landing."""


@dataclass(frozen=True)
class Verdict:
    """What is remembered of the gate's answer for one delivery."""

    delivery_id: str
    connector_version: str
    suites: str
    status: Status
    reasons: tuple[str, ...]
    row_counts: Mapping[str, int]
    held_back_count: int
    compared_with: str | None
    """The delivery whose row counts this one's were compared with."""
    limits: str | None
    """What its source allowed."""


def ensure_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of verdicts and results."""
    connection.execute(_DDL)
    quality.ensure_tables(connection)


@cache
def check_names(suite: str) -> dict[str, str]:
    """Names of a suite's rules, as asset checks show them, with why each matters."""
    names = ["publish", "warehouse"] if suite == "publish" else [suite]
    found: dict[str, str] = {"row_account": "Every landed row is accounted for."} if suite == "publish" else {}
    for name in names:
        tables = connectors()[name].tables if name in connectors() else None
        for check in load_suite(name, tables, SUITES_DIR, SEEDS_DIR).checks:
            found.setdefault(check.rule.rule, check.sentence(check.rule.why))
    return dict(sorted(found.items()))


def check_name(result: CheckResult) -> str:
    """The asset check that a result belongs to."""
    return result.rule


# The landing gate ---------------------------------------------------------------------------------------------------


class Ahead:
    """Judges what has landed while other work goes on; what it finds is kept by :func:`check_new`."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._begun: dict[str, tuple[list[_Waiting], Future[LandingVerdict]]] = {}

    def begin(
        self, region: Region, kind: str, ordered: Mapping[str, Sequence[Landed]], released: frozenset[str]
    ) -> None:
        """Begin to judge a kind's deliveries that have no verdict. Does not wait."""
        known: Mapping[str, Verdict] = {}
        if region.warehouse_path.exists():
            # Without the table, no gate has ever run here.
            with connect(region.warehouse_path, read_only=True) as connection, suppress(duckdb.CatalogException):
                known = _verdicts(connection)
        if waiting := _waiting(region, known, ordered, released):
            self._begun[kind] = (waiting, self._pool.submit(_check, region, waiting, kind, released))

    def verdict(self, kind: str, waiting: Sequence[_Waiting]) -> LandingVerdict | None:
        """The verdict on exactly these deliveries, or None if it was not begun, or on others. Given once."""
        begun, future = self._begun.pop(kind, (None, None))
        return future.result() if future is not None and begun == waiting else None

    def close(self) -> None:
        """Do not begin what was not begun yet."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def check_new(
    region: Region,
    connection: duckdb.DuckDBPyConnection,
    vault: Vault,
    kind: str,
    ordered: Mapping[str, Sequence[Landed]],
    released: frozenset[str],
    ahead: Ahead,
) -> list[CheckResult]:
    """Put deliveries without a verdict before the landing gate; keep and report what it says.

    A delivery's rows are compared with those of the last accepted full one before it. Where that one is new, too, its
    verdict is assumed to be good; if it turns out otherwise, those that came after it are judged again.
    """
    results: dict[str, list[CheckResult]] = {}
    while waiting := _waiting(region, _verdicts(connection), ordered, released):
        verdict = ahead.verdict(kind, waiting) or _check(region, waiting, kind, released)
        # Results first: a verdict that is remembered has its results kept.
        quality.store(connection, verdict)
        _remember(region, connection, verdict, waiting)
        _report(region, vault, verdict, [w.landed for w in waiting])
        for w in waiting:
            results[w.landed.delivery_id] = [r for r in verdict.results if r.delivery_id == w.landed.delivery_id]
    return [result for listed in results.values() for result in listed]


def statuses(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, str | None]]:
    """delivery id → (loaded, paused or refused; why)."""
    return {
        v.delivery_id: ("loaded" if v.status is Status.ACCEPTED else str(v.status), "; ".join(v.reasons) or None)
        for v in _verdicts(connection).values()
    }


@dataclass(frozen=True)
class _Waiting:
    """A delivery for the gate, and the one that its row counts are compared with."""

    landed: Landed
    compared: Landed | None


def _waiting(
    region: Region,
    known: Mapping[str, Verdict],
    ordered: Mapping[str, Sequence[Landed]],
    released: frozenset[str],
) -> list[_Waiting]:
    found: list[_Waiting] = []
    for deliveries in ordered.values():
        previous: Landed | None = None
        for landed in deliveries:
            verdict = known.get(landed.delivery_id)
            is_full = landed.regime == Regime.FULL and landed.refusal is None
            compared = previous if is_full else None
            if (
                verdict is None
                or verdict.limits != _limits(region, landed.source_id)
                or not _stands(verdict, landed, compared, released)
            ):
                found.append(_Waiting(landed, compared))
            is_good = verdict is None or verdict.status is Status.ACCEPTED or landed.delivery_id in released
            if is_full and is_good:
                previous = landed
    return found


def _limits(region: Region, source_id: str) -> str:
    """What a source's deliveries are measured by, as one value: a verdict by other limits is no longer good."""
    limits = region.source(source_id).limits
    return f"errors {limits.max_error_share}, rows {limits.max_row_change}"


def _stands(verdict: Verdict, landed: Landed, compared: Landed | None, released: frozenset[str]) -> bool:
    if verdict.connector_version != landed.connector_version or verdict.suites != suites_fingerprint():
        return False
    if verdict.status is Status.PAUSED and landed.delivery_id in released:
        return False
    return verdict.compared_with == (compared.delivery_id if compared else None)


def warm_up() -> None:
    """Start the process of the landing gate and have it import Great Expectations. Does not wait."""
    _CHECKS.start(_import_library)


def _import_library(_tell: Tell) -> None:
    from expectations.adapter import import_library

    import_library()


def _check_landing(
    _tell: Tell, kind: str, deliveries: Sequence[LandedDelivery], context: CheckContext
) -> LandingVerdict:
    from expectations.landing import check_landing

    return check_landing(kind, deliveries, context)


def _check(region: Region, waiting: Sequence[_Waiting], kind: str, released: frozenset[str]) -> LandingVerdict:
    context = CheckContext(released=released, survey_items=_survey_items(region, kind))
    verdict: LandingVerdict = _CHECKS.call(_check_landing, kind, [_for_gate(region, w) for w in waiting], context)
    return verdict


def _for_gate(region: Region, waiting: _Waiting) -> LandedDelivery:
    landed = waiting.landed
    folder = landing_path(region, landed.source_id, landed.delivery_id, landed.connector_version)
    limits = region.source(landed.source_id).limits
    return LandedDelivery(
        delivery_id=landed.delivery_id,
        source_id=landed.source_id,
        organisation_id=landed.organisation_id,
        path=None if landed.refusal else folder,
        stated_at=landed.stated_at,
        format_version=landed.format_version,
        regime=landed.regime,
        previous_row_counts=waiting.compared.rows if waiting.compared else None,
        limits=PauseLimits(limits.max_error_share, limits.max_row_change),
        refusal=landed.refusal,
    )


def _survey_items(region: Region, kind: str) -> list[SurveyItem]:
    if connectors()[kind].domain != "survey":
        return []
    return [
        SurveyItem(*row)
        for source in region.sources
        if source.kind == kind
        for row in survey_mapping_rows(source.id, source.mapping)[1]
    ]


def _remember(
    region: Region, connection: duckdb.DuckDBPyConnection, verdict: LandingVerdict, waiting: Sequence[_Waiting]
) -> None:
    for w in waiting:
        delivery_id = w.landed.delivery_id
        connection.execute("DELETE FROM ops.verdict WHERE delivery_id = ?", [delivery_id])
        connection.execute(
            "INSERT INTO ops.verdict VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                *(delivery_id, w.landed.source_id, verdict.kind, w.landed.connector_version, suites_fingerprint()),
                *(str(verdict.status[delivery_id]), json.dumps(verdict.reasons.get(delivery_id, []))),
                json.dumps(verdict.row_counts.get(delivery_id, {}), sort_keys=True),
                *(verdict.held_back.get(delivery_id, 0), w.compared.delivery_id if w.compared else None),
                _limits(region, w.landed.source_id),
            ],
        )


def _verdicts(connection: duckdb.DuckDBPyConnection) -> dict[str, Verdict]:
    rows = connection.execute(
        "SELECT delivery_id, connector_version, suites, status, reasons, row_counts, held_back_count, compared_with, "
        "limits FROM ops.verdict ORDER BY delivery_id"
    ).fetchall()
    return {
        row[0]: Verdict(row[0], row[1], row[2], Status(row[3]), tuple(json.loads(row[4])), json.loads(row[5]), *row[6:])
        for row in rows
    }


# Reports ------------------------------------------------------------------------------------------------------------


def _report(
    region: Region,
    vault: Vault,
    verdict: LandingVerdict,
    deliveries: Sequence[Landed],
    later: WarehouseVerdict | None = None,
    notes: Mapping[str, str] = {},
) -> None:
    """Write the senders' reports of some deliveries."""
    found = [verdict.quarantine, verdict.warnings, *([later.quarantine, later.warnings] if later else [])]
    write_sender_reports(
        region.reports_dir,
        verdict,
        [_for_gate(region, _Waiting(landed, None)) for landed in deliveries],
        names={landed.delivery_id: landed.name for landed in deliveries},
        organisations={o.id: o.name for o in region.model.organisations},
        values=vault.values_of(pa.concat_tables(found)),
        later_findings=pa.concat_tables([later.quarantine, later.warnings]) if later else None,
        notes=notes,
    )


def index_reports(
    region: Region, connection: duckdb.DuckDBPyConnection, ordered: Mapping[str, Sequence[Landed]]
) -> None:
    """Write for every organisation the page that lists its deliveries, newest first, and leads to their reports."""
    verdicts, notes = _verdicts(connection), _notes(connection)
    later = {delivery: numbers for delivery, *numbers in connection.execute(_COUNTS).fetchall()}
    newest_first = sorted(
        ((landed.stated_at or "", place, landed) for ds in ordered.values() for place, landed in enumerate(ds)),
        key=lambda item: (*item[:2], item[2].source_id),
        reverse=True,
    )
    lines: dict[str, list[IndexLine]] = {}
    for _, _, landed in newest_first:
        verdict = verdicts[landed.delivery_id]
        waiting, to_check = later.get(landed.delivery_id, (0, 0))
        note = notes.get(landed.delivery_id)
        lines.setdefault(landed.organisation_id, []).append(
            IndexLine(
                delivery_id=landed.delivery_id,
                name=landed.name,
                stated_at=landed.stated_at,
                status=verdict.status,
                reasons=(*verdict.reasons, *([note] if note else [])),
                held_back_count=verdict.held_back_count + waiting,
                to_check_count=to_check,
            )
        )
    names = {o.id: o.name for o in region.model.organisations}
    for organisation_id, listed in lines.items():
        write_index(region.reports_dir / organisation_id, names.get(organisation_id, organisation_id), listed)


_COUNTS = f"""
SELECT delivery_id,
       count(DISTINCT (table_name, file_name, row_number))
           FILTER (WHERE severity = 'record' AND stage = '{quality.WAREHOUSE}'),
       count(*) FILTER (WHERE severity = 'warning')
FROM ops.dq_finding WHERE stage = '{quality.LANDING}' OR status = 'open' GROUP BY delivery_id
"""
"""By delivery: rows that the gate of the loaded warehouse holds back, beside those of the landing gate, and values to
check, as the reports count them."""


def _notes(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """What is to be said of a delivery as a whole once everything is loaded."""
    return {lone.delivery_id: lone.sentence for lone in quality.lone_deltas(connection)}


def _stored_verdict(connection: duckdb.DuckDBPyConnection, kind: str, delivery_ids: Sequence[str]) -> LandingVerdict:
    """The landing verdict on some deliveries, as it was kept."""
    known = {d: v for d, v in _verdicts(connection).items() if d in delivery_ids}
    results = connection.execute(
        """SELECT check_id, kind, delivery_id, source_id, organisation_id, table_name, column_name, rule, severity,
                  dimension, outcome, checked_count, failed_count, failed_record_count, message, why, fix
           FROM ops.dq_result WHERE stage = ? AND list_contains(?, delivery_id) ORDER BY check_id, delivery_id""",
        [quality.LANDING, list(delivery_ids)],
    ).fetchall()
    names = {"table": "table_name", "file": "file_name", "line": "line_number", "column": "column_name"}
    columns = ", ".join(f"{names.get(name, name)} AS {quoted(name)}" for name in FINDING_SCHEMA.names)
    findings = (
        connection.execute(
            f"SELECT {columns} FROM ops.dq_finding WHERE stage = ? AND list_contains(?, delivery_id) ORDER BY ALL",
            [quality.LANDING, list(delivery_ids)],
        )
        .to_arrow_table()
        .cast(FINDING_SCHEMA)
    )
    return LandingVerdict(
        kind=kind,
        results=[_result(row) for row in results],
        quarantine=findings.filter(pc.equal(findings["severity"], "record")),
        warnings=findings.filter(pc.equal(findings["severity"], "warning")),
        status={d: v.status for d, v in known.items()},
        reasons={d: list(v.reasons) for d, v in known.items()},
        row_counts={d: dict(v.row_counts) for d, v in known.items()},
        held_back={d: v.held_back_count for d, v in known.items()},
    )


def _result(row: Sequence[Any]) -> CheckResult:
    names = [f.name for f in fields(CheckResult)]
    return CheckResult(**{**dict(zip(names, row, strict=True)), "outcome": Outcome(row[10])})


# The final gate -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BuiltVerdict:
    """What the final gate says of a warehouse that was loaded and built."""

    loaded: WarehouseVerdict
    published: Sequence[CheckResult]


def judge_built(warehouse: Path) -> BuiltVerdict:
    """Look for orphans and answers that attach to nobody, and at what is about to be published; only reads."""
    verdict: BuiltVerdict = _CHECKS.call(_judge_built, warehouse)
    return verdict


def _judge_built(_tell: Tell, warehouse: Path) -> BuiltVerdict:
    from expectations.warehouse import check_publish, check_warehouse

    with connect(warehouse, read_only=True) as connection:
        return BuiltVerdict(check_warehouse(connection), check_publish(connection))


def conclude(
    region: Region,
    connection: duckdb.DuckDBPyConnection,
    vault: Vault,
    ordered: Mapping[str, Sequence[Landed]],
    verdict: BuiltVerdict,
) -> list[CheckResult]:
    """Keep and report what the final gate said, and see that no landed row is unaccounted for. Returns all results."""
    # Those, too, of which nothing is found any more: their reports must say so.
    concerned = quality.deliveries_found_wanting(connection)
    quality.store_warehouse(connection, verdict.loaded)
    concerned |= quality.deliveries_found_wanting(connection)
    for kind in sorted({landed.kind for deliveries in ordered.values() for landed in deliveries}):
        mine = [d for ds in ordered.values() for d in ds if d.kind == kind and d.delivery_id in concerned]
        if mine:
            stored = _stored_verdict(connection, kind, [d.delivery_id for d in mine])
            _report(region, vault, stored, mine, verdict.loaded, _notes(connection))
    index_reports(region, connection, ordered)
    published = [*verdict.published, *_row_accounts(connection, ordered)]
    quality.store_publish(connection, published)
    return [*verdict.loaded.results, *published]


def note_concluded(connection: duckdb.DuckDBPyConnection, release_id: str) -> None:
    """Remember that what the final gate found of a release is kept in this warehouse."""
    connection.execute("DELETE FROM ops.concluded")
    connection.execute("INSERT INTO ops.concluded VALUES (?)", [release_id])


def is_concluded(connection: duckdb.DuckDBPyConnection, release_id: str) -> bool:
    """Whether what the final gate found of a release is kept here: not in a warehouse that was made anew since."""
    found = connection.execute("SELECT count(*) FROM ops.concluded WHERE release_id = ?", [release_id]).fetchone()
    return found is not None and found[0] > 0


def _row_accounts(connection: duckdb.DuckDBPyConnection, ordered: Mapping[str, Sequence[Landed]]) -> list[CheckResult]:
    """Rows in = rows current + superseded + quarantined + refused, for every delivery and table.

    Each term is counted where it lies: landed rows in the manifest, current and superseded ones in the raw tables (an
    unchanged row is superseded by the same text that is stored already), held ones in the findings.
    """
    state = statuses(connection)
    accounts = connection.execute(
        "SELECT source_id, delivery_id, table_name, quarantined_count, unchanged_count FROM ops.row_account"
    ).fetchall()
    noted = {(source, delivery, table): (held, same) for source, delivery, table, held, same in accounts}
    results = []
    for source_id, deliveries in ordered.items():
        stored = _stored_rows(connection, source_id, deliveries[0].kind) if deliveries else {}
        wrong: list[str] = []
        checked = 0
        for landed in deliveries:
            if state[landed.delivery_id][0] != "loaded":
                continue
            for table, landed_count in landed.rows.items():
                checked += 1
                held, same = noted.get((source_id, landed.delivery_id, table), (0, 0))
                found = stored.get((landed.delivery_id, table), 0)
                if landed_count != held + same + found:
                    wrong.append(
                        f"{landed.name}, {table}: {landed_count} landed, {found} stored, {same} unchanged, {held} held"
                    )
        results.append(_account_result(source_id, deliveries, checked, wrong))
    return results


def _account_result(source_id: str, deliveries: Sequence[Landed], checked: int, wrong: Sequence[str]) -> CheckResult:
    outcome = Outcome.FAIL if wrong else Outcome.PASS if checked else Outcome.NOT_APPLICABLE
    return CheckResult(
        check_id=f"{ACCOUNT_CHECK}.{source_id}",
        kind="warehouse",
        delivery_id="",
        source_id=source_id,
        organisation_id=deliveries[0].organisation_id if deliveries else "",
        table="raw",
        column=None,
        rule="row_account",
        severity="error",
        dimension="completeness",
        outcome=outcome,
        checked_count=checked,
        failed_count=len(wrong),
        failed_records=len(wrong),
        message="; ".join(wrong[:5]) or "every landed row is accounted for",
        why="A row that is nowhere was lost.",
        fix="Remove warehouse/ and run again; report it if it comes back.",
    )


def _stored_rows(connection: duckdb.DuckDBPyConnection, source_id: str, kind: str) -> dict[tuple[str, str], int]:
    """(delivery, table) → rows in the raw tables, whatever their status."""
    selects = " UNION ALL ".join(
        f"SELECT _delivery_id, '{name}' AS table_name, count(*) AS n FROM raw.{quoted(raw_name(kind, name))} "
        "WHERE _source_id = $source GROUP BY ALL"
        for name in connectors()[kind].tables
    )
    rows = connection.execute(selects, {"source": source_id}).fetchall()
    return {(delivery, table): count for delivery, table, count in rows}
