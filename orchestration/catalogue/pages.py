"""The pages of the catalogue, written from a release's tables.

What belongs here: which pages there are. What does not: what any of them says.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from orchestration.catalogue.comparisons import comparison_tables
from orchestration.catalogue.figures import Kpi, read_figures, read_grades, read_kpis
from orchestration.catalogue.index_page import index_entry, index_page, published_entry
from orchestration.catalogue.kpi_page import kpi_page
from orchestration.catalogue.organisation_page import Own, organisation_page
from orchestration.catalogue.pieces import FOLDER, INDEX, About, Names
from orchestration.catalogue.publication_page import publication_page
from orchestration.catalogue.publications import read_publications


def write_catalogue(release: Path, served: str, about: About) -> list[Path]:
    """Write the catalogue of a release from its served tables. Returns the files, the index first."""
    folder = release / FOLDER
    folder.mkdir()
    with duckdb.connect(str(release / served), read_only=True) as connection:
        connection.execute("SET threads = 1")  # the whole is small: a second thread only costs
        texts = render(connection, about)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [folder / name for name in texts]


def render(connection: duckdb.DuckDBPyConnection, about: About) -> dict[str, str]:
    """Name → text of every page, the index first."""
    kpis, grades, names = read_kpis(connection), read_grades(connection), Names()
    pages: dict[str, str] = {INDEX: ""}
    entries: list[tuple[Kpi, str]] = []
    own: dict[str, list[Own]] = {}
    for position, figures in enumerate(read_figures(connection, kpis)):
        around = (kpis[position - 1] if position else None, kpis[position + 1] if position + 1 < len(kpis) else None)
        groups = comparison_tables(connection.cursor(), figures.kpi, kpis, names)
        pages[names.kpi(figures.kpi)] = kpi_page(figures, kpis, names, about, around, groups)
        entries.append((figures.kpi, index_entry(figures, names)))
        for compared in figures.compared:
            organisation = compared.figure.level_key
            own.setdefault(organisation, []).append((figures.kpi, compared, figures.quality.get(organisation)))
    organisations = {c.figure.level_key: c.figure.level_name for listed in own.values() for _, c, _ in listed}
    ordered = sorted(organisations.items(), key=lambda item: (item[1], item[0]))
    published: list[str] = []
    for publication in read_publications(connection):
        pages[names.publication(publication.key)] = publication_page(publication, kpis, names, about)
        published.append(published_entry(publication, names))
    for id, name in ordered:
        grade = next((g for g in grades if g.organisation_id == id), None)
        pages[names.organisation(id)] = organisation_page(name, own[id], grade, names, about)
    pages[INDEX] = index_page(entries, published, ordered, grades, names, about)
    return pages
