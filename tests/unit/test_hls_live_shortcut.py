"""Reading only what is new of a reload gives what reading all of it gives."""

import random
from dataclasses import replace

import pytest
from hls_stage import NOW, Stage, date_time, playlist

from pipeline.ingest.hls_delta import merged
from pipeline.ingest.hls_playlist import Entry, Media, parse
from pipeline.ingest.hls_shortcut import shortened


def media(data: bytes) -> Media:
    found = parse(data, "http://x/index.m3u8", max_segments=1000, may_be_empty=True)
    assert isinstance(found, Media)
    return found


def bare(entries: tuple[Entry, ...]) -> list[Entry]:
    """Return entries without what depends on where in the text they stand."""
    return [replace(entry, line=0, offset_seconds=0.0, key_stated=False, init_key=None) for entry in entries]


class Programme:
    """80 segments with tags at random, listed in any window as a packager would."""

    def __init__(self, chance: random.Random) -> None:
        self.before: dict[int, str] = {}
        self.discontinuities = [0]
        for number in range(80):
            method = chance.choice(["NONE", "AES-128"])
            tags = [
                (0.1, "#EXT-X-DISCONTINUITY"),
                (0.1, f'#EXT-X-KEY:METHOD={method},URI="k{number}",IV=0x{number}'),
                (0.1, f'#EXT-X-MAP:URI="init{number}.mp4"'),
                (0.1, "#EXT-X-GAP"),
                (0.3, f"#EXT-X-PROGRAM-DATE-TIME:{date_time(NOW + 2 * number)}"),
                (0.1, "#EXT-X-CUE-OUT:4"),
            ]
            text = "".join(f"{tag}\n" for share, tag in tags if chance.random() < share)
            self.before[number] = text
            self.discontinuities.append(self.discontinuities[-1] + text.count("DISCONTINUITY"))

    def listing(self, first: int, last: int) -> bytes:
        tags = dict(self.before)
        # Keys and init segments in force are stated anew for the first segment.
        for name in ("#EXT-X-MAP", "#EXT-X-KEY"):
            if name not in tags[first]:
                lines = "".join(self.before[number] for number in range(first)).splitlines()
                tags[first] = "".join(f"{line}\n" for line in lines[::-1] if name in line)[:200].partition("\n")[0] + (
                    "\n" + tags[first]
                )
        return playlist(range(first, last + 1), before=tags, discontinuity=self.discontinuities[first]).encode()


def test_what_is_put_together_is_what_is_listed() -> None:
    chance, cut = random.Random(5), 0
    for _ in range(20):
        programme = Programme(chance)
        first, last = 0, chance.randrange(10, 30)
        text = programme.listing(first, last)
        listed = media(text).listed
        while last < 70:
            first, last = first + chance.choice([0, 1, 1, 2]), last + chance.choice([0, 1, 1, 2, 5])
            new = programme.listing(first, last)
            short = shortened(new, text, len(listed))
            whole = media(new)
            if short is not None:
                cut += 1
                assert len(short) < len(new)
                whole = merged(media(short), listed) or whole
            assert bare(whole.listed) == bare(media(new).listed)
            text, listed = new, whole.listed
    assert cut > 400


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (playlist(range(0, 20)), playlist(range(0, 5))),
        (playlist(range(30, 50)), playlist(range(0, 20))),
        (playlist(range(1, 21)).replace("seg9.ts", "other.ts"), playlist(range(0, 20))),
        (playlist(range(1, 21)).replace("#EXTINF:2,\nseg9", "#EXTINF:3,\nseg9"), playlist(range(0, 20))),
        (playlist(range(1, 21), before={20: "#EXT-X-BYTERANGE:5\n"}), playlist(range(0, 20))),
        (playlist(range(0, 10)), playlist(range(0, 20))),
        ("", playlist(range(0, 20))),
    ],
)
def test_what_is_not_only_more_is_read_as_a_whole(new: str, old: str) -> None:
    assert shortened(new.encode(), old.encode(), old.count("#EXTINF")) is None


def test_a_long_window_is_followed_as_a_short_one() -> None:
    with Stage() as stage:
        for first in range(0, 40):
            stage.show(playlist(range(first, first + 200), zero=NOW - 400))
            stage.look(2)
        assert stage.numbers() == list(range(197, 239))
        assert stage.findings == []
