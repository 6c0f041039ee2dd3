from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bw_exporter.config import durations
from bw_exporter.config.values import NamesUpTo
from bw_exporter.metrics.catalog import LAG_BUCKETS_SECONDS
from bw_rules.detectors import DETECTORS, THRESHOLDS
from bw_rules.toolkit.promql import Scope
from bw_rules.toolkit.thresholds import Base, Bounded, DurationBetween, NumberBetween, OrAuto, WholeBetween

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


def values(name: str, field: FieldInfo) -> st.SearchStrategy[Any]:
    if name == "max_lag":
        return st.sampled_from([f"{bucket}s" for bucket in LAG_BUCKETS_SECONDS])
    found: st.SearchStrategy[Any] = st.sampled_from(getattr(field.annotation, "__args__", (True, False)))
    match next((item for item in field.metadata if isinstance(item, Bounded)), None):
        case DurationBetween() as kind:
            step = durations.parse(kind.step)
            low, high = durations.parse(kind.minimum) // step, durations.parse(kind.maximum) // step
            found = st.integers(low, high).map(lambda steps: durations.render(steps * step))
        case NumberBetween() as kind:
            found = st.integers(kind.minimum * 1000 + 1, kind.maximum * 1000).map(lambda n: Decimal(n) / 1000)
        case WholeBetween() as kind:
            found = st.integers(kind.minimum, kind.maximum)
        case NamesUpTo() as kind:
            found = st.lists(st.text(min_size=1, max_size=40), max_size=kind.most, unique=True)
        case OrAuto():
            found = st.one_of(st.just("auto"), st.integers(60, 30 * 86_400).map(durations.render))
    return found


@st.composite
def thresholds(draw: st.DrawFn, detector: str) -> Base:
    model = THRESHOLDS[detector]
    given_values = {
        field.alias or name: draw(values(name, field)) for name, field in model.model_fields.items()
    }
    try:
        return model.model_validate(given_values)
    except ValidationError:  # a weekday comparison wants whole weeks
        return model.model_validate(given_values | {"baseline": "14d"})


@pytest.mark.parametrize("detector", DETECTORS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data(), tenants=st.sampled_from(["", 'tenant="a"', 'tenant=~"a|b"', 'tenant!~"a|b"']))
def test_any_thresholds_make_promql_in_whole_numbers_and_cases_that_can_be_told(
    detector: str, data: st.DataObject, tenants: str
):
    chosen = data.draw(thresholds(detector))
    found, scope = DETECTORS[detector], Scope("billing-exporter", tenants)
    condition = found.condition(chosen, scope)
    promql_parser.parse(condition)
    assert not re.search(r"(?<!\")\b\d+\.\d+\b(?!\")", condition)
    promql_parser.parse(found.threshold(chosen, scope).expr)
    for recording in found.recordings(chosen, scope.everyone):
        promql_parser.parse(recording.expr)
        assert re.fullmatch(r"[a-z]+:[a-z0-9_]+:[a-z0-9_]+", recording.name)
    assert found.description(chosen)
    assert {case.outcome for case in found.cases(chosen)} == {"fires", "quiet"}


def test_an_override_reads_its_own_tenants_alone():
    scope = Scope("billing-exporter", 'tenant=~"a|b"')
    for name, detector in DETECTORS.items():
        text = detector.condition(THRESHOLDS[name](), scope)
        text += detector.threshold(THRESHOLDS[name](), scope).expr
        selectors = re.findall(r"tenant:[\w:]+(?:\{[^}]*\})?|billing_(?:last|tenant)\w*\{[^}]*\}", text)
        assert selectors
        assert all(scope.tenants in selector for selector in selectors), name
