"""The catalogue page of a release: what every KPI means, how it goes, and how organisations compare.

What belongs here: reading the protected tables of a release's own ``served.duckdb``, and writing them as HTML with
pictures. What does not: any other figure. Nothing here reads the warehouse, and no number is made here beyond where a
mark goes on a picture, so what the release hides stays hidden.

``catalogue/index.html`` leads to a page for each KPI and for each organisation. The pages need no network and no
script, read on a phone and on paper, and say in words what their pictures show. The same tables give the same bytes.
"""

from orchestration.catalogue.pages import write_catalogue
from orchestration.catalogue.pieces import FOLDER, INDEX, About

__all__ = ["FOLDER", "INDEX", "About", "write_catalogue"]
