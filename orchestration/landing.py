"""The landing zone: one folder a delivery and connector version, complete or absent.

What belongs here: receiving what lies at a source's location, and writing a delivery's rows as Parquet with
provenance, its rejects and its manifest. What does not: reading formats (``sources``), judging rows
(``expectations``), and deciding which rows are current (``loader``).

Layout: ``landing/<source>/<delivery>/<connector version>/{<table>.parquet, _rejects.parquet, _manifest.json}``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.ledger import Ledger, Receipt
from orchestration.region import Region, SourceBlock
from orchestration.vault import Intake, Vault
from sources.connector import Batch, Connector, Reject, connectors
from sources.delivery import Delivery, Limits, open_delivery
from sources.errors import RefusedError
from sources.spec import IDENTITY_COLUMNS, DeliveryFacts, Regime, Table

MANIFEST = "_manifest.json"
_UNREADABLE = {True: (), False: ("unreadable",)}
REJECTS = "_rejects.parquet"

REJECTS_SCHEMA = pa.schema(
    [
        ("_delivery_id", pa.string()),
        ("table", pa.string()),
        ("file", pa.string()),
        ("row_number", pa.int64()),
        ("line", pa.int64()),
        ("column", pa.string()),
        ("rule", pa.string()),
        ("message", pa.string()),
        ("fix", pa.string()),
    ]
)


@dataclass(frozen=True)
class Refusal:
    """Why a delivery was refused as a whole."""

    rule: str
    message: str
    fix: str
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class Landed:
    """The manifest of a landed delivery; ``refusal`` is set where nothing of it can be used."""

    delivery_id: str
    content_id: str
    source_id: str
    organisation_id: str
    kind: str
    connector_version: str
    name: str
    """File or folder name as it arrived."""
    members: Mapping[str, str] = field(default_factory=dict)
    """Member name → sha256."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """Table → rows landed; rejected records are not among them."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Table → records that could not be read as rows."""
    format_version: str = ""
    stated_at: str | None = None
    regime: str = Regime.DELTA
    scope_values: tuple[str, ...] | None = None
    scope_from: str | None = None
    scope_to: str | None = None
    absent_tables: tuple[str, ...] = ()
    is_changes_only: bool = False
    details: Mapping[str, str] = field(default_factory=dict)
    refusal: Refusal | None = None

    @property
    def landed_count(self) -> int:
        """Records of the delivery: rows and rejects."""
        return sum(self.rows.values()) + sum(self.rejected.values())


def delivery_key(source_id: str, content_id: str) -> str:
    """Identity of a delivery within a region: the same content sent by two sources is two deliveries."""
    return hashlib.sha256(f"{source_id}|{content_id}".encode()).hexdigest()[:32]


def landing_path(region: Region, source_id: str, delivery_id: str, connector_version: str) -> Path:
    """Folder of a delivery as landed by a version of its connector."""
    return region.landing_dir / source_id / delivery_id / connector_version


def landing_version(source: SourceBlock) -> str:
    """What a delivery of this source is landed by: the connector's version and, where they are set, the mapping and the
    limits that may have refused it."""
    version = connectors()[source.kind].version
    settings = json.dumps(source.mapping, sort_keys=True, default=str) if source.mapping else ""
    if source.limits.of_delivery != Limits():
        settings += json.dumps(asdict(source.limits.of_delivery), sort_keys=True)
    return f"{version}-{hashlib.sha256(settings.encode()).hexdigest()[:8]}" if settings else version


def receive(region: Region, ledger: Ledger, source: SourceBlock) -> list[Receipt]:
    """Look at a source's location and record what is new there. Returns the new receipts, in order."""
    new: list[Receipt] = []
    for path in region.deliveries_of(source):
        shown = _shown(region, path)
        fingerprint = fingerprint_of(path)
        last = ledger.latest_at(source.id, shown)
        if last is not None and last.fingerprint == fingerprint:
            continue
        delivery_id = delivery_key(source.id, _content_id(path, source.limits.of_delivery))
        if last is not None and last.delivery_id == delivery_id:
            continue
        new.append(ledger.receive(source.id, shown, fingerprint, delivery_id))
    return new


def is_anything_new(region: Region, ledger: Ledger) -> bool:
    """Whether something lies at a source's location that was not there, or not like this, before. Reads no content."""
    for source in region.sources:
        for path in region.deliveries_of(source):
            last = ledger.latest_at(source.id, _shown(region, path))
            if last is None or last.fingerprint != fingerprint_of(path):
                return True
    return False


def land(region: Region, vault: Vault, source: SourceBlock, receipt: Receipt, path: Path) -> Landed:
    """Land the delivery that lies at ``path``, once: one that was landed so before is only read back."""
    connector = connectors()[source.kind]
    target = landing_path(region, source.id, receipt.delivery_id, landing_version(source))
    if (target / MANIFEST).exists():
        return read_manifest(target)
    for left in target.parent.glob(".*.part"):
        shutil.rmtree(left)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    partial.mkdir(parents=True)
    try:
        if _is_plain(path):
            vault.keep_original(receipt.delivery_id, path)
        landed = _write(partial, vault, source, connector, receipt, path)
        _write_manifest(partial, landed)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return landed


def read_manifest(folder: Path) -> Landed:
    """The manifest of a landed delivery."""
    data: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    if data["refusal"] is not None:
        data["refusal"] = Refusal(**data["refusal"])
    if data["scope_values"] is not None:
        data["scope_values"] = tuple(data["scope_values"])
    data["absent_tables"] = tuple(data["absent_tables"])
    return Landed(**data)


def _write(
    folder: Path, vault: Vault, source: SourceBlock, connector: Connector, receipt: Receipt, path: Path
) -> Landed:
    base: dict[str, Any] = {
        "delivery_id": receipt.delivery_id,
        "source_id": source.id,
        "organisation_id": source.organisation,
        "kind": connector.kind,
        "connector_version": landing_version(source),
        "name": path.name,
    }
    writer = LandingWriter(folder, connector.tables, receipt.delivery_id)
    members: Mapping[str, str] = {}
    content_id = ""
    facts: DeliveryFacts | None = None
    try:
        with open_delivery(path, source.limits.of_delivery) as delivery:
            content_id, members = delivery.delivery_id, dict(delivery.digests)
            facts = connector.inspect(delivery, source.mapping)
            with vault.intake(receipt.delivery_id) as intake:
                _read(delivery, connector, source, facts, intake, writer)
    except RefusedError as error:
        writer.discard()
        refusal = Refusal(error.rule, error.message, error.fix, error.file, error.line)
        rows = dict.fromkeys(connector.tables, 0)
        stated = _facts(facts) if facts else {}
        return Landed(**base, content_id=content_id, members=members, rows=rows, refusal=refusal, **stated)
    writer.close()
    return Landed(
        **base,
        content_id=content_id,
        members=members,
        rows=writer.rows,
        rejected=writer.rejected,
        **_facts(facts),
    )


def _facts(facts: DeliveryFacts) -> dict[str, Any]:
    return {
        "format_version": facts.format_version,
        "stated_at": facts.stated_at,
        "regime": str(facts.regime),
        "scope_values": facts.scope_values,
        "scope_from": facts.scope_from,
        "scope_to": facts.scope_to,
        "absent_tables": facts.absent_tables,
        "is_changes_only": facts.is_changes_only,
        "details": dict(facts.details),
    }


def _read(
    delivery: Delivery,
    connector: Connector,
    source: SourceBlock,
    facts: DeliveryFacts,
    intake: Intake,
    writer: LandingWriter,
) -> None:
    for item in connector.read(delivery, facts, source.mapping):
        if isinstance(item, Batch):
            writer.add(item.table, intake.protect(connector.tables[item.table], item.rows))
        else:
            intake.keep_rejected(item.table, item.file, item.row_number, item.raw)
            writer.reject(item)


class LandingWriter:
    """Writes one Parquet file a table, empty tables too, and the rejects."""

    def __init__(self, folder: Path, tables: Mapping[str, Table], delivery_id: str):
        self._folder, self._tables, self._delivery_id = folder, tables, delivery_id
        self._stack = ExitStack()
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._rejects: list[dict[str, Any]] = []
        self.rows = dict.fromkeys(tables, 0)
        self.rejected: dict[str, int] = {}

    def add(self, name: str, rows: pa.Table) -> None:
        """Append protected rows."""
        schema = landing_schema(self._tables[name])
        rows = rows.append_column("_delivery_id", pa.repeat(pa.scalar(self._delivery_id), rows.num_rows))
        self._writer(name).write_table(rows.select(schema.names).cast(schema))
        self.rows[name] += rows.num_rows

    def reject(self, reject: Reject) -> None:
        """Note a record that could not be read."""
        record = {name: value for name, value in asdict(reject).items() if name != "raw"}
        self._rejects.append({"_delivery_id": self._delivery_id, **record})
        self.rejected[reject.table] = self.rejected.get(reject.table, 0) + 1

    def close(self) -> None:
        """Write what is still to be written: empty tables and the rejects."""
        for name in self._tables:
            self._writer(name)
        self._stack.close()
        pq.write_table(pa.Table.from_pylist(self._rejects, REJECTS_SCHEMA), self._folder / REJECTS)

    def discard(self) -> None:
        """A refused delivery leaves no rows behind."""
        self._stack.close()
        for path in self._folder.glob("*.parquet"):
            path.unlink()

    def _writer(self, name: str) -> pq.ParquetWriter:
        if name not in self._writers:
            path = self._folder / f"{name}.parquet"
            writer = pq.ParquetWriter(path, landing_schema(self._tables[name]), compression="zstd")
            self._writers[name] = self._stack.enter_context(writer)
        return self._writers[name]


def landing_schema(table: Table) -> pa.Schema:
    """Arrow schema of a landing file."""
    identity = IDENTITY_COLUMNS if table.identity else ()
    return pa.schema(
        [
            *((name, pa.string()) for name in table.column_names),
            ("_extra", pa.map_(pa.string(), pa.string())),
            *((name, pa.string()) for name in identity),
            ("_delivery_id", pa.string()),
            ("_file", pa.string()),
            ("_row_number", pa.int64()),
            ("_line", pa.int64()),
            ("_row_hash", pa.string()),
        ]
    )


def _write_manifest(folder: Path, landed: Landed) -> None:
    path = folder / MANIFEST
    path.write_text(json.dumps(asdict(landed), indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _shown(region: Region, path: Path) -> str:
    return os.path.relpath(path, region.root).replace(os.sep, "/")


def fingerprint_of(path: Path) -> str:
    """Names, sizes and times of a file, or of all files of a folder: equal means that nothing was touched, and nothing
    that could not be read has become readable."""
    stats = [
        (p.relative_to(path).as_posix(), p.stat().st_size, p.stat().st_mtime_ns, *_UNREADABLE[os.access(p, os.R_OK)])
        for p in _regular_files(path)
    ]
    return hashlib.sha256(repr(stats).encode()).hexdigest()[:32]


def _content_id(path: Path, limits: Limits) -> str:
    """Identity of the content; a container that can't be opened is identified by its own bytes, links by their name
    alone: nothing is read that lies elsewhere."""
    try:
        with open_delivery(path, limits) as delivery:
            return delivery.delivery_id
    except RefusedError:
        digest = hashlib.sha256()
        for file in _regular_files(path):
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
            if os.access(file, os.R_OK):
                with file.open("rb") as content:
                    while block := content.read(1 << 20):
                        digest.update(block)
        return digest.hexdigest()[:32]


def _regular_files(path: Path) -> list[Path]:
    """A file, or the files of a folder, in order; links and pipes are left out."""
    inside = [path, *path.rglob("*")] if path.is_dir() and not path.is_symlink() else [path]
    return sorted(p for p in inside if not p.is_symlink() and p.is_file())


def _is_plain(path: Path) -> bool:
    """Whether a delivery is nothing but files and folders that can be read, so that its original can be kept."""
    inside = [path, *path.rglob("*")] if path.is_dir() and not path.is_symlink() else [path]
    return all(not p.is_symlink() and (p.is_file() or p.is_dir()) and os.access(p, os.R_OK) for p in inside)
