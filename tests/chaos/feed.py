"""What is announced in a chaos run: the same small ladders as many streams, and poison of every kind among them."""

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chaos.contents import BadFiles, Content

from pipeline.stream.protocol import Publication
from schemas import Reference, ReferencePart, Rendition, Resource, Segment, SegmentReady
from workers.service.events import publication

SOURCE = "rungwatch/chaos"
POISON_SHARE = 0.02
PASS_SECONDS = 25.0
"""A stream is its content again and again, so far apart that a stream of a few passes has several minutes."""
PASSES = 5
BASES = (0.0, 3550.0, 86_340.0)
"""Where streams start: some of them cross an hour."""


@dataclass(frozen=True, slots=True)
class Announced:
    """One good event, and which segment of which content it is."""

    content: str
    number: int
    event: SegmentReady

    @property
    def rendition_id(self) -> str:
        return self.event.rendition.rendition_id


@dataclass(frozen=True, slots=True)
class Poison:
    """One message that cannot be scored; every one has other bytes."""

    kind: str
    reasons: frozenset[str]
    """With which it may arrive in the dead letters."""
    key: str | None
    value: bytes


@dataclass(frozen=True, slots=True)
class Feed:
    good: tuple[Announced, ...]
    poison: tuple[Poison, ...]
    messages: tuple[Publication, ...]
    """All of it in the order of its announcement."""


def feed(topic: str, contents: Sequence[Content], bad: BadFiles, *, segments: int, chance: random.Random) -> Feed:
    """Return `segments` messages, of which `POISON_SHARE` are poison; of each stream in order, the streams mixed."""
    count = max(len(_KINDS), round(segments * POISON_SHARE))
    good = list(_good(contents, segments - count, chance))
    poison = [_poison(index, contents, bad, chance) for index in range(count)]
    messages = [publication(topic, each.event, SOURCE) for each in good]
    for each in poison:
        messages.insert(chance.randrange(len(messages) + 1), Publication(topic, each.key, each.value))
    return Feed(tuple(good), tuple(poison), tuple(messages))


def _good(contents: Sequence[Content], count: int, chance: random.Random) -> Iterator[Announced]:
    waiting: list[Iterator[Announced]] = []
    planned = 0
    while planned < count:
        content = contents[len(waiting) % len(contents)]
        waiting.append(_stream(content, f"{content.name}/{len(waiting)}", chance.choice(BASES)))
        planned += PASSES * len(content.events)
    made = 0
    while made < count:
        stream = chance.choice(waiting)
        for announced in stream:
            yield announced
            made += 1
            break
        else:
            waiting.remove(stream)


def _stream(content: Content, stream_id: str, base_seconds: float) -> Iterator[Announced]:
    length = 1 + max(event.segment.number for event in content.events)
    for turn in range(PASSES):
        for event in content.events:
            moved = _moved(event, stream_id, turn * length, base_seconds + turn * PASS_SECONDS)
            yield Announced(content.name, event.segment.number, moved)


def _moved(event: SegmentReady, stream_id: str, numbers: int, seconds: float) -> SegmentReady:
    """Return the event as that of another stream, further back on its time axis."""

    def of(segment: Segment) -> Segment:
        return segment.model_copy(
            update={"number": segment.number + numbers, "start_seconds": segment.start_seconds + seconds}
        )

    def part(found: ReferencePart) -> ReferencePart:
        stand_in = found.stand_in
        return ReferencePart(
            segment=of(found.segment),
            stand_in=stand_in and stand_in.model_copy(update={"segment": of(stand_in.segment)}),
        )

    reference = event.reference
    return event.model_copy(
        update={
            "stream_id": stream_id,
            "segment": of(event.segment),
            "reference": reference
            and Reference(rendition=reference.rendition, parts=tuple(part(found) for found in reference.parts)),
        }
    )


def _poison(index: int, contents: Sequence[Content], bad: BadFiles, chance: random.Random) -> Poison:
    kind = list(_KINDS)[index % len(_KINDS)]
    reasons, value = _KINDS[kind]
    # Under the ids of good streams where it has one, so that it stands in their partitions.
    stream_id = f"{chance.choice(contents).name}/{chance.randrange(8)}"
    key = chance.choice((None, stream_id)) if kind == "not JSON" else stream_id
    return Poison(kind, frozenset(reasons), key, value(index, stream_id, bad, chance))


_Value = Callable[[int, str, BadFiles, random.Random], bytes]


def _file(name: str) -> _Value:
    def value(index: int, stream_id: str, bad: BadFiles, chance: random.Random) -> bytes:
        event = SegmentReady(
            stream_id=stream_id,
            rendition=Rendition(rendition_id=f"poison-{index}"),
            segment=Segment(
                rendition_id=f"poison-{index}",
                number=index,
                media=Resource(uri=getattr(bad, name).as_uri()),
                start_seconds=float(index),
            ),
        )
        return event.model_dump_json(exclude_none=True).encode()

    return value


def _noise(index: int, stream_id: str, bad: BadFiles, chance: random.Random) -> bytes:
    return b"%d " % index + chance.randbytes(chance.randrange(400))


def _other_shape(index: int, stream_id: str, bad: BadFiles, chance: random.Random) -> bytes:
    shapes: tuple[object, ...] = ([index], {"stream_id": stream_id, "index": index}, index, f"segment {index}")
    return json.dumps(chance.choice(shapes)).encode()


_KINDS: dict[str, tuple[tuple[str, ...], _Value]] = {
    "not JSON": (("bad_event",), _noise),
    "JSON of another shape": (("bad_event",), _other_shape),
    "missing file": (("not_found",), _file("missing")),
    # Random bytes may look like some raw format for a while.
    "garbage bytes": (("not_media", "no_video", "audio_only", "damaged", "truncated"), _file("garbage")),
    "truncated file": (("truncated", "damaged"), _file("truncated")),
    "outside of the roots": (("not_allowed",), _file("outside")),
}


def by_kind(poison: Sequence[Poison]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for each in poison:
        found[each.kind] += 1
    return dict(found)
