"""Invented names, put together from invented syllables.

What belongs here: the pools of given and family names. What does not: who bears them. No list of real names went into
them; a likeness with a real name is chance.
"""

from __future__ import annotations

from functools import cache

_HEADS = """
    Zel Quo Brim Vam Trosk Oph Ild Kez Yul Drov Grix Pav Wex Nym Hax Lumb Fesk Jorv Xan Ruz
    Thol Ebb Skor Mave Plim Cron Ulv Sib Gwex Tarv
""".split()  # noqa: SIM905
_TAILS = """
    ivar ondle esk umba ythe oquil azzo imber oveth arix ulda ennok isko uvren axil obri edden ystra ompel iquor
    othil uzane avisk ellum irbo ondru ekka ulmin aphor izet
""".split()  # noqa: SIM905
_FAMILY_HEADS = """
    Brask Drom Felv Gorth Harb Iskel Jund Kolv Lirg Mosk Norf Ostl Prask Querl Rindl Stov Tremb Ulsk Vorm Wisk
    Yarb Zund Clav Blenk Dusk Fjorl Grund Hesk Jasp Krell
""".split()  # noqa: SIM905
_FAMILY_MIDDLES = "a e i o u ara ebo ilu omi uva ethe ondo ari unno ello".split()  # noqa: SIM905
_FAMILY_TAILS = """
    mettar quist borvik vellen stolk dracht gond wythic mirk lornik skell tharp rucken vanek drick pellis fosk gravik
    lundar tarn
""".split()  # noqa: SIM905


@cache
def given_names() -> tuple[str, ...]:
    """900 given names."""
    return tuple(head + tail for head in _HEADS for tail in _TAILS)


@cache
def family_names() -> tuple[str, ...]:
    """9,000 family names."""
    return tuple(h + m + t for h in _FAMILY_HEADS for m in _FAMILY_MIDDLES for t in _FAMILY_TAILS)
