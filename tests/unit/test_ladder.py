"""The reference order of a ladder."""

from fractions import Fraction

from pipeline.ladder import reference_order
from schemas import Ladder, Rendition, Rung


def order(**rungs: Rung) -> list[str]:
    ladder = Ladder(
        stream_id="s", renditions=tuple(Rendition(rendition_id=name, rung=rung) for name, rung in rungs.items())
    )
    return [rendition.rendition_id for rendition in reference_order(ladder)]


def rung(
    height: int | None = None, kilobits: int | None = None, codec: str | None = None, rate: int | None = None
) -> Rung:
    return Rung(
        codec=codec,
        width_px=height and height * 16 // 9,
        height_px=height,
        bitrate_bps=kilobits and kilobits * 1000,
        frame_rate=rate and Fraction(rate),
    )


def test_the_highest_picture_is_best_whatever_its_bitrate() -> None:
    assert order(low=rung(360, 9000), high=rung(1080, 1000), mid=rung(720, 3000)) == ["high", "mid", "low"]


def test_of_equal_heights_more_bits_are_better() -> None:
    assert order(thin=rung(720, 1000), thick=rung(720, 3000)) == ["thick", "thin"]


def test_bits_are_worth_more_in_a_better_codec() -> None:
    found = order(avc=rung(720, 2800, "h264"), hevc=rung(720, 2000, "hevc"), av1=rung(720, 1600, "av1"))
    assert found == ["hevc", "av1", "avc"]
    assert order(old=rung(720, 3000, "mpeg2video"), new=rung(720, 2000, "h264")) == ["new", "old"]


def test_of_equal_bitrates_fewer_frames_get_more_bits() -> None:
    assert order(fast=rung(720, 3000, rate=60), slow=rung(720, 3000, rate=30)) == ["slow", "fast"]


def test_what_is_not_declared_comes_last() -> None:
    assert order(unknown=Rung(), bitrate_only=rung(None, 9000), small=rung(144)) == ["small", "bitrate_only", "unknown"]


def test_a_rate_that_is_not_declared_is_that_of_the_others() -> None:
    assert order(a=rung(720, 2000), b=rung(720, 2100, rate=50), c=rung(720, 1900, rate=50)) == ["b", "a", "c"]


def test_ties_keep_the_order_of_declaration() -> None:
    assert order(b=rung(720, 3000), a=rung(720, 3000), c=rung(720, 3000)) == ["b", "a", "c"]
