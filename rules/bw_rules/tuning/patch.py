"""What was picked, as a patch of tenants.yaml: comments say what each choice would have let fire and let pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from bw_rules.backtest.report import length, moment
from bw_rules.tuning import marks as judged

if TYPE_CHECKING:
    from bw_rules.backtest.trial import Result
    from bw_rules.tuning.choice import Choice, Tried
    from bw_rules.tuning.ladder import Step
    from bw_rules.tuning.marks import Mark

_SHOWN_EPISODES = 5


def written(result: Result, choices: Sequence[Choice], marks: Sequence[Mark], most_a_month: float) -> str:
    """Return the patch; without a proposal it is comments alone."""
    lines = [
        f"# {moment(result.start_at)} to {moment(result.end_at)} (UTC), {len(marks)} marks; at most {most_a_month:g} "
        "alerts a month of each tenant's detector"
    ]
    for one in choices:
        lines += ["#", *_reasons(one, marks)]
    proposed = [one for one in choices if one.proposed]
    if not proposed:
        return "\n".join([*lines, "#", "# Nothing to change."]) + "\n"
    lines += ["#", "# To be merged into tenants.yaml:", "tenants:"]
    for tenant in dict.fromkeys(one.tenant for one in proposed):
        lines += [f"  {tenant}:", "    detectors:"]
        lines += [
            f"      {one.detector}: {{{named(one.proposed.step)}}}"
            for one in proposed
            if one.tenant == tenant and one.proposed
        ]
    return "\n".join(lines) + "\n"


def named(step: Step) -> str:
    """Return a step as tenants.yaml has it.

    >>> named({"sensitivity": "low", "min_disputes": 6})
    'sensitivity: low, min_disputes: 6'
    """
    return ", ".join(f"{key}: {value}" for key, value in step.items())


def _reasons(one: Choice, marks: Sequence[Mark]) -> Iterator[str]:
    yield f"# {one.tenant}, {one.detector}"
    for tried in one.tried:
        sign = "->" if tried is one.proposed else "  "
        yield f"# {sign} {named(tried.step) or 'as it is'}: {_became(tried)}"
    if one.proposed:
        yield from _passed(one.proposed, marks)
    if len(one.tried) == 1:
        yield "#    No threshold makes it quieter: it tells of what was found. Its other keys say what is looked for."
    elif not one.enough:
        yield "#    Nothing that was tried is quiet enough without hiding what is confirmed."


def _became(tried: Tried) -> str:
    said = [f"{tried.a_month:.1f} a month"]
    if tried.step:
        said.append(f"lets pass {len(tried.passed)}")
    if tried.hides_confirmed:
        said.append(f"hides {tried.hides_confirmed} confirmed")
    if tried.keeps_false:
        said.append(f"{tried.keeps_false} marked false")
    return ", ".join(said)


def _passed(tried: Tried, marks: Sequence[Mark]) -> Iterable[str]:
    for episode in tried.passed[:_SHOWN_EPISODES]:
        mark = judged.said(marks, episode)
        yield (
            f"#      lets pass {moment(episode.begin_at)}, {length(episode)}{f', marked {mark}' if mark else ''}: "
            f"{' '.join(episode.description.split())}"
        )
    if len(tried.passed) > _SHOWN_EPISODES:
        yield f"#      and {len(tried.passed) - _SHOWN_EPISODES} more"
