"""The faults of the live origin as they are asked for: names, scripts, rungs, and what is refused."""

import pytest

from pipeline.errors import UsageError
from workers.simulate import KINDS, scripted, scripted_list
from workers.simulate.faults import Faults, kind_of, rung_of

RUNGS = ("360p", "270p", "180p")


def test_every_fault_says_in_a_line_what_it_does_and_what_is_to_be_found() -> None:
    for name, kind in KINDS.items():
        assert kind.name == name and kind.segments > 0
        assert 0 < len(kind.help) < 100 and 0 < len(kind.finding) < 100
        assert (kind.value is None) == (not kind.unit)


def test_the_faults_of_the_plan_are_there() -> None:
    wanted = "starved frozen black stale missing_segment errors slow time_jump ad_break discontinuity sequence_back"
    assert set(wanted.split()) | {"rung_gone", "target_duration", "wrong_bandwidth", "cdn_down"} <= set(KINDS)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("starved@30", ("starved", 30, None, None, None)),
        ("starved@30+20:270p", ("starved", 30, 20, "270p", None)),
        ("time-jump@5.5=-36", ("time_jump", 5.5, None, None, -36)),
        ("slow@1+2:all=2.5", ("slow", 1, 2, "all", 2.5)),
    ],
)
def test_a_scripted_fault_is_read(text, values) -> None:
    each = scripted(text)
    assert (each.name, each.start_seconds, each.seconds, each.rung, each.value) == values
    fields = {"fault": values[0], "at": values[1], "for": values[2], "rung": values[3], "value": values[4]}
    assert scripted_list([text, fields], "faults.yaml") == (each, each)


@pytest.mark.parametrize("text", ["starved", "starved@", "nonsense@3", "starved@1.2.3", "starved@3+x", "@3"])
def test_a_scripted_fault_that_cannot_be_read_is_refused(text) -> None:
    with pytest.raises(UsageError):
        scripted(text)


@pytest.mark.parametrize(
    "document", [{"a": 1}, [3], [{"fault": "starved"}], [{"fault": "starved", "at": "x"}], "starved@3"]
)
def test_a_file_of_something_else_is_refused(document) -> None:
    with pytest.raises(UsageError, match=r"faults\.yaml"):
        scripted_list(document, "faults.yaml")


def test_an_unknown_fault_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="starved"):
        kind_of("melted")


def test_the_rung_is_the_second_best_or_all_where_none_is_named() -> None:
    assert rung_of(KINDS["starved"], None, RUNGS) == "270p"
    assert rung_of(KINDS["starved"], "all", RUNGS) is None
    assert rung_of(KINDS["frozen"], None, RUNGS) is None
    assert rung_of(KINDS["frozen"], "180p", RUNGS) == "180p"


def test_a_rung_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="360p, 270p, 180p"):
        rung_of(KINDS["frozen"], "1080p", RUNGS)
    with pytest.raises(UsageError, match="leave the rung out"):
        rung_of(KINDS["ad_break"], "360p", RUNGS)


def test_a_fault_is_on_until_its_end_or_until_it_is_cleared() -> None:
    faults = Faults()
    values = {"rung": None, "since_seconds": 10.0, "until_seconds": 20.0}
    first = faults.add({"kind": KINDS["black"], **values})
    second = faults.add({"kind": KINDS["stale"], **values})
    assert faults.on(10.0) == () and faults.on(10.1) == (first, second) and faults.on(20.1) == ()
    assert faults.to_come(5.0) == (first, second)
    assert faults.clear("black", 15.0) == (first,)
    assert faults.on(15.1) == (second,)
    assert len(faults.on(14.9)) == 2, "what was published meanwhile keeps it"
    assert faults.clear(second.fault_id, 16.0) == (second,)
    assert faults.clear(None, 16.0) == ()
