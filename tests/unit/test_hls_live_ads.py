"""Segments of ad breaks are labelled, whatever marks the break."""

import pytest
from hls_stage import NOW, Stage, date_time, playlist
from threefive import Cue, TimeSignal
from threefive.descriptors import SegmentationDescriptor
from threefive.encode import mk_splice_insert

from pipeline.ingest.scte35 import Splice, splice_of, splice_of_text
from schemas import ContentLabel

OUT_30 = mk_splice_insert(7, pts=10.0, duration=30.0, out=True).base64()
BACK = mk_splice_insert(7, pts=40.0, out=False).base64()


def out_hex(seconds: float) -> str:
    return "0x" + bytes(mk_splice_insert(7, pts=10.0, duration=seconds, out=True).bytes()).hex().upper()


def labels(before: dict[int, str], *, count: int = 12, clock: bool = True, **more: object) -> str:
    """Follow 12 segments of 2 s, one by one, and return P or A for each."""
    with Stage() as stage:
        stage.show(playlist([0], zero=NOW if clock else None, before=before, **more))
        stage.look(2)
        for last in range(1, count):
            listed = range(max(0, last - 3), last + 1)
            stage.show(playlist(listed, zero=NOW if clock else None, before=before, **more))
            stage.look(2)
        assert stage.numbers() == list(range(count))
        return "".join("A" if s.label is ContentLabel.AD else "P" for s in stage.segments)


def date_range(start: float, attributes: str, name: str = "ad") -> str:
    return f'#EXT-X-DATERANGE:ID="{name}",START-DATE="{date_time(NOW + start)}",{attributes}\n'


@pytest.mark.parametrize("clock", [True, False])
@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ({3: "#EXT-X-CUE-OUT:8\n", 7: "#EXT-X-CUE-IN\n"}, "PPPAAAAPPPPP"),
        ({3: "#EXT-X-CUE-OUT:DURATION=8.0\n"}, "PPPAAAAPPPPP"),
        ({3: "#EXT-X-CUE-OUT:8\n", 5: "#EXT-X-CUE-IN\n"}, "PPPAAPPPPPPP"),
        ({3: "#EXT-X-CUE-OUT\n", 8: "#EXT-X-CUE-IN\n"}, "PPPAAAAAPPPP"),
        ({3: "#EXT-X-CUE-OUT\n"}, "PPPAAAAAAAAA"),
        ({3: "#EXT-X-CUE-OUT:8\n", 4: "#EXT-X-CUE-OUT:8\n", 8: "#EXT-X-CUE-IN\n"}, "PPPAAAAAPPPP"),
        ({3: "#EXT-X-CUE-OUT:4\n", **{n: f"#EXT-X-CUE-OUT-CONT:{2 * n - 6}/4\n" for n in range(4, 8)}}, "PPPAAAAAPPPP"),
        ({0: "#EXT-X-CUE-OUT-CONT:ElapsedTime=10,Duration=16\n"}, "AAAPPPPPPPPP"),
        ({0: "#EXT-X-CUE-OUT-CONT:10/16\n", 2: "#EXT-X-CUE-IN\n"}, "AAPPPPPPPPPP"),
        ({2: "#EXT-X-CUE-IN\n"}, "PPPPPPPPPPPP"),
        ({3: f"#EXT-OATCLS-SCTE35:{OUT_30}\n#EXT-X-CUE-OUT:30\n", 6: "#EXT-X-CUE-IN\n"}, "PPPAAAPPPPPP"),
        ({3: f"#EXT-OATCLS-SCTE35:{OUT_30}\n", 6: f"#EXT-OATCLS-SCTE35:{BACK}\n"}, "PPPAAAPPPPPP"),
        ({3: f'#EXT-X-SCTE35:ID="1",CUE="{OUT_30}",DURATION=6,CUE-OUT=YES\n'}, "PPPAAAPPPPPP"),
        ({3: f'#EXT-X-SCTE35:CUE="{OUT_30}"\n', 5: '#EXT-X-SCTE35:CUE-IN=YES\n'}, "PPPAAPPPPPPP"),
        ({3: "#EXT-X-CUE-OUT:4\n", 7: "#EXT-X-CUE-OUT:4\n"}, "PPPAAPPAAPPP"),
    ],
)  # fmt: skip
def test_markers_at_segments_label_a_break(before: dict[int, str], expected: str, clock: bool) -> None:
    assert labels(before, clock=clock) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (date_range(6, f"DURATION=8,SCTE35-OUT={out_hex(8)}"), "PPPAAAAPPPPP"),
        (date_range(6, f"PLANNED-DURATION=8,SCTE35-OUT={out_hex(30)}"), "PPPAAAAPPPPP"),
        (date_range(6, f"SCTE35-OUT={out_hex(10)}"), "PPPAAAAAPPPP"),
        (date_range(6, f'END-DATE="{date_time(NOW + 12)}",SCTE35-OUT={out_hex(30)}'), "PPPAAAPPPPPP"),
        (date_range(6, f"SCTE35-CMD={out_hex(8)}"), "PPPAAAAPPPPP"),
        (date_range(6, f"SCTE35-OUT={out_hex(30)}") + date_range(14, "SCTE35-IN=0xFC30"), "PPPAAAAPPPPP"),
        (date_range(6, f"SCTE35-OUT={out_hex(30)}") + date_range(6, "DURATION=4,SCTE35-IN=0xFC30"), "PPPAAPPPPPPP"),
        (date_range(6, 'DURATION=8,X-COM="chapter"'), "PPPPPPPPPPPP"),
        (date_range(6, "SCTE35-OUT=0xJUNK,DURATION=4"), "PPPAAPPPPPPP"),
    ],
)
def test_date_ranges_label_a_break(head: str, expected: str) -> None:
    assert labels({}, head=head) == expected


def test_a_break_without_an_end_is_over_after_ten_minutes() -> None:
    with Stage() as stage:
        before = {3: "#EXT-X-CUE-OUT\n"}
        for last in range(0, 400):
            stage.show(playlist(range(max(0, last - 3), last + 1), zero=NOW, before=before))
            stage.look(2)
        ads = [segment.number for segment in stage.segments if segment.label is ContentLabel.AD]
        assert ads == list(range(3, 303))


def test_a_break_of_one_rung_is_one_of_the_ladder() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 6), zero=NOW - 12, before={4: "#EXT-X-CUE-OUT:4\n"}), 360)
        stage.show(playlist(range(0, 6), zero=NOW - 12), 720)
        stage.look()
        assert [s.label.value for s in stage.segments] == ["program", "ad", "ad"] * 2


def time_signal(kind: int, seconds: float | None = None) -> str:
    cue, signal, descriptor = Cue(), TimeSignal(), SegmentationDescriptor()
    signal.time_specified_flag, signal.pts_time = True, 10.0
    descriptor.load({
        "segmentation_event_id": "0x7", "segmentation_event_cancel_indicator": False,
        "segmentation_event_id_compliance_indicator": True, "program_segmentation_flag": True,
        "segmentation_duration_flag": seconds is not None, "segmentation_duration": seconds,
        "delivery_not_restricted_flag": True, "segmentation_type_id": kind, "segmentation_upid_type": 0,
        "segmentation_upid_length": 0, "segmentation_upid": "", "segment_num": 0, "segments_expected": 0,
    })  # fmt: skip
    cue.command, cue.descriptors = signal, [descriptor]
    return str(cue.base64())


@pytest.mark.parametrize(
    ("text", "splice"),
    [
        (OUT_30, Splice(is_out=True, duration_seconds=30.0, auto_return=True, event_id=7)),
        (OUT_30.rstrip("="), Splice(is_out=True, duration_seconds=30.0, auto_return=True, event_id=7)),
        (BACK, Splice(is_out=False, event_id=7)),
        (time_signal(0x34, 60.0), Splice(is_out=True, duration_seconds=60.0, auto_return=True, event_id=7)),
        (time_signal(0x35), Splice(is_out=False, auto_return=True, event_id=7)),
        (time_signal(0x10), None),
        ("0xFC", None), ("", None), ("not base64!", None), ("A" * 10_000, None),
    ],
)  # fmt: skip
def test_scte35_says_out_or_back(text: str, splice: Splice | None) -> None:
    assert splice_of_text(text) == splice


def test_a_damaged_scte35_message_says_nothing_and_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    whole = bytes(mk_splice_insert(7, pts=10.0, duration=30.0, out=True).bytes())
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        assert splice_of(bytes(damaged)) is None
        assert splice_of(whole[:position]) is None
    assert capfd.readouterr() == ("", "")
