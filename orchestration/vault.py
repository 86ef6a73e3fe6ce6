"""The vault: the one place where personal identifiers, free text and the original bytes of deliveries lie.

What belongs here: its key, the encrypted database and the encrypted originals, the masking of landing rows, and what
may leave the vault: keyed tokens, validity flags, birth months, ages on a date, and single values for the report that
goes back to the sender who sent them. What does not: matching people (``dbt_project``) and reading deliveries.

Nothing that leaves the vault can be turned back without the key, and no published number depends on the key.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import struct
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from orchestration.extensions import load_extension
from orchestration.warehouse import text_literal
from sources.identifiers import birth_dates, name_keys, national_ids, postcode_keys
from sources.spec import MASK, Role, Table

KEY_VARIABLE = "TRIGPOINT_VAULT_KEY"
LOCAL_KEY = "local.key"
"""File of the key that is made on first use where none is stated."""
BIRTH_DATE = "_birth_date"
"""Vault-only column: the birth date as an ISO date, for exact ages."""

_CHUNK = 1 << 20
_FLUSH_ROWS = 100_000
_MEMORY_LIMIT = "512MB"
"""Taking in writes rows through to the file; what it reads back, reports of single deliveries, is little."""
_DDL = """
CREATE TABLE IF NOT EXISTS vault.identifier (
    delivery_id VARCHAR, table_name VARCHAR, file VARCHAR, row_number BIGINT, column_name VARCHAR, value VARCHAR
);
CREATE TABLE IF NOT EXISTS vault.rejected_record (
    delivery_id VARCHAR, table_name VARCHAR, file VARCHAR, row_number BIGINT, record BLOB
);
"""


class VaultError(Exception):
    """The vault can't be opened or used; the message says what to do."""


class Vault:
    """An open vault of one region. Only one process at a time may hold it."""

    def __init__(self, directory: Path, key: bytes):
        self.directory = directory
        self._key = key
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._opening = threading.Lock()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    @classmethod
    def at(cls, directory: Path) -> Vault:
        """Open with the key of ``TRIGPOINT_VAULT_KEY``, or of a key file made on first use (for one machine only)."""
        return cls(directory, _key(directory))

    def _derived(self, purpose: str) -> bytes:
        return hmac.digest(self._key, purpose.encode(), "sha256")

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """An in-memory connection with the vault attached as ``vault``; kept open until :meth:`close`."""
        with self._opening:
            if self._connection is None:
                connection = duckdb.connect()
                try:
                    # Deliveries are taken in side by side, in small batches.
                    connection.execute("SET threads = 1")
                    connection.execute(f"SET memory_limit = '{_MEMORY_LIMIT}'")
                    self.attach(connection)
                    connection.execute(_DDL)
                except BaseException:
                    connection.close()
                    raise
                self._connection = connection
            return self._connection

    def close(self) -> None:
        """Let go of the database file; the next use opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def attach(self, connection: duckdb.DuckDBPyConnection, *, read_only: bool = False) -> None:
        """Attach the vault as ``vault`` to a connection. Raises :class:`VaultError` if the key does not fit.

        The vault's own connection is closed first: a process may open a database file only once.
        """
        self.close()
        load_extension(connection, "httpfs")
        connection.execute("SET enable_progress_bar = false")
        path = text_literal((self.directory / "vault.duckdb").as_posix())
        mode = ", READ_ONLY" if read_only else ""
        try:
            connection.execute(f"ATTACH {path} AS vault (ENCRYPTION_KEY '{self._derived('database').hex()}'{mode})")
        except duckdb.Error:
            # The engine's message would repeat the statement and so the key.
            raise VaultError(
                f"the vault {self.directory.name}/vault.duckdb can't be opened: another process holds it, or "
                f"{KEY_VARIABLE} is not the key it was made with"
            ) from None

    # What goes in -------------------------------------------------------------------------------------------------

    @contextmanager
    def intake(self, delivery_id: str) -> Iterator[Intake]:
        """Take in one delivery's identifiers, all or nothing; taking it in again replaces what was there.

        Several deliveries may be taken in at the same time: each has a cursor, and so a transaction, of its own.
        """
        connection = self.connection.cursor()
        connection.execute("BEGIN")
        try:
            for table in ("identifier", "rejected_record"):
                connection.execute(f"DELETE FROM vault.{table} WHERE delivery_id = ?", [delivery_id])
            intake = Intake(self, connection, delivery_id)
            yield intake
            intake.flush()
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        finally:
            connection.close()

    def keep_original(self, delivery_id: str, path: Path) -> None:
        """Keep the bytes of a delivery, encrypted, as a tar of the file or folder as it arrived."""
        target = self.directory / "originals" / f"{delivery_id}.tar.enc"
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = target.with_suffix(f".{os.getpid()}.part")
        with partial.open("wb") as file:
            sealed = _SealedWriter(file, self._derived("originals"))
            with tarfile.open(fileobj=sealed, mode="w|") as archive:  # type: ignore[call-overload]
                archive.add(path, arcname=path.name)
            sealed.finish()
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)

    def open_original(self, delivery_id: str) -> Iterator[bytes]:
        """The kept tar of a delivery, in chunks. Raises :class:`VaultError` if it was altered or is absent."""
        path = self.directory / "originals" / f"{delivery_id}.tar.enc"
        if not path.exists():
            raise VaultError(f"no original of delivery {delivery_id} in the vault")
        with path.open("rb") as file:
            yield from _unseal(file, self._derived("originals"))

    # What may leave -----------------------------------------------------------------------------------------------

    def token(self, purpose: str, value: str) -> str:
        """Keyed token of a normalised value: equal values have equal tokens, and only the key leads back."""
        return hmac.digest(self._derived(f"token:{purpose}"), value.encode(), "sha256").hex()[:32]

    def tokens(self, purpose: str, values: pa.Array) -> pa.Array:
        """Tokens of a string array; NULL stays NULL. Each distinct value is keyed once."""
        encoded = pc.dictionary_encode(values)
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        key = self._derived(f"token:{purpose}")
        digests = [hmac.digest(key, value.encode(), "sha256").hex()[:32] for value in encoded.dictionary.to_pylist()]
        return pc.take(pa.array(digests, pa.string()), encoded.indices)

    def values_of(self, findings: pa.Table) -> Callable[[str, str, str, int, str], str | None]:
        """Values of the rows that findings are about, for the reports to the senders who sent them.

        ``findings`` has columns delivery_id, table, file, row_number. The returned function takes delivery, table,
        file, row number and column; it gives None for what the vault does not hold.
        """
        connection = self.connection
        places = findings.select(["delivery_id", "table", "file", "row_number"])
        connection.register("places", places)
        rows = connection.execute(
            "SELECT delivery_id, table_name, file, row_number, column_name, value FROM vault.identifier AS i SEMI JOIN "
            'places AS p ON p.delivery_id = i.delivery_id AND p."table" = i.table_name AND p.file = i.file '
            "AND p.row_number = i.row_number"
        ).fetchall()
        connection.unregister("places")
        found = {row[:5]: row[5] for row in rows}
        return lambda delivery, table, file, row_number, column: found.get((delivery, table, file, row_number, column))


class Intake:
    """Takes in the rows of one delivery; made by :meth:`Vault.intake`."""

    def __init__(self, vault: Vault, connection: duckdb.DuckDBPyConnection, delivery_id: str):
        self._vault = vault
        self._connection = connection
        self._delivery_id = delivery_id
        self._buffer: list[pa.Table] = []
        self._buffered = 0

    def protect(self, table: Table, rows: pa.Table) -> pa.Table:
        """Send identifiers and free text to the vault; give back the rows as landing may hold them.

        ``rows`` as in :class:`sources.connector.Batch`. The result has masked columns in place, the identity columns
        if the table has an identity, and ``_row_hash`` over the spec columns that are not volatile (identifiers enter
        it as keyed tokens).
        """
        masked = [column.name for column in table.masked]
        identity: dict[str, pa.Array] = {}
        if table.identity is not None:
            identity = self._identity(table, rows)
            self._keep(table, rows, [BIRTH_DATE], {BIRTH_DATE: identity.pop(BIRTH_DATE)})
        if masked:
            self._keep(table, rows, masked, {name: rows[name] for name in masked})
        plain = [c.name for c in table.columns if c.name not in masked and not c.volatile]
        content = rows.select([*plain, "_extra"])
        secret = self._vault.tokens("row", _joined([rows[name] for name in masked])) if masked else None
        hashes = self._row_hashes(content, secret)
        for name in masked:
            present = pc.is_valid(rows[name])
            cover = pc.if_else(present, pa.scalar(MASK), pa.scalar(None, pa.string()))
            rows = rows.set_column(rows.schema.get_field_index(name), name, cover)
        for name, values in identity.items():
            rows = rows.append_column(name, values)
        return rows.append_column("_row_hash", hashes)

    def keep_rejected(self, table: str, file: str, row_number: int, record: bytes) -> None:
        """Keep the bytes of a record that could not be read."""
        self._connection.execute(
            "INSERT INTO vault.rejected_record VALUES (?, ?, ?, ?, ?)",
            [self._delivery_id, table, file, row_number, record],
        )

    def _keep(self, table: Table, rows: pa.Table, columns: list[str], values: dict[str, pa.Array]) -> None:
        for column in columns:
            kept = pc.is_valid(values[column])
            part = pa.table({"file": rows["_file"], "row_number": rows["_row_number"], "value": values[column]}).filter(
                kept
            )
            if part.num_rows:
                part = part.append_column("table_name", pa.repeat(table.name, part.num_rows))
                self._buffer.append(part.append_column("column_name", pa.repeat(column, part.num_rows)))
                self._buffered += part.num_rows
        if self._buffered >= _FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered; part of the intake's transaction."""
        if self._buffer:
            # Not registered by name: a transaction keeps what was registered in it until it ends.
            kept = pa.concat_tables(self._buffer)
            kept = kept.append_column("delivery_id", pa.repeat(self._delivery_id, kept.num_rows))
            columns = "delivery_id, table_name, file, row_number, column_name, value"
            self._connection.from_arrow(kept).project(columns).insert_into("vault.main.identifier")
            self._buffer, self._buffered = [], 0

    def _row_hashes(self, content: pa.Table, secret: pa.Array | None) -> pa.Array:
        """Hash of each row. A unit separator between values and a mark for NULL keep ('a', NULL) and (NULL, 'a')
        apart."""
        plain = [_flat(content[name]) for name in content.column_names if name != "_extra"]
        # Joined by Arrow: planning a query over a hundred columns takes longer than running it.
        joined = pc.binary_join_element_wise(*plain, "\x1f", null_handling="replace", null_replacement="\x1e")
        parts = pa.table({"plain": joined, "extra": content["_extra"]})
        if secret is not None:
            parts = parts.append_column("secret", secret)
        listed = ", ".join(f"coalesce({name}::VARCHAR, '\x1e')" for name in parts.column_names)
        # Not registered by name: a transaction keeps what was registered in it until it ends.
        return (
            self._connection.from_arrow(parts).project(f"md5(concat_ws('\x1f', {listed})) AS h").to_arrow_table()["h"]
        )

    def _identity(self, table: Table, rows: pa.Table) -> dict[str, pa.Array]:
        if table.identity is None:
            raise ValueError(f"table {table.name} has no identity")
        by_role = {column.role: rows[column.name] for column in table.columns if column.role is not Role.PLAIN}
        nothing = pa.nulls(rows.num_rows, pa.string())
        scheme = table.identity.national_id_scheme
        ids, id_status = national_ids(_flat(by_role.get(Role.NATIONAL_ID, nothing)), scheme)
        births, birth_status = birth_dates(_flat(by_role.get(Role.BIRTH_DATE, nothing)))
        names = name_keys(_flat(by_role.get(Role.NAME_FIRST, nothing)), _flat(by_role.get(Role.NAME_LAST, nothing)))
        places = postcode_keys(_flat(by_role.get(Role.POSTCODE, nothing)))
        matchable = pc.if_else(pc.equal(birth_status, "valid"), births, nothing)
        # NULL unless both name and birth date are there; a postcode narrows it where the table has one.
        name_birth = pc.binary_join_element_wise(names, matchable, pc.fill_null(places, ""), "|")
        has_id = pc.is_valid(ids)
        return {
            "_national_id_token": self._vault.tokens(f"national_id:{scheme}", ids),
            "_national_id_scheme": pc.if_else(has_id, pa.scalar(scheme), pa.scalar(None, pa.string())),
            "_national_id_status": id_status,
            "_name_birth_token": self._vault.tokens("name_birth", name_birth),
            "_birth_month": pc.binary_join_element_wise(pc.utf8_slice_codeunits(births, 0, 7), "01", "-"),
            "_birth_on_first": pc.if_else(
                pc.equal(pc.utf8_slice_codeunits(births, 8, 10), "01"), pa.scalar("1"), pa.scalar("0")
            ),
            "_birth_status": birth_status,
            BIRTH_DATE: births,
        }


def _flat(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _joined(columns: list[pa.ChunkedArray]) -> pa.Array:
    filled = [pc.fill_null(_flat(column), "\x1e") for column in columns]
    return pc.binary_join_element_wise(*filled, "\x1f")


def has_local_key(directory: Path) -> bool:
    """Whether a vault's key comes from a file beside it that is there already; else the first run makes one.

    Raises :class:`VaultError` where neither is possible: the key is too short, or lies elsewhere.
    """
    stated = os.environ.get(KEY_VARIABLE)
    if stated is not None:
        if len(stated) < 32:
            raise VaultError(
                f"{KEY_VARIABLE} must have at least 32 characters, such as the output of `openssl rand -hex 32`"
            )
        return False
    if (directory / LOCAL_KEY).exists():
        return True
    if (directory / "vault.duckdb").exists():
        raise VaultError(f"set {KEY_VARIABLE}: this vault was made with a key that is not on this machine")
    return False


def _key(directory: Path) -> bytes:
    is_there = has_local_key(directory)
    stated = os.environ.get(KEY_VARIABLE)
    if stated is not None:
        return hashlib.sha256(stated.encode()).digest()
    path = directory / LOCAL_KEY
    if not is_there:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Whole or not at all: a run killed in between must not leave an empty key.
        partial = path.with_suffix(f".{os.getpid()}.part")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    return hashlib.sha256(path.read_text().strip().encode()).digest()


class _SealedWriter:
    """Encrypts a stream in chunks with AES-256-GCM; each chunk is bound to its place and to being the last."""

    def __init__(self, target: BinaryIO, key: bytes):
        self._target, self._cipher, self._buffer, self._index = target, AESGCM(key), bytearray(), 0
        self._prefix = secrets.token_bytes(8)
        target.write(self._prefix)

    def write(self, data: bytes) -> int:
        self._buffer += data
        while len(self._buffer) > _CHUNK:
            self._seal(bytes(self._buffer[:_CHUNK]), last=False)
            del self._buffer[:_CHUNK]
        return len(data)

    def finish(self) -> None:
        self._seal(bytes(self._buffer), last=True)

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        sealed = self._cipher.encrypt(
            self._prefix + struct.pack(">I", self._index), chunk, b"last" if last else b"more"
        )
        self._target.write(struct.pack(">?I", last, len(sealed)) + sealed)
        self._index += 1


def _unseal(source: BinaryIO, key: bytes) -> Iterator[bytes]:
    cipher, prefix, index, last = AESGCM(key), source.read(8), 0, False
    while not last:
        head = source.read(5)
        if len(head) < 5:
            raise VaultError("an original in the vault is cut short")
        last, size = struct.unpack(">?I", head)
        yield cipher.decrypt(prefix + struct.pack(">I", index), source.read(size), b"last" if last else b"more")
        index += 1
