{#-
    Interval of a count x (events of a rate), after Byar from 10 on and exact Poisson below. Below 10 the exact limits
    depend on nothing but x and the confidence, so they are constants: no chi-square function is needed, and both engines
    give the same digits. Divide by the exposure (and multiply) for a rate. NULL for a negative or broken count below 10.
-#}
{% macro count_lower(x, confidence) -%}
    {%- set exact = {
        '95': [
            '0e0', '2.5317807984289875e-2', '2.4220927854396490e-1', '6.1867212289560129e-1',
            '1.0898653736263249e0', '1.6234863901184205e0', '2.2018942534908508e0',
            '2.8143630515198661e0', '3.4538321767485013e0', '4.1153730973783324e0'
        ],
        '99.8': [
            '0e0', '1.0005003335835335e-3', '4.5402017769489557e-2', '1.9053337756840319e-1',
            '4.2855241362842297e-1', '7.3937173191783252e-1', '1.1071046602556393e0',
            '1.5203362603988091e0', '1.9708139217403658e0', '2.4524244043637749e0'
        ]
    }[confidence | string] -%}
    (case
        {%- for limit in exact %}
        when {{ x }} = {{ loop.index0 }} then {{ limit }}
        {%- endfor %}
        when {{ x }} >= 10 then
            {{ x }} * power(1e0 - {{ ratio(1, "9e0 * " ~ x) }}
                - {{ ratio(z_quantile(confidence), "3e0 * sqrt(" ~ x ~ ")") }}, 3)
    end)
{%- endmacro %}

{% macro count_upper(x, confidence) -%}
    {%- set exact = {
        '95': [
            '3.6888794541139363e0', '5.5716433909388986e0', '7.2246876677239608e0', '8.7672730697423260e0',
            '1.0241588675403698e1', '1.1668332079322670e1', '1.3059474022518685e1',
            '1.4422675361702379e1', '1.5763189220193315e1', '1.7084803451419170e1'
        ],
        '99.8': [
            '6.9077552789821371e0', '9.2334134764515857e0', '1.1228872242412663e1', '1.3062240779188071e1',
            '1.4794149222537209e1', '1.6454745203680107e1', '1.8061636840199070e1',
            '1.9626177395384238e1', '2.1156198165839983e1', '2.2657373309062931e1'
        ]
    }[confidence | string] -%}
    (case
        {%- for limit in exact %}
        when {{ x }} = {{ loop.index0 }} then {{ limit }}
        {%- endfor %}
        when {{ x }} >= 10 then
            ({{ x }} + 1e0) * power(1e0 - {{ ratio(1, "9e0 * (" ~ x ~ " + 1e0)") }}
                + {{ ratio(z_quantile(confidence), "3e0 * sqrt(" ~ x ~ " + 1e0)") }}, 3)
    end)
{%- endmacro %}
