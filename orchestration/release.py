"""Releases: immutable folders with what BI and regional bodies may see, and the pins that they can be made from again.

What belongs here: pins, release ids, the files of a release, the frozen members beside it, and moving ``latest``. What
does not: what its pages show (``catalogue``), whether it may be published (the gate in ``pipeline``), and protecting
small numbers (``dbt_project``).

A release is built beside its place and renamed: it is complete or absent. The time of making is noted in
``releases/made.jsonl`` and is no part of what is hashed.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from orchestration.catalogue import About, write_catalogue
from orchestration.ledger import JsonLines
from orchestration.project import code_fingerprint, dbt_fingerprint, product_version, suites_fingerprint
from orchestration.region import Region
from orchestration.warehouse import connect, quoted, text_literal

LATEST = "latest"
MANIFEST = "manifest.json"
SERVED = "served.duckdb"
MEMBERS = "(FROM kpi.fct_kpi_member UNION ALL BY NAME FROM benchmark.fct_kpi_second_member)"
PEERS = "benchmark.bridge_peer_group"

QUALITY_QUERY = """
    SELECT organisation_id, source_id, check_id, rule, severity, dimension, outcome,
           count(*) AS delivery_count, sum(checked_count)::BIGINT AS checked_count,
           sum(failed_count)::BIGINT AS failed_count
    FROM ops.dq_result GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True)
class Pins:
    """Everything that the content of a release follows from."""

    as_of: date
    code: str
    dbt: str
    suites: str
    region: str
    """Fingerprint of the region file's content, comments and layout aside."""
    deliveries: tuple[tuple[str, str, str, str], ...]
    """(source, delivery, connector version, status) in order of application."""

    @property
    def release_id(self) -> str:
        """As-of date and a hash of the pins."""
        canonical = json.dumps(asdict(self), sort_keys=True, default=str)
        return f"{self.as_of.isoformat()}-{hashlib.sha256(canonical.encode()).hexdigest()[:12]}"


def pin(region: Region, as_of: date, deliveries: Iterable[tuple[str, str, str, str]]) -> Pins:
    """The pins of a release of this region now."""
    content = json.dumps(region.model.model_dump(mode="json"), sort_keys=True)
    return Pins(
        as_of=as_of,
        code=code_fingerprint(),
        dbt=dbt_fingerprint(),
        suites=suites_fingerprint(),
        region=hashlib.sha256(content.encode()).hexdigest(),
        deliveries=tuple(deliveries),
    )


def latest(region: Region) -> Path | None:
    """Folder of the latest release, or None before the first."""
    link = region.releases_dir / LATEST
    return link.resolve() if link.exists() else None


def is_latest(region: Region, as_of: date) -> bool:
    """Whether a release as of this date is to be the latest; one made for an earlier date is not."""
    current = latest(region)
    return current is None or date.fromisoformat(read_manifest(current)["as_of"]) <= as_of


def read_manifest(release: Path) -> dict[str, Any]:
    """The manifest of a release."""
    data: dict[str, Any] = json.loads((release / MANIFEST).read_text(encoding="utf-8"))
    return data


class Draft:
    """A release in the making: what follows from the models, before the gate has spoken; see :func:`draft`."""

    def __init__(self, region: Region, pins: Pins, dbt_manifest: Mapping[str, Any]):
        self.target = region.releases_dir / pins.release_id
        self._region, self._pins, self._models = region, pins, _published_models(dbt_manifest)
        self._members = region.members_dir / f".{pins.release_id}.{os.getpid()}.part"
        self._folder = region.releases_dir / f".{pins.release_id}.{os.getpid()}.part"
        self._tables: dict[str, Any] = {}

    def write(self, tell: Callable[..., None]) -> None:
        """Write tables and members, from a connection that only reads the warehouse."""
        with connect(self._region.warehouse_path, read_only=True) as connection:
            tell("freezing_members", release=self._pins.release_id)
            _freeze_members(self._members, connection)
            tell("releasing", release=self._pins.release_id)
            (self._folder / "parquet").mkdir(parents=True)
            # One thread and kept order: the same rows give the same bytes.
            connection.execute("SET threads = 1; SET preserve_insertion_order = true")
            self._tables = _write_tables(self._folder, connection, self._models)
            catalogue = connection.execute("SELECT * FROM pub.pub_kpi_catalogue ORDER BY ALL")
            _write_rows(self._folder / "kpi_catalogue.csv", catalogue)
        dictionary = _dictionary(self._folder, self._models)
        _write_csv(self._folder / "dictionary.csv", ["table", "column", "type", "description"], dictionary)
        tell("drawing_catalogue", release=self._pins.release_id)
        region, pins = self._region.model.region, self._pins
        write_catalogue(self._folder, SERVED, About(region.name, pins.release_id, pins.as_of.isoformat()))

    def publish(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Add what the gate said, and make it the release of its pins. The caller has passed the gate."""
        quality = self._folder / "quality"
        quality.mkdir()
        _write_rows(quality / "checks.csv", connection.execute(QUALITY_QUERY))
        outcomes = "SELECT outcome, count(*) FROM ops.dq_result GROUP BY outcome ORDER BY outcome"
        summary = dict(connection.execute(outcomes).fetchall())
        manifest = _manifest(self._region, self._pins, summary, self._tables, self._folder)
        text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        (self._folder / MANIFEST).write_text(text, encoding="utf-8")
        for partial, target in (
            (self._members, self._region.members_dir / self._pins.release_id),
            (self._folder, self.target),
        ):
            shutil.rmtree(target, ignore_errors=True)
            partial.rename(target)
        log = JsonLines(self._region.releases_dir / "made.jsonl")
        log.append({"release_id": self._pins.release_id, "made_at": datetime.now(UTC).isoformat(timespec="seconds")})

    def discard(self) -> None:
        """Remove what was written and not published."""
        for folder in (self._members, self._folder):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def draft(region: Region, pins: Pins, dbt_manifest: Mapping[str, Any]) -> Iterator[Draft]:
    """A draft of the release of these pins; gone at the end unless it was published."""
    for folder in (region.releases_dir, region.members_dir):
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
    region.members_dir.chmod(0o700)
    made = Draft(region, pins, dbt_manifest)
    try:
        yield made
    finally:
        made.discard()


def _sweep(folder: Path) -> None:
    """Remove what killed runs left half made; the region is held, so nobody is at work on it."""
    for left in folder.glob(".*.part"):
        shutil.rmtree(left)


def point_latest(region: Region, target: Path) -> None:
    """Move ``latest`` to a release, at once for whoever reads."""
    link = region.releases_dir / LATEST
    if link.is_symlink() and link.resolve() == target.resolve():
        return
    fresh = region.releases_dir / f".{LATEST}.{os.getpid()}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target.name)
    fresh.replace(link)


def _manifest(
    region: Region, pins: Pins, quality: Mapping[str, int], tables: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    return {
        "release_id": pins.release_id,
        "status": "internal",
        "status_reason": "small counts are protected cell by cell; complementary suppression is not applied yet",
        "region": {"id": region.id, "name": region.model.region.name},
        "as_of": pins.as_of.isoformat(),
        "generator": {"name": "trigpoint", "version": product_version()},
        "disclosure_profile": region.model.disclosure.profile,
        "pins": {
            **{name: value for name, value in asdict(pins).items() if name not in ("as_of", "deliveries")},
            "deliveries": [
                dict(zip(("source_id", "delivery_id", "connector_version", "status"), d, strict=True))
                for d in pins.deliveries
            ],
        },
        "quality": dict(quality),
        "tables": dict(tables),
        "files": _files(folder),
    }


def _published_models(dbt_manifest: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    nodes = dbt_manifest["nodes"].values()
    found = {n["alias"]: n for n in nodes if n["resource_type"] == "model" and n["schema"] == "pub"}
    return dict(sorted(found.items()))


def _write_tables(
    folder: Path, connection: duckdb.DuckDBPyConnection, models: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    served = folder / SERVED
    connection.execute(f"ATTACH {text_literal(served.as_posix())} AS served (READ_WRITE)")
    tables: dict[str, Any] = {}
    try:
        connection.execute("CREATE SCHEMA served.pub")
        for name, model in models.items():
            table = f"served.pub.{quoted(name)}"
            connection.execute(f"CREATE TABLE {table} AS SELECT * FROM pub.{quoted(name)} ORDER BY ALL")
            _comment(connection, table, model)
            path = folder / "parquet" / f"{name}.parquet"
            connection.execute(
                f"COPY (SELECT * FROM {table} ORDER BY ALL) TO {text_literal(path.as_posix())} "
                "(FORMAT parquet, COMPRESSION zstd)"
            )
            tables[name] = _control_totals(connection, table)
    finally:
        connection.execute("DETACH served")
    return tables


def _comment(connection: duckdb.DuckDBPyConnection, table: str, model: Mapping[str, Any]) -> None:
    connection.execute(f"COMMENT ON TABLE {table} IS {text_literal(model['description'].strip())}")
    for column, facts in model["columns"].items():
        comment = text_literal(facts["description"].strip())
        connection.execute(f"COMMENT ON COLUMN {table}.{quoted(column)} IS {comment}")


def _control_totals(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, Any]:
    """Rows, content hash and the exact sums of whole-number and decimal columns, for a recipient to check what
    arrived."""
    described = connection.execute(f"DESCRIBE {table}").fetchall()
    rows = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    values = ", ".join(f"coalesce({quoted(name)}::VARCHAR, chr(30))" for name, *_ in described)
    content = connection.execute(
        f"SELECT md5(coalesce(string_agg(h, '' ORDER BY h), '')) "
        f"FROM (SELECT md5(concat_ws(chr(31), {values})) AS h FROM {table})"
    ).fetchone()
    exact = [name for name, kind, *_ in described if kind in ("INTEGER", "BIGINT") or kind.startswith("DECIMAL")]
    sums: dict[str, int | str] = {}
    if exact:
        selected = ", ".join(f"coalesce(sum({quoted(name)}), 0)" for name in exact)
        totals = connection.execute(f"SELECT {selected} FROM {table}").fetchone() or ()
        # Decimals as text: a JSON number would be read back as a float.
        shown = [str(total) if isinstance(total, Decimal) else total for total in totals]
        sums = dict(zip(exact, shown, strict=True))
    return {"rows": rows[0] if rows else 0, "content_md5": content[0] if content else "", "sums": sums}


def _dictionary(folder: Path, models: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, str, str]]:
    rows: list[tuple[str, str, str, str]] = []
    with duckdb.connect(str(folder / SERVED), read_only=True) as served:
        types = {
            (table, column): kind
            for table, column, kind in served.execute(
                "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'pub'"
            ).fetchall()
        }
    for name, model in models.items():
        rows.append((name, "", "table", model["description"].strip()))
        for column, facts in model["columns"].items():
            rows.append((name, column, types.get((name, column), ""), facts["description"].strip()))
    return rows


def _files(folder: Path) -> list[dict[str, Any]]:
    """Every file whose bytes follow from the pins; ``served.duckdb`` is held by the content hashes of its tables."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != SERVED):
        content = path.read_bytes()
        record: dict[str, Any] = {
            "name": path.relative_to(folder).as_posix(),
            "rows": _row_count(path),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        found.append(record)
    return found


def _row_count(path: Path) -> int:
    """Records of a data file, the header of a CSV file aside."""
    if path.suffix == ".parquet":
        return int(pq.read_metadata(path).num_rows)
    with path.open(encoding="utf-8", newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def _freeze_members(folder: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Keep who was counted and who was whose peer, restricted and beside the releases, to explain a figure later."""
    folder.mkdir(parents=True, mode=0o700)
    for (kpi_id,) in connection.execute(f"SELECT DISTINCT kpi_id FROM {MEMBERS} ORDER BY kpi_id").fetchall():
        path = folder / f"{kpi_id}.parquet"
        connection.execute(
            f"COPY (SELECT * FROM {MEMBERS} WHERE kpi_id = ? ORDER BY ALL) TO {text_literal(path.as_posix())} "
            "(FORMAT parquet, COMPRESSION zstd)",
            [kpi_id],
        )
        path.chmod(0o600)
    path = folder / "peer_group.parquet"
    connection.execute(
        f"COPY (SELECT * FROM {PEERS} ORDER BY ALL) TO '{path.as_posix()}' (FORMAT parquet, COMPRESSION zstd)"
    )
    path.chmod(0o600)


def _write_rows(path: Path, rows: duckdb.DuckDBPyConnection) -> None:
    _write_csv(path, [name for name, *_ in rows.description or ()], rows.fetchall())


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """RFC 4180 with LF, UTF-8; texts that a spreadsheet would run as a formula are quoted off with an apostrophe."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow([_guarded(value) for value in row])


def _guarded(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value
