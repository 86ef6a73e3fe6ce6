"""How the catalogue looks, beyond the base of all pages: colours of marks, pictures beside each other, print.

Colours keep 4.5:1 against their ground in light and dark (text) or 3:1 (marks), and are told apart by people who don't
see red and green.
"""

STYLE = """
:root{--blue:#0b5fa5;--orange:#a84300;--purple:#6a3d9a;--teal:#00666b;--grey:#57606a;--band:#dfe8f2;--ground:#fff;
--link:#0b5fa5}
@media (prefers-color-scheme:dark){:root{--blue:#74b8ff;--orange:#ffa866;--purple:#cbaaff;--teal:#5ed3cd;--grey:#a4adb6;
--band:#26384b;--ground:#14181d;--link:#74b8ff}}
a{color:var(--link)}
a:focus-visible,summary:focus-visible{outline:3px solid var(--link);outline-offset:2px}
h3{font-size:1rem;margin:1.25rem 0 .25rem}
.lead{font-size:1.1rem;margin:.25rem 0 .5rem}
nav ul{list-style:none;padding:0;margin:.5rem 0;display:flex;flex-wrap:wrap;gap:.25rem 1.1rem}
nav.turn{display:flex;justify-content:space-between;gap:1rem;border-top:1px solid var(--line);margin-top:2rem;
padding-top:.75rem}
.badge{display:inline-block;border:1px solid;border-radius:.3rem;padding:0 .45rem;font-size:.85rem;
margin:0 .35rem .25rem 0;color:var(--quiet);white-space:nowrap}
.badge.doubt{color:var(--hold)}
.glance{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin:1rem 0}
.glance>div{max-width:22rem;border:1px solid var(--line);border-radius:.4rem;padding:.5rem .75rem}
.glance dt{color:var(--quiet);font-size:.9rem;overflow-wrap:anywhere}
.glance dd{margin:0}
.glance dd strong{display:block;font-size:1.25rem;line-height:1.3;font-variant-numeric:tabular-nums}
.glance dd small{color:var(--quiet);font-size:.9rem;display:block}
.overview{margin:0}
@media (min-width:44.01rem){.overview table{table-layout:fixed}
.overview th:nth-child(2){width:10rem}.overview th:nth-child(3){width:11.5rem}.overview th:nth-child(4){width:11.5rem}
.overview th:nth-child(5){width:12rem}}
.pair{display:grid;grid-template-columns:1fr;gap:1rem 2rem;align-items:start}
figure{margin:.5rem 0;min-width:0}
figcaption{font-weight:600}
figure p{margin:.35rem 0;color:var(--quiet)}
@media (min-width:60rem){.pair,.beside{display:grid;grid-template-columns:1fr 1fr;gap:0 2rem}
.beside figcaption{grid-column:1/3}.beside .said{align-self:center}}
.chart{display:block;width:100%;max-width:36rem;height:auto}
.spark{display:block;width:10rem;max-width:100%;height:auto}
svg text{font:11.5px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--quiet)}
svg .tag text{fill:var(--text);font-weight:600}
svg .name text{fill:var(--text)}
.line,.limit,.mean,.target,.grid,.tick,.whisker,.funnel95,.funnel998{fill:none}
.grid{stroke:var(--line);stroke-width:.6;opacity:.7}
.tick{stroke:var(--grey);stroke-width:1}
.line{stroke:var(--grey);stroke-width:1.3}
.limit{stroke:var(--grey);stroke-width:1.1;stroke-dasharray:5 3}
.mean{stroke:var(--grey);stroke-width:1.1}
.target{stroke:var(--teal);stroke-width:1.6;stroke-dasharray:9 3 2 3}
.whisker{stroke:var(--grey);stroke-width:1.2}
.funnel95{stroke:var(--grey);stroke-width:1.1;stroke-dasharray:3 3}
.funnel998{stroke:var(--grey);stroke-width:1.3}
.band{fill:var(--band)}
.mark{stroke-width:1.2}
.mark.plain,.mark.common_cause{fill:var(--grey);stroke:var(--grey)}
.mark.edge{fill:var(--ground);stroke:var(--grey)}
.mark.improvement{fill:var(--blue);stroke:var(--blue)}
.mark.concern{fill:var(--orange);stroke:var(--orange)}
.mark.high,.mark.low{fill:var(--purple);stroke:var(--purple)}
.mark.suppressed,.mark.no_data,.mark.not_computed,.mark.not_published{fill:none;stroke:var(--grey)}
.mark.hollow{fill:var(--ground)}
.key{width:.9rem;height:.9rem;vertical-align:-.1em;margin-right:.35rem}
.legend{list-style:none;padding:0;margin:.25rem 0;display:flex;flex-wrap:wrap;gap:.15rem 1rem;font-size:.9rem;
color:var(--quiet)}
.hidden{color:var(--quiet);font-style:italic}
.improvement,.concern,.high,.low{font-weight:600}
td .improvement,dd .improvement{color:var(--blue)}
td .concern,dd .concern{color:var(--orange)}
td .high,td .low,dd .high,dd .low{color:var(--purple)}
td[data-label=Value],td[data-label=Latest]{white-space:nowrap;font-variant-numeric:tabular-nums}
td small{color:var(--quiet);white-space:normal}
@media (min-width:44.01rem){td[data-label=Value] small,td[data-label=Quartile] small,td[data-label="95 % interval"],
td[data-label="Rounding leaves"]{white-space:nowrap}td[data-label=Quality]{min-width:8.5rem}}
tr:target{background:var(--band)}
details{margin:.5rem 0}
summary{cursor:pointer;color:var(--link);padding:.3rem 0}
.scroll{overflow-x:auto}
.plain th,.plain td{padding:.3rem .5rem;font-size:.9rem}
.minis{display:grid;grid-template-columns:repeat(auto-fill,minmax(14rem,1fr));gap:.75rem;list-style:none;padding:0}
.minis li{border:1px solid var(--line);border-radius:.4rem;padding:.5rem .75rem}
.minis .spark{width:100%}
.minis p{margin:.15rem 0;font-size:.9rem}
.definition{display:grid;grid-template-columns:minmax(8rem,14rem) 1fr;gap:.35rem 1rem}
.definition dt{color:var(--quiet)}
.definition dd{margin:0;overflow-wrap:anywhere}
@media (max-width:44rem){
.chart text{font-size:13px}
.definition{grid-template-columns:1fr;gap:0}
.definition dd{margin:0 0 .6rem}
.plain,.plain tbody{display:table;width:auto}
.plain tbody{display:table-row-group}
.plain thead{position:static;clip-path:none;width:auto;height:auto;display:table-header-group}
.plain tr{display:table-row;border:0}
.plain td{display:table-cell;border-bottom:1px solid var(--line);width:auto}
.plain td::before{content:none}
td[data-label=Value],td[data-label=Latest]{white-space:normal}
}
@media print{
:root{color-scheme:light;--text:#000;--quiet:#333;--line:#999;--soft:#fff;--band:#e4e4e4;--ground:#fff;--link:#000;
--blue:#0b5fa5;--orange:#a84300;--purple:#6a3d9a;--teal:#00666b;--grey:#444}
body{background:#fff;font-size:10pt}
main{max-width:none;padding:0}
nav,.turn{display:none}
figure,.minis li,tr{break-inside:avoid}
h2,h3{break-after:avoid}
}
"""
