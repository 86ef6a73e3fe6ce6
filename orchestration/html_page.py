"""Pages that need nothing from elsewhere: the frame, the tables and the base style that every page of ours shares.

What belongs here: the document around a page's content, and what makes its tables read on a phone and aloud. What does
not: what any page says.

No script, no font and no file is loaded, and the page's own policy forbids it. Whatever comes from outside goes through
:func:`escape`.
"""

from __future__ import annotations

import html
from collections.abc import Sequence


def escape(text: str | None) -> str:
    """Text as content or as a quoted attribute."""
    return html.escape(text or "")


def document(title: str, body: str, style: str = "") -> str:
    """A whole page. ``title`` is plain text; ``body`` and ``style`` are ready."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>\n<main>\n"
        f"{body}\n</main>\n</body>\n</html>\n"
    )


def html_table(caption: str, headers: Sequence[str], body: str) -> str:
    """A table that stays one for screen readers when narrow screens show its rows as cards."""
    head = "".join(f'<th scope="col" role="columnheader">{name}</th>' for name in headers)
    return (
        f'<table role="table"><caption>{caption}</caption><thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table>'
    )


def html_row(*cells: tuple[str, str], id: str = "") -> str:
    """One row of (header, content as HTML)."""
    inner = "".join(f'<td role="cell" data-label="{label}"><span>{content}</span></td>' for label, content in cells)
    return f'<tr role="row"{f" id={chr(34)}{id}{chr(34)}" if id else ""}>{inner}</tr>\n'


STYLE = """
:root{color-scheme:light dark;--line:#c9ced6;--soft:#f3f5f8;--text:#1b1f24;--quiet:#57606a;--good:#1a6b3c;
--hold:#8a5300;--bad:#a3212b}
@media (prefers-color-scheme:dark){:root{--line:#3b434c;--soft:#1f252c;--text:#e8ebee;--quiet:#a4adb6;--good:#7fd19f;
--hold:#f0b45c;--bad:#ff9aa0}body{background:#14181d}}
*{box-sizing:border-box}
body{margin:0;font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;color:var(--text)}
main{max-width:72rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .25rem}
h2{font-size:1.15rem;margin:2rem 0 .5rem}
.where,footer{color:var(--quiet);overflow-wrap:anywhere}
.figures{display:flex;flex-wrap:wrap;gap:.75rem;margin:1rem 0}
.figures div{flex:1 1 9rem;border:1px solid var(--line);border-radius:.4rem;padding:.6rem .9rem;display:flex;
flex-direction:column}
.figures dd{margin:0;font-size:1.6rem;font-weight:600;font-variant-numeric:tabular-nums}
.figures dt{color:var(--quiet)}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{text-align:left;vertical-align:top;padding:.5rem .6rem;border-bottom:1px solid var(--line);
overflow-wrap:break-word}
th{background:var(--soft);font-size:.9rem;white-space:nowrap}
code,samp{font-family:ui-monospace,Consolas,Menlo,monospace;font-size:.9em}
code,.none{color:var(--quiet)}
@media (max-width:44rem){
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table,tbody,tr,td{display:block;width:100%}
tr{border:1px solid var(--line);border-radius:.4rem;margin:0 0 .75rem;padding:.35rem .25rem}
td{border:0;padding:.2rem .6rem;display:grid;grid-template-columns:6.5rem 1fr;gap:.5rem}
td:has(>span:empty){display:none}
td::before{content:attr(data-label);color:var(--quiet);font-size:.9rem}
}
"""
