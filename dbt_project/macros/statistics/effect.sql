{#-
    Cohen's d of change: the mean of `total` over `n` pairs in standard deviations (n − 1) of what the pairs began with,
    from its sum and sum of squares. NULL for fewer than two pairs, or where all began alike.
-#}
{% macro effect_size(total, n, spread_total, spread_squares) -%}
    (case when {{ n }} >= 2 then
        {{ ratio(
            ratio(total, n),
            "nullif(sqrt(greatest(0e0, " ~ ratio(
                "cast(" ~ spread_squares ~ " as double) - " ~ ratio(
                    "cast(" ~ spread_total ~ " as double) * cast(" ~ spread_total ~ " as double)", n),
                "(" ~ n ~ " - 1)"
            ) ~ ")), 0e0)"
        ) }}
    end)
{%- endmacro %}
