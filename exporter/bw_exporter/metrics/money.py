"""Currencies as Stripe's API represents them: which exist, and how many minor units make a whole."""

from __future__ import annotations

OTHER = "other"
"""The label value of a currency that is not in the list."""

_ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
_THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())
_TWO_DECIMAL = frozenset(
    """
    aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd btn bwp byn bzd cad cdf
    chf cny cop crc cup cve czk dkk dop dzd egp ern etb eur fjd fkp gbp gel ghs gip gmd gtq gyd hkd hnl
    hrk htg huf idr ils inr iqd irr isk jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl lyd mad mdl mkd mmk
    mnt mop mru mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub
    sar sbd scr sdg sek sgd shp sle sll sos srd ssp std stn svc syp szl thb tjs tmt top try ttd twd tzs
    uah ugx usd uyu uzs ves wst xcd xcg yer zar zmw zwl
    """.split()
)

MINOR_UNITS: dict[str, int] = {
    **dict.fromkeys(_ZERO_DECIMAL, 1),
    **dict.fromkeys(_TWO_DECIMAL, 100),
    **dict.fromkeys(_THREE_DECIMAL, 1000),
    OTHER: 100,
}
"""Minor units per whole unit by lower-case currency code.

From Stripe's list of zero- and three-decimal currencies (docs.stripe.com/currencies): isk and ugx are
given with two decimals by the API although they have none; mga has none although ISO 4217 says two.
"""


def currency_label(code: str | None) -> str:
    """Return the code itself where it is a known currency, else `other`, so that labels stay bounded."""
    if code is None:
        return OTHER
    code = code.lower()
    return code if code in MINOR_UNITS else OTHER
