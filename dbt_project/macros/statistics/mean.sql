{#-
    Student's t: two-sided quantile by degrees of freedom. Up to 30 the correctly rounded values; above, the quantile is a
    smooth function of 1/df and a polynomial through the normal quantile meets it to 1e-16. NULL below 1.
-#}
{% macro t_constants(confidence) -%}
    {%- set constants = {
        '95': {
            'table': [
                '1.2706204736174705e1', '4.3026527297494639e0', '3.1824463052837096e0', '2.7764451051977944e0',
                '2.5705818356363155e0', '2.4469118511449700e0', '2.3646242515927853e0', '2.3060041352041667e0',
                '2.2621571627982055e0', '2.2281388519862747e0', '2.2009851600916399e0', '2.1788128296672289e0',
                '2.1603686564627925e0', '2.1447866879178038e0', '2.1314495455597757e0', '2.1199052992212547e0',
                '2.1098155778333171e0', '2.1009220402410385e0', '2.0930240544083098e0', '2.0859634472658648e0',
                '2.0796138447276804e0', '2.0738730679040262e0', '2.0686576104190487e0', '2.0638985616280258e0',
                '2.0595385527532977e0', '2.0555294386428732e0', '2.0518305164802856e0', '2.0484071417952452e0',
                '2.0452296421327043e0', '2.0422724563012383e0'
            ],
            'polynomial': [
                '1.95996398454005424e0', '2.37227123029854453e0', '2.82249861575192566e0', '2.55584967640287358e0',
                '1.58953445586175272e0', '7.32868121424503985e-1', '6.28825784749899517e-1',
                '9.36725141982470384e-2', '-1.23795290899622632e0'
            ]
        },
        '99.8': {
            'table': [
                '3.1830883898555045e2', '2.2327124770119875e1', '1.0214531852407387e1', '7.1731822197823085e0',
                '5.8934295313560101e0', '5.2076262387253637e0', '4.7852896286383341e0', '4.5007909337237248e0',
                '4.2968056627299185e0', '4.1437004940465897e0', '4.0247010376307383e0', '3.9296332646264919e0',
                '3.8519823911683876e0', '3.7873902375233466e0', '3.7328344253109003e0', '3.6861547926860135e0',
                '3.6457673800784094e0', '3.6104848848250933e0', '3.5794001489547159e0', '3.5518083432033332e0',
                '3.5271536688691776e0', '3.5049920310846620e0', '3.4849643749398135e0', '3.4667772980160277e0',
                '3.4501887269730640e0', '3.4349971815631163e0', '3.4210336212293055e0', '3.4081551783533593e0',
                '3.3962402883568030e0', '3.3851848668293051e0'
            ],
            'polynomial': [
                '3.09023230616781354e0', '8.15012901350257074e0', '1.96925289437653588e1', '3.61540414078775682e1',
                '4.85745759331886099e1', '4.71243375538688515e1', '4.14137016844966656e1',
                '5.48921584512335535e1', '3.57709667506648297e1'
            ]
        }
    } -%}
    {{ return(constants[confidence | string]) }}
{%- endmacro %}

{% macro t_quantile(df, confidence) -%}
    {%- set constants = t_constants(confidence) -%}
    {%- set horner = namespace(sql=constants['polynomial'][-1]) -%}
    {%- for coefficient in constants['polynomial'][:-1] | reverse -%}
        {%- set horner.sql = coefficient ~ " + " ~ ratio(1, df) ~ " * (" ~ horner.sql ~ ")" -%}
    {%- endfor -%}
    (case
        {%- for quantile in constants['table'] %}
        when {{ df }} = {{ loop.index }} then {{ quantile }}
        {%- endfor %}
        when {{ df }} > 30 then {{ horner.sql }}
    end)
{%- endmacro %}

{#- Half the width of the t interval of a mean, from its count, sum and sum of squares. NULL for fewer than two. -#}
{% macro mean_half_width(n, total, total_of_squares, confidence) -%}
    (case when {{ n }} >= 2 then
        {{ t_quantile("(" ~ n ~ " - 1)", confidence) }}
        * sqrt(greatest(0e0, {{ ratio(
            "cast(" ~ total_of_squares ~ " as double) - " ~ ratio(
                "cast(" ~ total ~ " as double) * cast(" ~ total ~ " as double)", n),
            "cast(" ~ n ~ " as double) * (" ~ n ~ " - 1)"
        ) }}))
    end)
{%- endmacro %}
