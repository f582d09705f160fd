"""What each format writes, read back by something that is not ours."""

import csv
import io
import json

import pyarrow.parquet as pq
import pytest
from score_factory import dead_letter, demo_scores, ladder, scored

from pipeline.errors import UsageError
from pipeline.report.formats import COLUMNS, WRITERS, Target
from pipeline.report.summary import summarise
from schemas import QualityPoint, SegmentScored


def _write(name, scores, target, rejected=()):
    writer = WRITERS[name](target)
    for each in scores:
        writer.add(each)
    writer.close(summarise(scores, [ladder()]), rejected)


def _text(name, scores, rejected=()):
    out = io.StringIO()
    _write(name, scores, Target(stdout=out), rejected)
    return out.getvalue()


def test_json_lines_are_the_scores_and_nothing_else() -> None:
    lines = _text("jsonl", demo_scores(), [dead_letter()]).splitlines()
    assert [SegmentScored.model_validate_json(line) for line in lines] == demo_scores()


def test_json_lines_come_as_the_scores_come() -> None:
    out = io.StringIO()
    writer = WRITERS["jsonl"](Target(stdout=out))
    writer.add(scored(80))
    assert out.getvalue().endswith("}\n")


def test_json_is_one_document_with_streams_and_rejections() -> None:
    document = json.loads(_text("json", demo_scores(), [dead_letter()]))
    assert document["model"]["name"] == "swinv2-temporal"
    assert document["sampler"]["frames"] == 8
    (stream,) = document["streams"]
    assert [each["rendition_id"] for each in stream["renditions"]] == ["720p", "540p", "360p", "216p"]
    assert stream["ladder"]["stream_id"] == "demo"
    assert QualityPoint.model_validate(stream["renditions"][0]["points"][0]) == QualityPoint.of(demo_scores()[0])
    assert document["rejected"][0]["reason"] == "audio_only"


def test_json_of_nothing_scored_has_no_model() -> None:
    document = json.loads(_text("json", [], [dead_letter()]))
    assert document["model"] is None
    assert document["streams"] == []


def test_csv_has_a_header_and_a_row_a_segment() -> None:
    rows = list(csv.DictReader(io.StringIO(_text("csv", demo_scores()))))
    assert list(rows[0]) == list(COLUMNS)
    assert len(rows) == 24
    frozen = next(row for row in rows if row["rendition_id"] == "540p" and row["segment_number"] == "2")
    assert (frozen["findings"], frozen["score"], frozen["frame_rate"]) == ("frozen", "31.0", "25")


def test_csv_keeps_names_with_commas_quotes_and_line_breaks() -> None:
    name = 'a, "b"\nc'
    (row,) = csv.DictReader(io.StringIO(_text("csv", [scored(80, stream=name)]), newline=""))
    assert row["stream_id"] == name


def test_parquet_is_typed_and_equal_to_the_scores(tmp_path) -> None:
    path = tmp_path / "scores.parquet"
    _write("parquet", [*demo_scores(), scored(70, stream="photo", seconds=0, bitrate_bps=None)], Target(path))
    table = pq.read_table(path)
    assert table.column_names == list(COLUMNS)
    kinds = {name: str(table.schema.field(name).type) for name in ("score", "bitrate_bps", "findings", "interlaced")}
    assert kinds == {
        "score": "double",
        "bitrate_bps": "int64",
        "findings": "list<element: string>",
        "interlaced": "bool",
    }
    rows = table.to_pylist()
    assert rows[8]["findings"] == ["frozen"]
    assert rows[-1]["bitrate_bps"] is None
    assert [row["score"] for row in rows[:6]] == [each.score for each in demo_scores()[:6]]


def test_parquet_of_nothing_is_a_table_without_rows(tmp_path) -> None:
    path = tmp_path / "none.parquet"
    _write("parquet", [], Target(path))
    assert pq.read_table(path).num_rows == 0


def test_parquet_to_stdout_is_refused_with_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"--out FILE\.parquet"):
        WRITERS["parquet"](Target())


@pytest.mark.parametrize("name", list(WRITERS))
def test_a_place_that_cannot_be_written_is_known_at_once(name, tmp_path) -> None:
    with pytest.raises(UsageError, match="name a file in a folder that exists"):
        WRITERS[name](Target(tmp_path / "absent" / "scores"))


@pytest.mark.parametrize("name", list(WRITERS))
def test_every_format_can_go_to_a_file(name, tmp_path) -> None:
    path = tmp_path / "scores"
    _write(name, demo_scores(), Target(path), [dead_letter()])
    assert path.stat().st_size > 0


def test_every_column_is_described() -> None:
    import pipeline.report.formats as module  # noqa: PLC0415

    assert all(name in module.__doc__ for name in COLUMNS)
