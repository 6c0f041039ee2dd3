"""Cases of silence by Stripe's list: each edge of what decides, and that habit decides where catch-up does not work."""

from __future__ import annotations

from bw_exporter.metrics import catalog
from bw_rules.detectors.silent_lapse.by_stripe import BACK, CLOCKS_DIFFER, INTERVAL, SLACK, TURNS
from bw_rules.toolkit.cases import ALWAYS, HOUR, MINUTE, Case, Outcome, Series, Steps

_NEWEST, _SUCCESS = catalog.STRIPE_NEWEST_EVENT.name, catalog.CATCH_UP_SUCCESS.name
_INTERVAL, _HEARD = catalog.CATCH_UP_INTERVAL.name, catalog.LAST_EVENT.name
_FRESH = TURNS * INTERVAL + SLACK
_UP: Steps = ((ALWAYS, 1),)


def cases(limit: int, created: int = ALWAYS, series: tuple[Series, ...] = ()) -> tuple[Case, ...]:
    """Return the cases of a tenant that may be silent for `limit` seconds by its habit."""
    silent = limit + HOUR

    def told(
        name: str,
        outcome: Outcome,
        *,
        heard: int | None,
        newest: int | None,
        success: int | None = MINUTE,
        up: Steps = _UP,
        more: tuple[Series, ...] = (),
    ) -> Case:
        moments = ((_NEWEST, newest), (_SUCCESS, success))
        own = (
            Series(metric, ((ALWAYS, ago),), timestamps=True) for metric, ago in moments if ago is not None
        )
        title = f"by Stripe's list: {name}"
        if heard == silent:  # what habit says needs an hour of the exporter
            return Case(title, outcome, (*series, *own, *more), created, heard, every=10 * MINUTE)
        return Case(title, outcome, (*own, *more), ALWAYS, heard, up, fine=True)

    event = 6 * MINUTE
    edge = event + CLOCKS_DIFFER
    away = 20 * MINUTE
    was_away: Steps = ((ALWAYS, 1), (away + 10 * MINUTE, 0), (away, 1))
    restored = Series(_HEARD, ((ALWAYS, event - 3 * MINUTE), (2 * MINUTE, 5 * HOUR)), timestamps=True)
    other = Series(_HEARD, ((ALWAYS, event - MINUTE),), "", "replica-1", timestamps=True)
    missed = (
        Series(_HEARD, ((ALWAYS, 12 * MINUTE), (4 * MINUTE, None)), timestamps=True),
        Series(_NEWEST, ((ALWAYS, event), (4 * MINUTE, None)), timestamps=True),
        Series(_SUCCESS, ((ALWAYS, 5 * MINUTE), (4 * MINUTE, None)), timestamps=True),
    )
    rare = Series(_INTERVAL, ((ALWAYS, HOUR),))
    removed = Series(_INTERVAL, ((ALWAYS, INTERVAL), (7 * MINUTE, 0)))
    return (
        told("an event of six minutes ago, and no webhook since", "fires", heard=10 * MINUTE, newest=event),
        told("a quiet shop, silent for longer than usual", "quiet", heard=silent, newest=silent),
        told("a quiet shop that was never heard of and made no event", "quiet", heard=0, newest=None),
        told("never heard of, and Stripe made an event", "fires", heard=0, newest=event),
        told("never heard of, without a series, and Stripe made an event", "fires", heard=None, newest=event),
        told("a webhook came after the event", "quiet", heard=event - MINUTE, newest=event),
        told("a webhook came before, as far as clocks may differ", "quiet", heard=edge, newest=event),
        told("a webhook came before, by more than that", "fires", heard=edge + 1, newest=event),
        told(
            "the other replica had a webhook since", "quiet", heard=10 * MINUTE, newest=event, more=(other,)
        ),
        told("catch-up succeeded just lately enough", "fires", heard=HOUR, newest=event, success=_FRESH),
        told(
            "catch-up succeeded too long ago, and no habit is broken",
            "quiet",
            heard=min(limit // 2, HOUR),
            newest=event,
            success=_FRESH + MINUTE,
        ),
        told("the key was revoked, and habit decides", "fires", heard=silent, newest=silent, success=HOUR),
        told("a key that never worked, and habit decides", "fires", heard=silent, newest=None, success=None),
        told(
            "the key was taken out seven minutes ago, and habit decides",
            "fires",
            heard=silent,
            newest=silent,
            success=7 * MINUTE,
            more=(removed,),
        ),
        told(
            "asked once an hour, the last time an hour ago",
            "fires",
            heard=2 * HOUR,
            newest=65 * MINUTE,
            success=HOUR,
            more=(rare,),
        ),
        told(
            "an event of while the exporter was away",
            "quiet",
            heard=HOUR,
            newest=away + 5 * MINUTE,
            up=was_away,
        ),
        told(
            "an event of since the exporter is back",
            "fires",
            heard=HOUR,
            newest=away - BACK - MINUTE,
            up=was_away,
        ),
        told(
            "a restored store has forgotten the webhook", "quiet", heard=None, newest=event, more=(restored,)
        ),
        Case(
            "by Stripe's list: no scrape succeeded for four minutes",
            "fires",
            missed,
            ALWAYS,
            None,
            fine=True,
        ),
    )
