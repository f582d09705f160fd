import base64

import pytest

from pipeline.errors import BadEvent, Damaged, NotFound, TooManyRejected
from pipeline.settings import BusSettings
from pipeline.stream import Message, Partition
from pipeline.stream.dead_letters import ShareCap, dead_letter, letter_publication
from schemas import DeadLetter, Rendition, Resource, Segment, SegmentReady

EVENT = SegmentReady(
    stream_id="channel-1",
    rendition=Rendition(rendition_id="720p"),
    segment=Segment(rendition_id="720p", number=41, media=Resource(uri="a/41.ts"), start_seconds=164.0),
)


def message(value):
    return Message(Partition("segments", 3), 77, "channel-1", value)


def raised(error):
    try:
        raise error
    except type(error) as caught:
        return caught


def test_a_letter_says_what_where_and_why_and_carries_the_original():
    value = EVENT.model_dump_json().encode()
    letter = dead_letter(message(value), Damaged("no picture comes out; look at the encoder", "libav: bad"), 3)
    assert (letter.origin, letter.reason, letter.attempts) == ("segments/3/77", "damaged", 3)
    assert (letter.stream_id, letter.rendition_id, letter.segment_number) == ("channel-1", "720p", 41)
    assert (letter.message, letter.detail) == ("no picture comes out; look at the encoder", "libav: bad")
    assert base64.b64decode(letter.original_base64) == value


def test_of_an_event_that_cannot_be_read_the_bytes_are_kept():
    letter = dead_letter(message(b"\xff\x00{"), BadEvent("this is not a SegmentReady"), 1)
    assert letter.stream_id is None
    assert base64.b64decode(letter.original_base64) == b"\xff\x00{"


def test_an_error_without_a_detail_leaves_its_stack():
    assert "in raised" in dead_letter(message(b""), raised(NotFound("gone")), 1).detail


def test_endless_and_odd_texts_fit_into_a_letter():
    error = Damaged("\udcff" + "x" * 100_000, "y" * 100_000 + "the end \udcff")
    letter = dead_letter(message(b""), error, 1)
    assert DeadLetter.model_validate_json(letter.model_dump_json()) == letter
    assert letter.detail.endswith("the end ?")


def test_an_error_without_words_is_named():
    assert dead_letter(message(b""), Damaged(""), 1).message == "Damaged"


def test_a_letter_without_its_original_says_where_that_is():
    letter = dead_letter(message(b"x" * 1000), Damaged("no picture"), 1, with_original=False)
    assert letter.original_base64 is None
    assert "1000 bytes is too large to be kept here; it is at segments/3/77" in letter.message


def test_a_letter_is_published_under_the_key_of_its_message_as_a_cloud_event():
    letter = dead_letter(message(b""), Damaged("no picture"), 1)
    publication = letter_publication("dead", message(b""), letter)
    assert (publication.topic, publication.key) == ("dead", "channel-1")
    assert DeadLetter.model_validate_json(publication.value) == letter
    headers = dict(publication.headers)
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_type"] == b"DeadLetter"
    assert headers["ce_id"] == b"segments/3/77"
    assert headers["ce_time"].decode() == letter.rejected_at.isoformat()


def cap(**settings):
    return ShareCap(BusSettings(**settings))


def test_few_rejections_stop_nothing_however_great_their_share():
    share = cap(dead_share=0.5, dead_window=200, dead_least=50)
    for _ in range(49):
        share.rejected(Damaged("x"))
    with pytest.raises(TooManyRejected):
        share.rejected(Damaged("x"))


def test_a_share_at_the_limit_is_borne_and_one_above_is_not():
    share = cap(dead_share=0.5, dead_window=20, dead_least=5)
    for _ in range(30):
        share.passed()
        share.rejected(Damaged("x"))
    with pytest.raises(TooManyRejected):
        share.rejected(Damaged("x"))


def test_only_the_last_messages_count():
    share = cap(dead_share=0.5, dead_window=20, dead_least=5)
    for _ in range(10):
        for _ in range(15):
            share.passed()
        for _ in range(10):
            share.rejected(Damaged("x"))


def test_the_error_names_how_many_the_commonest_reason_and_what_to_do():
    share = cap(dead_share=0.1, dead_window=20, dead_least=3)
    share.rejected(NotFound("x"))
    share.rejected(Damaged("x"))
    with pytest.raises(TooManyRejected) as caught:
        share.rejected(Damaged("no picture in a/41.ts"))
    assert "3 of the last 3 messages were rejected, 2 of them as 'damaged'" in str(caught.value)
    assert "no picture in a/41.ts" in str(caught.value)
    assert "rungwatch replay" in str(caught.value)
