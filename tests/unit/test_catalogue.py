"""The catalogue pages: geometry, words, what is hidden, what is hostile, and that they hold together."""

from __future__ import annotations

import html.parser
import random
import re
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.catalogue import About, charts, pages, pieces, scale, words, write_catalogue
from orchestration.catalogue.figures import read_figures, read_kpis
from orchestration.catalogue.style import STYLE as CATALOGUE_STYLE
from orchestration.html_page import STYLE as BASE_STYLE
from tests.published_tables import (
    EXTERNAL,
    FIGURE,
    HIDDEN,
    KPI,
    PLACE,
    PUBLISHED,
    QUALITY,
    Row,
    months,
    published,
    year,
)

ABOUT = About("Demo region", "2025-10-03-abc", "2025-10-03")
NAMES = ["ash", "birch", "cedar", "daisy", "elm", "fern", "gorse", "hazel", "iris"]
CHART = {"spc_mean": 50.0, "spc_lower_limit": -14.0, "spc_upper_limit": 71.0, "variation_code": "common_cause"}


def compared() -> list[Row]:
    """Nine organisations, of which the first lies beyond the limits."""
    return [year(name, value=30.0 + 5 * n, numerator=10 + n, denominator=40 + 20 * n, ci95_lower=20.0 + 5 * n,
                 ci95_upper=40.0 + 5 * n) for n, name in enumerate(NAMES)]  # fmt: skip


def places(**first: Any) -> list[Row]:
    return [PLACE | {"organisation_id": name} | (first if name == "ash" else {}) for name in NAMES]


def render(figures: list[Row], **more: Any) -> dict[str, str]:
    with published(figures, **more) as connection:
        return pages.render(connection, ABOUT)


def page(figures: list[Row], **more: Any) -> str:
    """The page of the one KPI."""
    return render(figures, **more)["kpi-oc-12-v1.html"]


def charted(figures: list[Row], **more: Any) -> Any:
    with published(figures, **more) as connection:
        kpis = read_kpis(connection)
        return next(iter(read_figures(connection, kpis)))


class Reader(html.parser.HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.labels: list[str] = []
        self.texts: dict[str, str] = {}
        self._open: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self._open.append(found)
        if found.get("id"):
            self.ids.append(found["id"] or "")
        if tag == "a":
            self.links.append(found["href"] or "")
        if tag == "svg":
            self.pictures.append(found)

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1].get("id"):
            self.texts[self._open[-1]["id"] or ""] = data


# Geometry -----------------------------------------------------------------------------------------------------------


def test_ticks_are_round_and_within() -> None:
    assert scale.ticks(0, 100) == [0, 20, 40, 60, 80, 100]
    assert scale.ticks(0.31, 0.64, 4) == [0.4, 0.5, 0.6]
    assert scale.ticks(-14, 102, 4) == [0, 50, 100]
    assert scale.ticks(3, 3) == [3]


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20))
def test_a_domain_holds_its_values_and_has_an_extent(values: list[float]) -> None:
    low, high = scale.domain(values)
    slack = 1e-6 * max(abs(low), abs(high), 1)
    assert low < high
    assert low - slack <= min(values) and max(values) <= high + slack


def test_a_domain_keeps_within_floor_and_ceiling() -> None:
    assert scale.domain([-14.0, 102.0], 0.0, 100.0) == (0.0, 100.0)
    assert scale.domain([0.0, 0.0], 0.0, 100.0) == (0.0, 1.0)
    assert scale.domain([]) == (0.0, 1.0)


def test_a_scale_maps_ends_to_ends_and_no_extent_to_the_middle() -> None:
    down = scale.Scale(0, 100, 200, 10)
    assert (down(0), down(50), down(100)) == (200, 105, 10)
    assert scale.Scale(5, 5, 0, 10)(5) == 5


def test_a_line_breaks_where_there_is_nothing() -> None:
    assert scale.line_path([(0, 1), (1.25, 2), None, (3, 4), (4, 5)]) == "M0 1L1.25 2M3 4L4 5"
    assert scale.line_path([None]) == ""


def test_limits_run_level_and_jump_where_they_are_set_anew() -> None:
    assert scale.step_path([(10, 5), (20, 5), (30, 8)], 10) == "M5 5H25V8H35"
    assert scale.step_path([], 10) == ""


def test_marks_differ_in_shape() -> None:
    shapes = {kind: scale.shape_path(shape, 0, 0, 1) for kind, (shape, _) in charts.MARKS.items()}
    told_apart = ["common_cause", "improvement", "concern", "high", "low", "no_data", "not_computed"]
    assert len({shapes[kind] for kind in told_apart}) == len(told_apart)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.001, "0"),
        (12.5, "12.5"),
        (1020850.0, "1,020,850"),
        (-17.0, "−17"),
        (3.456, "3.46"),
        (100.0, "100"),
    ],
)
def test_numbers_are_written_for_people(value: float, text: str) -> None:
    assert scale.number(value) == text


# Words --------------------------------------------------------------------------------------------------------------


def test_periods_are_named_by_their_days() -> None:
    assert words.period("month", date(2025, 9, 1), date(2025, 9, 30)) == "Sep 2025"
    assert words.period("quarter", date(2025, 7, 1), date(2025, 9, 30)) == "Jul–Sep 2025"
    assert words.period("quarter", date(2024, 12, 1), date(2025, 2, 28)) == "Dec 2024 – Feb 2025"
    assert words.period("financial_year", date(2024, 10, 1), date(2025, 9, 30)) == "Oct 2024 – Sep 2025"
    assert words.period("rolling12", date(2024, 10, 1), date(2025, 9, 30)) == "12 months to Sep 2025"


def test_the_text_of_a_trend_says_limits_signals_and_assurance() -> None:
    rows = months(14, **CHART)
    rows[-1] |= {"variation_code": "concern", "spc_rule_code": "A", "value": 12.0, "assurance_code": "consistent_fail"}
    rows[3] |= HIDDEN
    shown = charted(rows)
    text = words.trend_text(shown.kpi, shown.region[0])
    assert "13 shown, 1 hidden" in text
    assert "Mean 50\N{NO-BREAK SPACE}%, limits −14\N{NO-BREAK SPACE}% to 71\N{NO-BREAK SPACE}%" in text
    assert "Marked as of concern: 1." in text
    assert "Feb 2024: of concern, a change for the worse that chance does not explain (beyond a limit)." in text
    assert "Target will be missed" in text


@pytest.mark.parametrize(
    ("direction", "band", "mark"),
    [(1, "high998", "improvement"), (1, "low998", "concern"), (-1, "high998", "concern"), (-1, "low998", "improvement"),
     (0, "high998", "high"), (0, "low998", "low"), (1, "high95", "edge"), (1, "within", "common_cause")],
)  # fmt: skip
def test_pitfall_06_what_is_beyond_a_funnel_is_good_or_bad_by_direction(direction: int, band: str, mark: str) -> None:
    shown = charted(compared(), kpis=[KPI | {"direction": direction}], places=places(funnel_band_code=band))
    assert charts.funnel_mark(shown.compared[0], shown.kpi) == mark


def test_organisations_stand_in_order_of_what_is_better() -> None:
    for direction, first in ((1, "Iris"), (0, "Iris"), (-1, "Ash")):
        shown = charted(compared(), kpis=[KPI | {"direction": direction}], places=places())
        assert words.ranked(shown.kpi, shown.compared)[0].figure.level_name == first


# Pictures -----------------------------------------------------------------------------------------------------------


def test_pitfall_16_limits_are_clamped_for_the_eye_only() -> None:
    text = page(months(14, **CHART))
    picture = text[text.index('<svg class="chart"') :]
    picture = picture[: picture.index("</svg>")]
    limits = re.findall(r'<path class="limit" d="M[\d.]+ ([\d.]+)H', picture)
    assert len(limits) == 2
    assert max(float(y) for y in limits) == 200, "the lower limit is drawn at 0 %, the foot of the picture"
    assert "−14 to 71" in text, "and written as it is"


def test_pitfall_22_a_trend_breaks_at_a_hidden_month_and_says_why() -> None:
    rows = months(9)
    for row, status in zip(rows[2:8:2], ("suppressed", "no_data", "not_computed"), strict=True):
        row |= HIDDEN | {"value_status": status, "numerator_status": status, "denominator_status": status}
    picture = re.search(r'<svg class="chart".*?</svg>', page(rows), re.DOTALL)
    assert picture is not None
    line = re.search(r'<path class="line" d="([^"]*)"', picture[0])
    assert line is not None and line[1].count("M") == 4
    for status in ("suppressed", "no_data", "not_computed"):
        assert picture[0].count(f'class="mark {status}"') == 1


def test_signals_carry_shape_letter_and_word() -> None:
    rows = months(14, **CHART)
    rows[-1] |= {"variation_code": "improvement", "spc_rule_code": "A", "value": 80.0}
    text = page(rows)
    assert '<path class="mark improvement"' in text
    assert re.search(r'<g class="tag"[^>]*><text [^>]*>A</text></g>', text)
    assert "beyond a limit" in text and "improving" in text


def test_a_period_that_may_still_change_is_hollow() -> None:
    rows = months(3)
    rows[-1] |= {"is_provisional": True}
    text = page(rows)
    assert 'class="mark plain hollow"' in text and "provisional" in text


def test_a_large_group_is_drawn_without_names_but_listed() -> None:
    many = [f"organisation {n:03}" for n in range(60)]
    figures = [year(name, value=40.0 + n % 30) for n, name in enumerate(many)]
    text = page(figures, places=[PLACE | {"organisation_id": name} for name in many])
    assert '<g class="name"' not in text
    assert text.count('<a href="organisation-organisation-') == 60


def test_narrower_groups_give_each_member_its_place() -> None:
    small = {"peer_group_code": "small_shelters", "organisation_id": "ash", "median_of_others": 44.5, "peer_count": 6,
             "quartile_number": None, "percentile_rank": None}  # fmt: skip
    hidden = small | {"organisation_id": "birch", "peer_status": "suppressed"}
    text = page(compared(), places=[*places(), PLACE | small, PLACE | hidden])
    narrower = text[text.index("Narrower groups of peers") :]
    assert "small shelters" in narrower and "44.5" in narrower
    assert narrower.count('<span class="hidden">hidden</span>') == 3, "median, quartile and funnel of the second"
    assert "Narrower groups" not in page(compared(), places=places())


def test_a_trend_is_of_the_finest_periods_that_can_mostly_be_shown() -> None:
    period = {"period_type_code": "quarter"}
    quarters = [
        FIGURE | period | {"period_start_on": date(2023, month, 1), "period_end_on": date(2023, month + 2, 28)}
        for month in (1, 4, 7)
    ]
    few = months(9)
    for row in few[:6]:
        row |= HIDDEN
    assert charted([*few, *quarters]).region[0][0].period_type_code == "quarter"
    few[5] |= FIGURE
    few[4] |= FIGURE
    assert charted([*few, *quarters]).region[0][0].period_type_code == "month"
    none = [row | HIDDEN for row in months(3)]
    text = page(none)
    assert "3 hidden" in text and '<svg class="chart"' not in text


def test_own_figures_stand_beside_published_ones() -> None:
    poisoned = {"level_key": "ash", "level_code": "organisation", "level_name": "Ash", "value_status": "suppressed",
                "value": 77_123.0, "difference": 77_124.0, "difference_code": "higher"}  # fmt: skip
    text = page(months(3), beside=[PUBLISHED, PUBLISHED | poisoned])
    section = text[text.index('<h2 id="published">') : text.index('<h2 id="definition">')]
    for said in ("England, housing_atlas, Apr 2023 – Mar 2024", "+6 points", "similar method", "higher: the whole"):
        assert said in section
    assert "77,12" not in section and '<span class="hidden">hidden</span>' in section
    assert 'id="published"' not in page(months(3))


# Quality of the data ------------------------------------------------------------------------------------------------

DESTINATION = QUALITY | {"part_code": "element", "subject_code": "destination", "subject_name": "Destination",
                         "reason": "The destination is what is counted", "share_pct": 83.0, "part_grade_code": "D",
                         "grade_code": "D"}  # fmt: skip


def test_a_grade_is_of_the_kpi_and_says_on_what_it_rests() -> None:
    other = KPI | {"kpi_id": "AC-01", "kpi_name": "Referrals"}
    figures = [*compared(), *(row | {"kpi_id": "AC-01"} for row in compared())]
    told = render(
        figures,
        kpis=[other, KPI],
        places=[*places(), *(p | {"kpi_id": "AC-01"} for p in places())],
        quality=[
            DESTINATION,
            QUALITY | {"is_weakest": False, "grade_code": "D"},
            QUALITY | {"organisation_id": "birch", "organisation_name": "Birch"},
            QUALITY | {"kpi_id": "AC-01"},
        ],
    )
    exits, referrals = told["kpi-oc-12-v1.html"], told["kpi-ac-01-v1.html"]
    ash = re.search(r'<tr role="row" id="of-ash">.*?</tr>', exits, re.DOTALL)
    assert ash is not None
    assert "<span>D<br><small>Destination 83\N{NO-BREAK SPACE}%</small></span>" in ash[0]
    assert "<strong>1 × A, 1 × D</strong>" in exits and "<strong>1 × A</strong>" in referrals
    assert "Destination 83" in told["organisation-ash.html"]
    assert "exit (hmis csv)" in exits and "Destination (the destination is what is counted)" in exits
    assert "Destination" not in referrals[referrals.index('<h2 id="quality">') :]
    assert 'id="quality"' not in page(compared(), places=places())


def test_a_target_of_bad_data_says_why_it_is_not_judged() -> None:
    with_target = [year("ash", target=60.0, gap=-10.0)]
    assert "not judged: quality of the data is D" in page(with_target, places=places(), quality=[DESTINATION])
    assert "not judged: quality" not in page(with_target, places=places(), quality=[QUALITY])


# Published figures --------------------------------------------------------------------------------------------------


def atlas() -> list[Row]:
    """A nation by months on a chart, and nine counties of a year in a funnel, one of them hidden."""
    rows = [
        EXTERNAL
        | {name: row[name] for name in ("period_start_on", "period_end_on")}
        | CHART
        | {"period_type_code": "month"}
        for row in months(14)
    ]
    rows[-1] |= {"variation_code": "concern", "spc_rule_code": "A", "value": 12.0}
    place = {name: PLACE[name] for name in ("centre", "median", "funnel95_lower", "funnel95_upper", "funnel998_lower",
                                            "funnel998_upper", "funnel_band_code", "peer_count")}  # fmt: skip
    counties = [
        EXTERNAL | place | {"level_code": "county", "organisation_code": f"C{n}", "organisation_name": name.title(),
                            "value": 30.0 + 5 * n, "denominator": 40 + 20 * n, "value_lower": 29.5 + 5 * n,
                            "value_upper": 30.5 + 5 * n}
        for n, name in enumerate(NAMES)
    ]  # fmt: skip
    counties[0] |= {"funnel_band_code": "low998"}
    nothing = dict.fromkeys(("value", "numerator", "denominator", "value_lower", "value_upper", *place))
    counties[8] |= nothing | {"value_status": "suppressed"}
    return [*rows, *counties]


def test_a_published_measure_has_a_page_with_chart_funnel_and_terms() -> None:
    told = render(months(3), external=atlas(), beside=[PUBLISHED])
    monthly = told["published-housing-atlas-exits-2-month.html"]
    assert '<path class="mark concern"' in monthly and re.search(r"<text [^>]*>A</text>", monthly)
    assert "Mean 50\N{NO-BREAK SPACE}%, limits" in Reader(monthly).texts["trend0-d"]
    yearly = told["published-housing-atlas-exits-2-financial-year.html"]
    texts = Reader(yearly).texts
    assert (
        texts["level-county-funnel-d"].startswith("8 organisations around 49")
        and "limit: Ash." in texts["level-county-funnel-d"]
    )
    assert texts["level-county-peers-d"].startswith("8 organisations in order from the best: Hazel")
    for said in ("OGL 3.0", "Office of Housing", "Housing atlas", "similar method", "29.5 to 30.5", "Hidden: Iris.",
                 'href="kpi-oc-12-v1.html"'):  # fmt: skip
        assert said in yearly, said
    assert 'href="published-housing-atlas-exits-2-financial-year.html"' in told["kpi-oc-12-v1.html"]
    for name in ("month", "financial-year"):
        assert f'href="published-housing-atlas-exits-2-{name}.html"' in told["index.html"]


def test_a_published_figure_stands_beside_the_regions_own_target() -> None:
    name = "published-housing-atlas-exits-2-financial-year.html"
    assert 'id="target"' not in render([], external=atlas())[name]
    rows = atlas()
    rows[-2] |= {"target": 80.0, "gap": -15.0, "rag_code": "red"}
    text = render([], external=rows)[name]
    part = text[text.index('<h2 id="target">') :]
    part = part[: part.index("</section>")]
    for said in ("Hazel", "80\N{NO-BREAK SPACE}%", "−15", "Targets are the region's own"):
        assert said in part, said
    assert "Birch" not in part


def test_what_a_publication_does_not_state_is_said_to_be_unstated() -> None:
    row = EXTERNAL | {"licence": None, "publication_source": None, "kpi_id": None}
    text = render([], external=[row])["published-housing-atlas-exits-2-financial-year.html"]
    assert text.count("not stated in the region file") == 2


def test_published_counts_are_listed_and_never_ranked() -> None:
    rows = [row | {"statistic_code": "count", "unit_code": "count", "peer_count": None} for row in atlas()[14:]]
    text = render([], external=rows)["published-housing-atlas-exits-2-financial-year.html"]
    assert "Latest figures of the counties" in text and '<svg class="chart"' not in text


def test_groups_have_pages_only_where_there_is_no_whole() -> None:
    women = EXTERNAL | {"slice_type_code": "sex", "slice_code": "female", "value": 41.0}
    assert not [name for name in render([], external=[EXTERNAL, women]) if "female" in name]
    alone = render([], external=[women])["published-housing-atlas-exits-2-sex-female-financial-year.html"]
    assert "<h1>Exits to a home, sex female</h1>" in alone


def test_of_two_sources_the_one_that_counts_is_shown() -> None:
    rows = [EXTERNAL, EXTERNAL | {"source_id": "a_second", "value": 77.0}]
    text = render([], external=rows)["published-housing-atlas-exits-2-financial-year.html"]
    assert "44\N{NO-BREAK SPACE}%" in text and "77" not in text


def test_ratios_and_means_say_why_they_have_no_funnel() -> None:
    flat = places(**dict.fromkeys(("centre", "funnel95_lower", "funnel95_upper", "funnel998_lower", "funnel998_upper")))
    without = [p | {name: None for name in p if name.startswith("funnel")} for p in flat]
    for statistic, why in (("mean", "this is a mean"), ("ratio", "a quotient of two amounts")):
        assert why in page(compared(), kpis=[KPI | {"statistic_code": statistic}], places=without)
    assert "There is no funnel: its limits" not in page(compared(), places=places())


# What is hidden -----------------------------------------------------------------------------------------------------


def test_pitfall_19_hidden_absent_and_not_computed_are_told_apart() -> None:
    statuses = {"ash": "suppressed", "birch": "no_data", "cedar": "not_computed"}
    figures = compared()
    for row in figures[:3]:
        row |= HIDDEN | {"value_status": statuses[row["level_key"]], "ci95_lower": None, "ci95_upper": None}
    hidden = {"value_status": "suppressed", "peer_status": "suppressed"}
    listed = [p for p in places(**hidden) if p["organisation_id"] not in ("birch", "cedar")]
    text = page(figures, places=listed)
    for name, word in (("Ash", "hidden"), ("Birch", "no data"), ("Cedar", "not computed")):
        row = re.search(rf'<tr role="row" id="of-{name.lower()}">.*?</tr>', text, re.DOTALL)
        assert row is not None
        assert f'data-label="Value"><span><span class="hidden">{word}</span>' in row[0]
        assert f"{word.capitalize()}: {name}." in text


def test_an_organisation_s_page_tells_its_kpis_from_those_that_say_nothing_about_it() -> None:
    figures = compared()
    figures[0] |= HIDDEN | {"value_status": "not_computed", "numerator_status": "shown", "denominator_status": "shown"}
    figures[1] |= HIDDEN
    told = render(figures, places=places(value_status="not_computed", peer_status="not_computed"))
    ash, birch = told["organisation-ash.html"], told["organisation-birch.html"]
    assert "<h2>Not computed</h2>" in ash and "<td" not in ash
    assert '<span class="hidden">hidden</span>' in birch and "<h2>Not computed</h2>" not in birch


def test_pitfall_23_what_is_not_computed_is_never_0() -> None:
    figures = [FIGURE | row for row in months(3)]
    figures[-1] |= HIDDEN | {"value_status": "not_computed"}
    figures[-2] |= {"value": 0.0, "numerator": 0}
    text = page(figures)
    assert '<td>Mar 2023</td><td><span class="hidden">not computed</span></td>' in text
    assert "<td>Feb 2023</td><td>0\N{NO-BREAK SPACE}%</td>" in text


POISON = st.integers(70_001, 99_999).map(lambda n: n + 0.37)


@settings(max_examples=25, deadline=None)
@given(data=st.data(), status=st.sampled_from(["suppressed", "no_data", "not_computed"]))
def test_pitfall_18_no_number_beside_a_hidden_status_reaches_a_page(data: st.DataObject, status: str) -> None:
    """Even if a table held a number that it should not hold."""
    numbers = data.draw(st.lists(POISON, min_size=14, max_size=14, unique=True))
    columns = ["value", "numerator", "denominator", "ci95_lower", "ci95_upper", "spc_mean", "spc_lower_limit",
               "spc_upper_limit", "gap"]  # fmt: skip
    hidden = dict.fromkeys(("value_status", "numerator_status", "denominator_status"), status)
    poisoned = hidden | dict(zip(columns, numbers, strict=False))
    figures = [*months(14, **CHART), *compared()]
    for index in data.draw(st.sets(st.integers(0, len(figures) - 1), min_size=1, max_size=8)):
        figures[index] |= poisoned | {"target": 50.0}
    figures[14] |= poisoned
    group = ["median_of_others", "centre", "funnel95_lower", "funnel998_upper", "median"]
    places_ = places(**{"value_status": status, "peer_status": status} | dict(zip(group, numbers[9:], strict=False)))
    grade = {"organisation_id": "ash", "organisation_name": "Ash", "element_code": "all", "period_type_code": "quarter",
             "period_start_on": date(2025, 1, 1), "period_end_on": date(2025, 3, 31), "completeness_pct": numbers[0],
             "completeness_status": status, "grade_code": "A", "is_period_complete": True}  # fmt: skip
    for name, text in render(figures, places=places_, grades=[grade]).items():
        plain = text.replace(",", "")
        for number in numbers:
            assert str(int(number)) not in plain, f"{number} is told by {name}"


# What is hostile ----------------------------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script>\"'&{x}</title><img src=x onerror=y>"


def test_names_are_text_wherever_they_stand() -> None:
    kpi = {name: HOSTILE if isinstance(value, str) else value for name, value in KPI.items()}
    kpi |= {"kpi_id": HOSTILE, "unit_code": "percent", "base_slice_code": "all", "balancing_kpi_id": HOSTILE}
    own = {"kpi_id": HOSTILE}
    figures = [row | own | {"level_name": HOSTILE} for row in months(14, **CHART)]
    figures += [row | own | {"level_name": HOSTILE, "level_key": HOSTILE} for row in compared()[:1]]
    figures += [row | own | {"slice_code": HOSTILE, "slice_value": HOSTILE} for row in months(2)]
    told = render(
        figures,
        kpis=[kpi],
        places=[PLACE | own | {"organisation_id": HOSTILE, "funnel_band_code": "high998"}],
        quality=[
            QUALITY | own | dict.fromkeys(("organisation_id", "organisation_name", "subject_code"), HOSTILE),
            DESTINATION | own | {"organisation_id": HOSTILE, "organisation_name": HOSTILE, "subject_name": HOSTILE,
                                 "reason": HOSTILE, "is_weakest": False},
        ],
        external=[
            row | {name: HOSTILE for name, value in EXTERNAL.items() if isinstance(value, str)}
            | {name: row[name] for name in ("value_status", "unit_code", "comparability_code", "level_code",
                                            "period_type_code", "organisation_code")}
            for row in atlas()
        ],
    )  # fmt: skip
    assert len(told) == 3 + 2
    for name, text in told.items():
        assert re.fullmatch(r"[a-z0-9.-]+\.html", name)
        tags = set(Reader(text).tags)
        assert not tags & {"script", "img"}, name
        assert "<script" not in text and "onerror=y>" not in text
        assert html_escaped(HOSTILE) in text


def html_escaped(text: str) -> str:
    return html.escape(text)


def test_ids_that_look_alike_keep_pages_of_their_own() -> None:
    names = pieces.Names()
    listed = ["A/b", "a b", "a-b", "../../etc", "é", "ü", ""]
    files = [names.organisation(id) for id in listed]
    assert len(set(files)) == len(listed)
    assert all(re.fullmatch(r"organisation-[a-z0-9.-]+\.html", f) and ".." not in f for f in files)
    assert files == [names.organisation(id) for id in listed]


# How the pages hold together ----------------------------------------------------------------------------------------


def whole() -> dict[str, Any]:
    """Two KPIs with everything that there can be."""
    other = KPI | {
        "kpi_id": "FN-06",
        "kpi_name": "Amount awarded",
        "category_code": "funding",
        "unit_code": "currency",
        "statistic_code": "sum",
        "direction": 0,
        "base_slice_code": "currency",
        "denominator": None,
    }
    money = [
        FIGURE | row | {"kpi_id": "FN-06", "slice_code": "currency", "slice_value": currency, "value": 1000.0}
        for currency in ("EUR", "GBP")
        for row in months(5)
    ]
    organisations = [row | {"level_code": "organisation", "level_key": name, "level_name": name.title()}
                     for name in NAMES for row in months(14, **CHART)]  # fmt: skip
    groups = [
        FIGURE | {"slice_code": "age_band", "slice_value": group, "period_type_code": "quarter",
                  "period_start_on": date(2025, 1, 1), "period_end_on": date(2025, 3, 31)} | more
        for group, more in (("18_24", {}), ("65_plus", HIDDEN), ("unknown", {}))
    ]  # fmt: skip
    target = {"target": 60.0, "gap": -10.0, "rag_code": "red"}
    return {
        "figures": [*months(14, **CHART | target), *organisations, *compared(), *groups, *money],
        "kpis": [KPI | {"balancing_kpi_id": "FN-06"}, other],
        "places": places(funnel_band_code="low998"),
        "quality": [DESTINATION, QUALITY | {"is_weakest": False}],
        "beside": [PUBLISHED],
        "external": atlas(),
    }


def test_every_link_leads_somewhere_and_every_id_is_one() -> None:
    told = {name: Reader(text) for name, text in render(**whole()).items()}
    assert len(told) == 1 + 2 + 2 + len(NAMES)
    for name, reader in told.items():
        assert len(reader.ids) == len(set(reader.ids)), name
        assert reader.links
        for link in reader.links:
            target, _, fragment = link.partition("#")
            assert (target or name) in told, f"{name} → {link}"
            assert not fragment or fragment in told[target or name].ids, f"{name} → {link}"
    reached = {link.partition("#")[0] for link in told["index.html"].links}
    assert {name for name in told if name != "index.html"} <= reached


def test_every_picture_has_a_text_and_a_table() -> None:
    text = render(**whole())["kpi-oc-12-v1.html"]
    reader = Reader(text)
    named = [p for p in reader.pictures if p.get("aria-hidden") != "true"]
    assert len(named) >= 3 + len(NAMES)
    for picture in named:
        assert picture["role"] == "img"
        labels = [reader.texts.get(id, "") for id in (picture.get("aria-labelledby") or "").split()]
        assert picture.get("aria-label") or (len(labels) == 2 and all(labels))
    assert "<summary>Figures of this picture</summary>" in text
    assert "Below the 99.8 % limit: Ash." in reader.texts["funnel-d"]
    assert reader.texts["peers-d"].startswith("9 organisations in order from the best: Iris")


def test_a_page_says_all_that_is_asked_of_a_definition() -> None:
    text = page(months(3))
    for field in (
        "question",
        "decision",
        "numerator",
        "denominator",
        "exclusions",
        "anchor",
        "owner",
        "reference_sources",
    ):
        assert html_escaped(KPI[field]) in text
    for said in ("per cent", "higher is better", "90 days after", "95 % by Wilson", "not yet: no second source"):
        assert said in text
    assert '<span class="badge doubt">unverified</span>' in text


def test_a_kpi_with_a_table_of_its_own_is_not_said_to_lack_data() -> None:
    lacking = '<span class="hidden">no data</span>'
    assert lacking in render([], kpis=[KPI])["index.html"]
    told = render([], kpis=[KPI | {"figures_table": "pub_equity_gap"}])
    assert lacking not in told["index.html"]
    for text in (told["index.html"], told["kpi-oc-12-v1.html"]):
        assert "in <code>pub_equity_gap</code>" in text


def test_groups_that_differ_are_listed_with_their_gap_and_interval() -> None:
    own = {"kpi_id": "EQ-01", "kpi_name": "Equity gap", "figures_table": "pub_equity_gap"}
    gap = {"kpi_id": "OC-12", "version": 1, "kpi_name": HOSTILE, "level_code": "region", "slice_code": "sex",
           "slice_value": "male", "reference_slice_value": "female", "period_type_code": "financial_year",
           "period_start_on": date(2024, 4, 1), "period_label": "2024-25", "group_value": 40.0,
           "reference_group_value": 52.0, "gap_pp": -12.0, "gap_ci95_lower": -20.5, "gap_ci95_upper": -3.5,
           "difference_code": "below"}  # fmt: skip
    rows = [
        gap,
        gap | {"slice_value": "other", "difference_code": "not_told_apart", "gap_pp": -99.0},
        gap | {"level_code": "organisation", "gap_pp": -98.0},
        gap | {"period_type_code": "quarter", "gap_pp": -97.0},
        gap | {"period_start_on": date(2023, 4, 1), "period_label": "2023-24", "gap_pp": -96.0},
    ]
    text = render([], kpis=[KPI | own, KPI], gaps=rows)["kpi-eq-01-v1.html"]
    assert "2 comparisons; in 1 the interval of the gap includes 0" in text and "2024-25" in text
    for cell in ("−12</td>", "−20.5 to −3.5", "male", "female", 'href="kpi-oc-12-v1.html"'):
        assert cell in text
    assert not any(f"−{other}" in text for other in (99, 98, 97, 96))
    assert HOSTILE not in text


def test_reach_shows_every_group_of_the_latest_year_and_says_which_is_missed() -> None:
    own = {"kpi_id": "EQ-02", "kpi_name": "Reach ratio", "figures_table": "pub_equity_reach"}
    row = {"level_code": "region", "slice_code": "age_band", "slice_value": "18_24", "served_count": 305,
           "served_share_pct": 12.8, "population_share_pct": 16.0, "reach_ratio": 0.8, "reach_ci95_lower": 0.7,
           "reach_ci95_upper": 0.9, "difference_code": "below", "period_start_on": date(2024, 4, 1),
           "period_label": "2024-25"}  # fmt: skip
    unknown = row | dict.fromkeys(("reach_ratio", "reach_ci95_lower", "reach_ci95_upper", "difference_code"))
    rows = [row, unknown | {"slice_value": "unknown"}, unknown | {"period_start_on": date(2025, 4, 1)}]
    text = render([], kpis=[KPI | own], reach=rows)["kpi-eq-02-v1.html"]
    for cell in ("18–24", "0.7 to 0.9", "less than their share", "unknown", "2024-25"):
        assert cell in text
    assert render([], kpis=[KPI | own])["kpi-eq-02-v1.html"].count("<table") < text.count("<table")


def test_the_gap_to_a_target_stands_with_its_judgement() -> None:
    text = page(months(1, target=60.0, gap=-10.0, rag_code="red"))
    for cell in ("−10 points", "60\N{NO-BREAK SPACE}%", "missed"):
        assert cell in text
    late = page(months(1, target=60.0, gap=-10.0, is_provisional=True))
    assert "not judged: provisional" in late
    neither = page(months(1, period_type_code="quarter", target=60.0), kpis=[KPI | {"direction": 0}])
    assert "not judged: neither high nor low is better" in neither
    assert "No target is set" in page(months(1))


def test_nothing_is_loaded_from_anywhere() -> None:
    for text in render(**whole()).values():
        assert not re.search(r"(src|href)=\"(https?:|//)|<link|@import|url\(|<script|<iframe|style=", text)
        assert "default-src 'none'" in text


def test_the_same_tables_give_the_same_bytes() -> None:
    first = whole()
    shuffled = whole()
    random.Random(1).shuffle(shuffled["figures"])
    random.Random(2).shuffle(shuffled["places"])
    random.Random(3).shuffle(shuffled["external"])
    assert render(**first) == render(**shuffled)


def test_a_release_gets_its_pages(tmp_path: Any) -> None:
    with published(**whole()) as connection:
        connection.execute(f"ATTACH '{tmp_path / 'served.duckdb'}' AS served; COPY FROM DATABASE memory TO served")
    files = write_catalogue(tmp_path, "served.duckdb", ABOUT)
    assert files[0] == tmp_path / "catalogue" / "index.html"
    assert {f.name for f in files} == {f.name for f in (tmp_path / "catalogue").iterdir()}


def test_a_release_without_figures_has_pages_that_say_so() -> None:
    text = page([])
    assert "No target is set" in text
    assert 'class="hidden">no data' in render([])["index.html"]


# Colours ------------------------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    colour = colour if len(colour) == 7 else "#" + "".join(2 * c for c in colour[1:])
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_colours_keep_their_contrast(mode: int) -> None:
    colours: dict[str, str] = {}
    for style in (BASE_STYLE, CATALOGUE_STYLE):
        blocks = re.findall(r":root\{([^}]*)\}", style)
        for block in blocks[: mode + 1]:
            colours |= dict(re.findall(r"--(\w+):(#[0-9a-f]{3,6})", block))
    for ground in ("ground", "soft", "band"):
        for ink in ("text", "quiet", "blue", "orange", "purple", "link", "hold"):
            bright, dark = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
            assert (bright + 0.05) / (dark + 0.05) >= 4.5, f"{ink} on {ground}"
    for ink in ("grey", "teal"):
        bright, dark = sorted((luminance(colours[ink]), luminance(colours["ground"])), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 3, ink
