"""The page of an evaluation: every question with its figures and its clips, readable without a network."""

import numpy as np
import pytest

from workers.training.evaluate import Evaluation
from workers.training.evaluation_page import write_page
from workers.training.figures import Figures, figures


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    truth = np.linspace(10, 90, 12)
    found = figures(truth + 1, truth, ["a"] * 6 + ["b"] * 6, np.stack([truth - 5, truth + 5], axis=1))
    lone = Figures(1, np.nan, np.nan, np.nan, 3.0, np.nan, np.nan, np.nan)
    evaluation = Evaluation(
        model="nano @ 0123456789abcdef",
        questions={"alone": found, "cascade": lone},
        groups={"alone": {"h264": found}},
        baselines={"scale alone": found},
        answers={
            "alone": tuple(
                (float(score) + 1, float(score), f"clips/<{place}>.mp4") for place, score in enumerate(truth)
            ),
            "cascade": ((60.0, 57.0, "clips/bad_source.mp4"),),
        },
        severity={"freeze": 0.75},
    )
    path = tmp_path_factory.mktemp("page") / "evaluation.html"
    write_page(evaluation, path)
    return path.read_text(encoding="utf-8")


def test_every_question_has_its_figures(page: str) -> None:
    assert "<td>each clip alone</td><td>12</td><td>1.000</td>" in page
    assert "<td>scale alone</td>" in page
    assert "<td>h264</td>" in page


def test_what_cannot_be_told_is_a_dash(page: str) -> None:
    assert "alone</td><td>1</td><td>-</td><td>-</td><td>-</td><td>3.0</td>" in page


def test_the_order_of_severities_is_told_where_vmaf_is_blind(page: str) -> None:
    assert "<td>freeze</td><td>0.750</td>" in page


def test_every_clip_is_in_a_chart(page: str) -> None:
    assert "bad_source.mp4" in page
    assert page.count(".mp4") == 13


def test_the_page_asks_nothing_of_a_network_and_runs_no_file_name(page: str) -> None:
    assert 'src="http' not in page
    assert "<0>" not in page
