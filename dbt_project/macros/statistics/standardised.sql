{#-
    Rates that are made comparable by strata (age bands, sex). Both take a relation with one row a stratum, the columns
    of `by`, and numbers of events and population as DECIMAL or whole numbers; strata without a population don't count.
    Sums run over DECIMAL, so that they don't depend on the order of addition.
-#}

{#-
    Direct: the rate that the standard population would have with these rates. `strata` has events, population and
    standard_population. Gives event_count, rate and its limits, times the multiplier, with the interval after Dobson from
    Byar's limits of the count, as PHE does; nothing for fewer than ten events.
-#}
{% macro directly_standardised(strata, by, confidence, multiplier=100000) -%}
    {%- set group = by | join(', ') -%}
    {%- set decimal = "decimal(38, 18)" -%}
    (
    select
        {{ group }},
        event_count,
        {{ multiplier }} * rate as rate,
        {{ multiplier }} * (rate + ({{ count_lower("event_count", confidence) }} - event_count) * scale) as rate_lower,
        {{ multiplier }} * (rate + ({{ count_upper("event_count", confidence) }} - event_count) * scale) as rate_upper
    from (
        select
            {{ group }},
            event_count,
            case when event_count >= 10 then {{ ratio("weighted", "standard") }} end as rate,
            case when event_count >= 10 then sqrt({{ ratio("variance", "standard * standard * event_count") }}) end as scale
        from (
            select
                {{ group }},
                cast(sum(events) as double) as event_count,
                cast(sum(standard_population) as double) as standard,
                cast(sum(cast(standard_population * {{ ratio("events", "population") }} as {{ decimal }})) as double) as weighted,
                cast(sum(cast(
                    {{ ratio("cast(standard_population as double) * standard_population * events",
                        "cast(population as double) * population") }} as {{ decimal }}
                )) as double) as variance
            from {{ strata }}
            where population > 0
            group by {{ group }}
        ) as summed
    ) as standardised
    )
{%- endmacro %}

{#-
    Indirect: observed over the number that the reference rates would give here. `strata` has events, population,
    reference_events and reference_population. Gives observed, expected, their ratio and its limits (Byar, exact below 10).
    A stratum of the reference that is missing here counts as nothing; one that is missing in the reference makes the
    whole NULL rather than too small an expectation.
-#}
{% macro indirectly_standardised(strata, by, confidence) -%}
    {%- set group = by | join(', ') -%}
    (
    select
        {{ group }},
        observed,
        expected,
        {{ ratio("observed", "expected") }} as ratio,
        {{ ratio(count_lower("observed", confidence), "expected") }} as ratio_lower,
        {{ ratio(count_upper("observed", confidence), "expected") }} as ratio_upper
    from (
        select
            {{ group }},
            cast(sum(events) as double) as observed,
            case when count(*) = count({{ ratio("reference_events", "reference_population") }}) then
                cast(sum(cast(
                    population * {{ ratio("reference_events", "reference_population") }} as decimal(38, 18)
                )) as double)
            end as expected
        from {{ strata }}
        where population > 0
        group by {{ group }}
    ) as summed
    )
{%- endmacro %}

{#-
    A proportion from a stratified survey, weighted by the population of the strata, with its standard error (with the
    finite population correction, which is none where more answered than there should be). `strata` has x, n (respondents)
    and population. No error where a stratum has only one respondent of a larger population: its variance is unknown;
    collapse strata first. Nor where every stratum answered as one and somebody was not asked: an error of nothing would
    claim to know them.
-#}
{% macro stratified_proportion(strata, by) -%}
    {%- set group = by | join(', ') -%}
    {%- set share = ratio("x", "n") -%}
    {%- set decimal = "decimal(38, 14)" -%}
    (
    select
        {{ group }},
        n,
        {{ ratio("weighted", "total_population") }} as proportion,
        case
            when is_known and (variance > 0 or is_complete) then {{ ratio("sqrt(variance)", "total_population") }}
        end as standard_error
    from (
        select
            {{ group }},
            sum(n) as n,
            cast(sum(population) as double) as total_population,
            cast(sum(cast({{ share }} * population as {{ decimal }})) as double) as weighted,
            min(case when n > 1 or n >= population then 1 else 0 end) = 1 as is_known,
            min(case when n >= population then 1 else 0 end) = 1 as is_complete,
            cast(sum(cast(case when n > 1 then {{ ratio(
                share ~ " * (1e0 - " ~ share ~ ") * population * population * greatest(0e0, 1e0 - " ~ ratio("n", "population") ~ ")",
                "n - 1"
            ) }} else 0e0 end as {{ decimal }})) as double) as variance
        from {{ strata }}
        where n > 0
        group by {{ group }}
    ) as summed
    )
{%- endmacro %}
