"""A new region: the files that `trigpoint init` makes.

What belongs here: the starting region file and its schema. What does not: the sample region (``sources.sample``).
"""

from __future__ import annotations

import csv
from pathlib import Path

from orchestration.project import DBT_PROJECT
from orchestration.region import json_schema

_REGION = """\
# yaml-language-server: $schema=region.schema.json
region:
  id: {id}
  name: {name}
  time_zone: Europe/London
  financial_year_start: 4

organisations:
  - {{id: harbour, name: Harbour Housing}}

sources:
  # Put each delivery (a zip, a folder or a file) below deliveries/harbour/ and run `trigpoint check`.
  - {{id: harbour_hmis, kind: hmis_csv, organisation: harbour, location: deliveries/harbour/*, cadence: monthly}}
"""

_IGNORE = """\
# Deliveries and state hold personal data; only the region file belongs in version control.
/deliveries/
/landing/
/vault/
/warehouse/
/reports/
/members/
/releases/
/state/
.env
"""


def scaffold(directory: Path) -> list[Path]:
    """Make a region's folder. Returns the files made. Raises FileExistsError rather than overwrite anything."""
    if (directory / "region.yml").exists():
        raise FileExistsError(f"{directory / 'region.yml'} exists already")
    drop = directory / "deliveries" / "harbour"
    drop.mkdir(parents=True, exist_ok=True)
    identifier = "".join(c if c.isalnum() else "_" for c in directory.resolve().name.lower()).strip("_")
    if not identifier[:1].isalpha():
        identifier = f"region_{identifier}".rstrip("_")
    name = identifier.replace("_", " ").capitalize()
    files = {
        "region.yml": _REGION.format(id=identifier[:63], name=name),
        "region.schema.json": json_schema(),
        ".gitignore": _IGNORE,
    }
    for file, text in files.items():
        (directory / file).write_text(text, encoding="utf-8")
    return [directory / file for file in files]


def sheet_codes() -> dict[str, list[tuple[str, str]]]:
    """The codes that sheets may use, with their labels, by list."""
    lists: dict[str, list[tuple[str, str]]] = {}
    with (DBT_PROJECT / "seeds" / "ref_sheet_code.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            lists.setdefault(row["list_code"], []).append((row["code"], row["label"]))
    return lists
