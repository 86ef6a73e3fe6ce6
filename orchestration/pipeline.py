"""The stages of the main job, each a function of what lies on disk.

What belongs here: receive and land, gate and load, build, gate and publish, in terms of a region; each stage can be
killed anywhere and run again, because what it leaves behind is either complete or not there. What does not: Dagster
(``assets``), formats, rules and models.

The stages hand nothing to each other in memory. A lock keeps two processes from being in a stage at the same time.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import duckdb

from expectations.results import CheckResult
from orchestration import changes, gate, release
from orchestration.ages import refresh_ages
from orchestration.changes import Changes
from orchestration.context import as_of_date, write_deliveries, write_region
from orchestration.dbt_process import NodeResult
from orchestration.hold import BusyError, held
from orchestration.landing import (
    MANIFEST,
    Landed,
    is_anything_new,
    land,
    landing_path,
    landing_version,
    read_manifest,
    receive,
)
from orchestration.ledger import Ledger, Receipt
from orchestration.loader import Accepted, apply_sources
from orchestration.progress import Progress
from orchestration.project import code_fingerprint
from orchestration.quality import follow_findings, held_rows
from orchestration.region import Region, SourceBlock
from orchestration.transform import build, ensure_warehouse, manifest, warm_up
from orchestration.vault import Vault
from orchestration.warehouse import connect, ensure_tables


class GateError(Exception):
    """The final gate does not let this state be published; ``latest`` stays where it is."""

    def __init__(self, failed: Sequence[CheckResult]):
        lines = [f"{result.check_id}: {result.message}" for result in failed]
        super().__init__("the final gate refuses publication:\n" + "\n".join(lines))
        self.failed = list(failed)


class NothingLoadedError(Exception):
    """There is nothing to build from; the message says what became of the deliveries."""

    def __init__(self, statuses: Mapping[str, int]):
        if statuses:
            said = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
            super().__init__(
                f"no delivery could be loaded ({said}); `trigpoint quarantine list` and the pages in reports/ say why"
            )
        else:
            super().__init__("nothing was delivered yet; `trigpoint check` says where deliveries are looked for")


_SIDE_BY_SIDE = min(4, os.cpu_count() or 1)
"""Deliveries that are landed at the same time."""


@dataclass(frozen=True)
class Loaded:
    """What gating and loading the sources of one kind came to."""

    results: Sequence[CheckResult] = ()
    """Results of the deliveries that were checked now."""
    applied: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Source → deliveries applied now."""


@dataclass(frozen=True)
class _BuildState:
    """How the built models stand to what they depend on."""

    changes: Changes
    """Of the tables that models read."""
    same_code: bool
    """The facts of persons that did not change still hold."""
    same_static_code: bool
    """Seeds and views are those of this code."""

    @property
    def is_current(self) -> bool:
        """There is nothing to build."""
        return self.same_code and not self.changes.changed


@dataclass(frozen=True)
class Published:
    """What publishing came to."""

    folder: Path
    is_new: bool
    results: Sequence[CheckResult]


class Pipeline:
    """The stages for one region."""

    def __init__(self, region: Region, progress: Progress, *, as_of: date | None = None):
        self.region = region
        self.progress = progress
        self.as_of = as_of
        self.published_now = False
        """Whether :meth:`publish` made a release that was not there before."""
        self._is_warm = False
        self._landed: dict[str, int] = {}
        """Source → deliveries landed now, of sources that were looked at in this run."""
        self._ahead = gate.Ahead()

    @cached_property
    def vault(self) -> Vault:
        return Vault.at(self.region.vault_dir)

    def close(self) -> None:
        """Let go of the vault; the next stage that needs it opens it again."""
        self._ahead.close()
        if "vault" in self.__dict__:
            self.vault.close()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the region for a stage. Raises :class:`BusyError` if another process has it."""
        with held(self.region):
            yield

    @contextmanager
    def _warehouse(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The build database, with every table that the code knows."""
        ensure_warehouse(self.region)
        with connect(self.region.warehouse_path) as connection:
            ensure_tables(connection)
            gate.ensure_tables(connection)
            yield connection

    def look(self) -> None:
        """Look at the drop folders: if something is new, start at once what the later stages need."""
        if is_anything_new(self.region, Ledger(self.region.state_dir)):
            self.warm_up()

    def warm_up(self) -> None:
        """Start the processes that the later stages need, beside what comes first. Does not wait."""
        if not self._is_warm:
            gate.warm_up()
            warm_up(self.region)
            self._is_warm = True

    # Receive and land ---------------------------------------------------------------------------------------------

    def land(self, source_id: str) -> list[Landed]:
        """Receive what is new at a source's location and land it. Returns the deliveries landed now."""
        source = self.region.source(source_id)
        with self.locked(), self.progress.stage("land", source=source_id) as outcome:
            ledger = Ledger(self.region.state_dir)
            receive(self.region, ledger, source)
            version = landing_version(source)
            waiting = [
                receipt
                for receipt in _latest_receipts(ledger, source_id)
                if not (landing_path(self.region, source_id, receipt.delivery_id, version) / MANIFEST).exists()
            ]
            if waiting:
                self.warm_up()
            with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
                landed = list(pool.map(partial(self._land, source), waiting))
            outcome.update(deliveries=len(landed), rows=sum(d.landed_count for d in landed))
            self._landed[source_id] = len(landed)
            self._judge_ahead(source.kind)
        return landed

    def _judge_ahead(self, kind: str) -> None:
        """Begin to judge the deliveries of a kind, if all its sources have landed in this run, and something has."""
        sources = [source for source in self.region.sources if source.kind == kind]
        if sum(self._landed.get(source.id, 0) for source in sources) and all(s.id in self._landed for s in sources):
            released = Ledger(self.region.state_dir).released
            self._ahead.begin(self.region, kind, {s.id: self.deliveries(s) for s in sources}, released)

    def _land(self, source: SourceBlock, receipt: Receipt) -> Landed:
        self.progress.event("landing", source=source.id, delivery=receipt.delivery_id)
        with _as_received(self.region, self.vault, receipt) as path:
            return land(self.region, self.vault, source, receipt, path)

    def deliveries(self, source: SourceBlock) -> list[Landed]:
        """A source's landed deliveries in order: by stated export time, then by their last receipt."""
        ledger = Ledger(self.region.state_dir)
        version = landing_version(source)
        found = []
        for receipt in _latest_receipts(ledger, source.id):
            folder = landing_path(self.region, source.id, receipt.delivery_id, version)
            if (folder / MANIFEST).exists():
                landed = read_manifest(folder)
                found.append(((landed.stated_at or "", receipt.sequence), landed))
        return [landed for _, landed in sorted(found, key=lambda item: item[0])]

    # Gate and load ------------------------------------------------------------------------------------------------

    def load(self, kind: str) -> Loaded:
        """Check the new deliveries of a kind and apply what passed. Returns what was done."""
        sources = [source for source in self.region.sources if source.kind == kind]
        with self.locked(), self.progress.stage("load", kind=kind) as outcome:
            ordered = {source.id: self.deliveries(source) for source in sources}
            with self._warehouse() as connection:
                released = Ledger(self.region.state_dir).released
                results = gate.check_new(self.region, connection, self.vault, kind, ordered, released, self._ahead)
                self.progress.event("gated", kind=kind, results=len(results))
                accepted = {source.id: self._accepted(connection, source, ordered[source.id]) for source in sources}
                applied = {}
                for source_id, done in apply_sources(connection, kind, accepted, self._tell_applying):
                    if done.deliveries or done.replayed:
                        self.progress.event("applied", source=source_id, deliveries=len(done.deliveries))
                        applied[source_id] = done.deliveries
                refresh_ages(connection, self.vault, kind)
            outcome.update(applied=sum(len(d) for d in applied.values()))
        return Loaded(results, applied)

    def _tell_applying(self, landed: Landed) -> None:
        self.progress.event("applying", source=landed.source_id, delivery=landed.delivery_id)

    def _accepted(
        self, connection: duckdb.DuckDBPyConnection, source: SourceBlock, ordered: Sequence[Landed]
    ) -> list[Accepted]:
        status = gate.statuses(connection)
        version = landing_version(source)
        return [
            Accepted(
                landed,
                landing_path(self.region, source.id, landed.delivery_id, version),
                held_rows(connection, landed.delivery_id),
            )
            for landed in ordered
            if status[landed.delivery_id][0] == "loaded"
        ]

    # Build --------------------------------------------------------------------------------------------------------

    def build(self) -> list[NodeResult] | None:
        """Build the models if anything they depend on changed. Returns the nodes, or None if nothing did."""
        with self.locked(), self.progress.stage("build") as outcome:
            self.write_context()
            built_from = manifest(self.region)
            state = self._build_state(built_from)
            if state.is_current:
                outcome.update(nodes=0)
                return None
            self._note_building(state)
            nodes = build(
                self.region,
                only=state.changes.concern(built_from) if state.same_code else None,
                static=not state.same_static_code,
                on_node=lambda node, status: self.progress.event("node", node=node, status=status),
            )
            dirty = self._note_built(state)
            outcome.update(nodes=len(nodes), full_refresh=not state.same_code, dirty_persons=dirty)
            return nodes

    def write_context(self) -> date:
        """Tell the models what the region, its deliveries, defects that are open and the as-of date are. Returns the
        as-of date."""
        ordered = {source.id: self.deliveries(source) for source in self.region.sources}
        with self._warehouse() as connection:
            status = gate.statuses(connection)
            loaded = [d for ds in ordered.values() for d in ds if status[d.delivery_id][0] == "loaded"]
            if not loaded:
                write_deliveries(connection, ordered, status)
                gate.index_reports(self.region, connection, ordered)
                raise NothingLoadedError(Counter(verdict for verdict, _ in status.values()))
            as_of = as_of_date((d.stated_at for d in loaded), self.as_of)
            write_region(connection, self.region, as_of)
            write_deliveries(connection, ordered, status)
            gate.index_reports(self.region, connection, ordered)
            follow_findings(connection)
        return as_of

    def _build_state(self, built_from: Mapping[str, Any]) -> _BuildState:
        with connect(self.region.warehouse_path, read_only=True) as connection:
            code = connection.execute("SELECT built_code, static_code FROM ops.run_context").fetchone()
            found = changes.find(connection, built_from)
        built_code, static_code = code or (None, None)
        return _BuildState(found, built_code == self._code(), static_code == code_fingerprint())

    def _note_building(self, state: _BuildState) -> None:
        with connect(self.region.warehouse_path) as connection:
            changes.forget(connection, state.changes)

    def _code(self) -> str:
        """Identity of what facts of all persons depend on: the code, who is who in the region file, and value sets."""
        model = self.region.model.model_dump(mode="json", include={"region", "organisations", "sources"})
        content = json.dumps(
            [model, self.region.value_sets] if self.region.value_sets else model, sort_keys=True, default=str
        )
        return hashlib.sha256(f"{code_fingerprint()}|{content}".encode()).hexdigest()

    def _note_built(self, state: _BuildState) -> int:
        """Remember what was built, and from what. Returns how many persons were built again."""
        with connect(self.region.warehouse_path) as connection:
            dirty = connection.execute("SELECT count(DISTINCT source_person_key) FROM core.dirty_person").fetchone()
            connection.execute("BEGIN")
            connection.execute(
                "UPDATE ops.run_context SET last_built_seq = load_seq, built_code = ?, static_code = ?",
                [self._code(), code_fingerprint()],
            )
            changes.remember(connection, state.changes)
            connection.execute("DELETE FROM core.dirty_person")
            connection.execute("COMMIT")
        return int(dirty[0]) if dirty else 0

    # Gate and publish ---------------------------------------------------------------------------------------------

    def publish(self) -> Published:
        """Let the final gate look at the warehouse itself, then make the release and move ``latest``.

        Raises :class:`GateError` if the gate refuses; then nothing is published.
        """
        with self.locked(), self.progress.stage("publish") as outcome:
            if not self._build_state(manifest(self.region)).is_current:
                raise BusyError("the warehouse changed since it was built; run again")
            pins = self.pins()
            done = self.region.releases_dir / pins.release_id
            stays = release.latest(self.region) == done.resolve() or not release.is_latest(self.region, pins.as_of)
            # In a warehouse that was made anew, the gate has yet to find again what it found when the release was made.
            with self._warehouse() as connection:
                is_known = gate.is_concluded(connection, pins.release_id)
            if (done / release.MANIFEST).exists() and stays and is_known:
                outcome.update(release=pins.release_id, is_new=False)
                return Published(done, False, ())
            folder, is_new, results = self._publish(pins)
            self.published_now = is_new
            outcome.update(release=pins.release_id, is_new=is_new)
            return Published(folder, is_new, results)

    def _publish(self, pins: release.Pins) -> tuple[Path, bool, list[CheckResult]]:
        path, tell = self.region.warehouse_path, self.progress.event
        ordered = {source.id: self.deliveries(source) for source in self.region.sources}
        with release.draft(self.region, pins, manifest(self.region)) as draft:
            is_new = not (draft.target / release.MANIFEST).exists()
            # Side by side: both only read the warehouse.
            with ThreadPoolExecutor(1) as pool:
                judging = pool.submit(gate.judge_built, path)
                if is_new:
                    draft.write(tell)
                verdict = judging.result()
            with connect(path) as connection:
                results = gate.conclude(self.region, connection, self.vault, ordered, verdict)
                failed = [r for r in results if r.severity == "error" and r.outcome in ("fail", "error")]
                tell("final_gate", results=len(results), failed=len(failed))
                if failed:
                    raise GateError(failed)
                gate.note_concluded(connection, pins.release_id)
                if is_new:
                    draft.publish(connection)
            if release.is_latest(self.region, pins.as_of):
                release.point_latest(self.region, draft.target)
            return draft.target, is_new, results

    def pins(self) -> release.Pins:
        """The pins of the warehouse as it is built now."""
        with connect(self.region.warehouse_path, read_only=True) as connection:
            as_of = connection.execute("SELECT as_of FROM ops.run_context").fetchone()
            deliveries = connection.execute(
                "SELECT source_id, delivery_id, connector_version, status FROM ops.delivery "
                "ORDER BY source_id, received_order"
            ).fetchall()
        if as_of is None:
            raise BusyError("the warehouse has not been built")
        return release.pin(self.region, as_of[0], deliveries)


def _latest_receipts(ledger: Ledger, source_id: str) -> list[Any]:
    """The last receipt of each of a source's deliveries, in order of receipt."""
    latest = {r.delivery_id: r for r in ledger.receipts if r.source_id == source_id}
    return sorted(latest.values(), key=lambda r: r.sequence)


@contextmanager
def _as_received(region: Region, vault: Vault, receipt: Any) -> Iterator[Path]:
    """The delivery where it was received or, if it is gone from there, from the vault's original."""
    # Where the file lies, not where it leads to: a link in a drop folder is refused, not followed.
    path = region.root / receipt.path
    kept = vault.directory / "originals" / f"{receipt.delivery_id}.tar.enc"
    if not kept.exists():
        yield path
        return
    with tempfile.TemporaryDirectory(dir=vault.directory) as scratch:
        packed = Path(scratch) / "original.tar"
        with packed.open("wb") as file:
            for chunk in vault.open_original(receipt.delivery_id):
                file.write(chunk)
        with tarfile.open(packed) as archive:
            archive.extractall(scratch, filter="data")
        packed.unlink()
        yield Path(scratch) / path.name
