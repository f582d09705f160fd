"""The table in a terminal: it fits, it shows the run, and it says what failed."""

import io

import pytest
from rich.console import Console
from score_factory import dead_letter, demo_scores, ladder, series

from pipeline.report.summary import summarise
from pipeline.report.table import console_for, print_run, sparkline


def _printed(streams, width=100, rejected=()):
    out = io.StringIO()
    print_run(Console(file=out, width=width, highlight=False), streams, rejected)
    return out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_no_line_is_wider_than_the_terminal(width) -> None:
    streams = summarise([*demo_scores(), *series([80, 82], stream="a/very/long/" * 8 + "name.mp4", rendition="x")])
    assert max(map(len, _printed(streams, width, [dead_letter("x" * 200)]).splitlines())) <= width


def test_every_rendition_is_a_row_with_its_picture_over_time() -> None:
    lines = _printed(summarise(demo_scores())).splitlines()
    (row,) = (line for line in lines if line.startswith("360p "))
    assert "▆▆▆▆" in row
    assert "▃▃▃▃" in row
    assert "52" in row
    assert "fair" in row


def test_eighty_columns_keep_the_picture_and_leave_out_the_basis() -> None:
    text = _printed(summarise(demo_scores()), 80)
    assert "Basis" not in text
    assert "▆▆" in text


def test_the_model_and_its_accuracy_are_always_told() -> None:
    text = _printed(summarise(demo_scores()), 200)
    assert "swinv2-temporal @ 0123456789ab" in text
    assert "SROCC 0.96 and 5.1 points of error" in text


def test_what_failed_is_told_in_one_line_without_its_name_twice() -> None:
    text = _printed((), rejected=[dead_letter()])
    assert text.count("films/song.mp3") == 1
    assert "Nothing could be scored." in text


def test_many_failures_are_counted() -> None:
    text = _printed((), rejected=[dead_letter(f"{n}.mp3") for n in range(50)])
    assert "and 30 more" in text


def test_files_together_form_one_table() -> None:
    streams = summarise([each for n in range(4) for each in series([80, 82], stream=f"{n}.mp4", rendition=f"{n}")])
    text = _printed(streams)
    assert text.count("Rendition") == 1
    assert all(f"{n}.mp4" in text for n in range(4))


def test_a_file_that_is_no_terminal_gets_no_colours() -> None:
    out = io.StringIO()
    print_run(console_for(out), summarise(demo_scores(), [ladder()]))
    assert "\x1b" not in out.getvalue()


def test_a_terminal_without_unicode_gets_a_table_all_the_same() -> None:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii") as out:
        print_run(console_for(out), summarise(demo_scores()))
        out.flush()
        assert b"360p" in raw.getvalue()


def test_control_characters_in_names_do_not_reach_the_terminal() -> None:
    text = _printed(summarise(series([80, 82], stream="\x1b[31mred", rendition="\x1b[31mred")))
    assert "\x1b" not in text


def test_a_short_dip_shows_in_the_picture_of_a_long_programme() -> None:
    scores = [90.0] * 1000
    scores[500] = 5
    (stream,) = summarise(series(scores))
    assert sparkline(stream.renditions[0], 0, 4000, 20).plain.count("▁") == 1


def test_time_without_scores_is_blank() -> None:
    (stream,) = summarise(series([90, 90]))
    assert sparkline(stream.renditions[0], 0, 16, 4).plain == "██  "
