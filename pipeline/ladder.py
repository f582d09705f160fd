"""Which rung of a ladder is best by declaration: the order in which rungs serve as the reference."""

from fractions import Fraction

from schemas import Ladder, Rendition

# Bits that one bit is worth against H.264 at equal quality. HEVC and VP9 need about a third less (1 / 0.67), AV1
# about 45 % less, VVC half; MPEG-2 needs about twice, MPEG-4 part 2 and VP8 lie between. Published comparisons
# differ by a fifth, which does not matter here: heights come first, and rungs of one height differ by more.
CODEC_EFFICIENCY = {
    "h264": 1.0,
    "hevc": 1.5,
    "vp9": 1.5,
    "av1": 1.8,
    "vvc": 2.0,
    "vp8": 0.8,
    "mpeg4": 0.7,
    "mpeg2video": 0.5,
    "mpeg1video": 0.4,
    "mjpeg": 0.2,
}
UNDECLARED_RATE = Fraction(30)


def reference_order(ladder: Ladder) -> list[Rendition]:
    """Return the renditions best first: height, then bits per pixel of the codec, as declared.

    By declaration and not by scores, so that the reference does not flap. What is not declared comes last;
    ties go by bitrate, then by the order of declaration.
    """
    declared_rates = [rung.frame_rate for rung in (item.rung for item in ladder.renditions) if rung.frame_rate]
    # Where some rungs of a ladder declare a rate and others do not, they mostly share it.
    usual_rate = max(set(declared_rates), key=lambda rate: (declared_rates.count(rate), rate), default=UNDECLARED_RATE)

    def worth(rendition: Rendition) -> tuple[int, float, int]:
        rung = rendition.rung
        height = rung.height_px or 0
        # 16:9 where only the height is declared.
        pixels = height * (rung.width_px or height * 16 / 9)
        rate = float(rung.frame_rate or usual_rate)
        bits = (rung.bitrate_bps or 0) * CODEC_EFFICIENCY.get(rung.codec or "", 1.0)
        return height, bits / (pixels * rate) if pixels else bits, rung.bitrate_bps or 0

    return sorted(ladder.renditions, key=worth, reverse=True)
