"""360Giving: a funder's grants as a JSON package, a CSV or an XLSX file, or several of them in a zip or folder.

What belongs here: telling whether a file holds grants, reading the three forms as the same landing tables, and the
mapping of a publisher's own headers. What does not: which of several versions is current (the loader), and what a grant
means (``dbt_project``).

Way of a record: ``files`` (with ``headers`` and ``sheets``) → ``blocks`` → ``rows``; ``fields`` holds
the vocabulary of the standard (``columns.yml``) and the landing tables.

What becomes of a delivery:

* A file is read if it holds grants: a JSON object with ``grants``, or a table with an identifier or an amount awarded
  and at least one more field that only grants have. Anything else is refused, whatever its suffix.
* Every record with content is a row, also one without identifier, and also when identifiers repeat. ``grantKey`` is the
  identifier, or, where there is none, ``noid:`` and a digest of what makes the award (title, amount, currency, date,
  funder, first recipient). ``occurrence`` counts the records that share it within the delivery.
* Lists land in tables of their own. Their rows carry the grant's key, and ``recordHash`` of the whole grant, so that a
  grant is always joined with the parts that it was delivered with.
* A delivery adds and replaces by ``grantKey``: the later ``modifiedAt`` (``dateModified`` in UTC) wins. Absence deletes
  only with ``regime: full``.
* Of a grant to an individual, the title, the URL and all columns beyond the standard are masked, and so are places
  finer than a ward. Columns beyond the standard whose header speaks of a person are masked for every grant. The
  original bytes of a delivery are in the vault.

The region file's ``mapping`` (all keys optional)::

    mapping:
      columns: {"Programme Name": grantProgramme/0/title, "Region": "Beneficiary Location:Name"}  # header: field
      currency: GBP                                        # where a record states none
      funder: {id: GB-COH-RC000766, name: Sport England}   # where a record states none
      regime: delta                                        # or full: what a delivery does not carry is gone
      dates: day_first                                     # or month_first: how 24/07/2014 is meant; else not read
      delimiter: ";"                                       # of CSV files; default a comma
      sheets: [Awards]                                     # of XLSX files; default every sheet that holds grants
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sources.connector import Batch, Reject
from sources.delivery import Delivery
from sources.errors import RefusedError
from sources.funder.threesixtygiving import fields
from sources.funder.threesixtygiving.files import examine, read_blocks
from sources.funder.threesixtygiving.headers import Findings
from sources.funder.threesixtygiving.mapping import options_of
from sources.funder.threesixtygiving.rows import Finisher
from sources.spec import DeliveryFacts, Table


class ThreeSixtyGiving:
    """Connector of kind ``threesixtygiving``."""

    kind = "threesixtygiving"
    domain = "funder"
    version = "1"
    title = "360Giving grants (JSON, CSV, XLSX)"

    @property
    def tables(self) -> Mapping[str, Table]:
        return fields.tables()

    def check_mapping(self, mapping: Mapping[str, Any]) -> list[str]:
        return options_of(mapping)[1]

    def inspect(self, delivery: Delivery, mapping: Mapping[str, Any]) -> DeliveryFacts:
        options, _ = options_of(mapping)
        findings = Findings()
        examine(delivery, options, findings)
        if not findings.record_count:
            raise RefusedError(
                "no_records",
                f"{delivery.name} holds no grant.",
                "Send a file with at least one grant; if there is none, send nothing.",
            )
        for ignored in delivery.ignored:
            findings.note("ignored", ignored.name)
        if findings.empty_count:
            findings.note("empty_rows", str(findings.empty_count))
        return DeliveryFacts(
            format_version=findings.version or "unstated",
            stated_at=findings.package_modified or findings.modified,
            regime=options.regime,
            details=findings.details,
        )

    def read(self, delivery: Delivery, facts: DeliveryFacts, mapping: Mapping[str, Any]) -> Iterator[Batch | Reject]:
        options, _ = options_of(mapping)
        finisher = Finisher(options)
        for item in read_blocks(delivery, options):
            if isinstance(item, Reject):
                yield item
            else:
                yield from finisher.finish(item)


CONNECTOR = ThreeSixtyGiving()
