"""AES-128 segments are decrypted before they are decoded; keys are fetched once and shown nowhere."""

import io
import logging
import os
from pathlib import Path

import av
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from hls_stage import Stage, playlist
from ingest_playlists import find_error, find_one, limits, write
from media_factory import fragments, write_video

from pipeline.errors import Encrypted, NotAllowed, NotFound
from pipeline.ingest import Fetcher
from pipeline.ingest.decrypt import Keys, looks_clear
from schemas import EncryptionKey

KEY, OTHER = bytes(range(16)), bytes(range(16, 32))


def encrypted(data: bytes, key: bytes, vector: int) -> bytes:
    padder = PKCS7(128).padder()
    encryptor = Cipher(AES(key), CBC(vector.to_bytes(16, "big"))).encryptor()
    return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()


def transport_stream(frames: int = 10) -> bytes:
    buffer = io.BytesIO()
    write_video(buffer, container_format="mpegts", frames=frames)
    return buffer.getvalue()


def pictures(data: bytes) -> int:
    with av.open(io.BytesIO(data)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_segments_with_rotating_keys_are_decrypted_and_decoded() -> None:
    clear = transport_stream()
    with Stage(back_seconds=60) as stage:
        pages = stage.origin.pages
        pages |= {"/k1": KEY, "/k2": OTHER}
        # Without IV it is the media sequence number.
        for number in (7, 8, 9):
            pages[f"/seg{number}.ts"] = encrypted(clear, KEY, number)
        for number in (10, 11):
            pages[f"/seg{number}.ts"] = encrypted(clear, OTHER, 0xABCDEF)
        pages["/seg12.ts"] = clear
        keys = {
            7: '#EXT-X-KEY:METHOD=AES-128,URI="k1"\n',
            10: '#EXT-X-KEY:METHOD=AES-128,URI="/k2",IV=0xABCDEF\n',
            12: "#EXT-X-KEY:METHOD=NONE\n",
        }
        stage.show(playlist(range(7, 13), before=keys))
        stage.look()
        assert stage.findings == []
        assert stage.numbers() == [7, 8, 9, 10, 11, 12]
        for segment in stage.segments:
            data = stage.fetcher.segment_bytes(segment)
            assert data == clear and pictures(data) == 10
        assert stage.origin.counts["/k1"] == stage.origin.counts["/k2"] == 1


def test_an_init_segment_has_the_key_in_force_where_it_is_listed() -> None:
    init, (first, second, *_) = fragments(frames=24, options={"g": "12", "keyint_min": "12", "sc_threshold": "0"})
    with Stage(back_seconds=60) as stage:
        stage.origin.pages |= {
            "/k1": KEY, "/k2": OTHER, "/init.mp4": encrypted(init, KEY, 5),
            "/seg0.mp4": encrypted(first, KEY, 5), "/seg1.mp4": encrypted(second, OTHER, 1),
        }  # fmt: skip
        head = '#EXT-X-KEY:METHOD=AES-128,URI="k1",IV=0x5\n#EXT-X-MAP:URI="init.mp4"\n'
        other = {1: '#EXT-X-KEY:METHOD=AES-128,URI="k2"\n'}
        stage.show(playlist(range(0, 2), head=head, before=other, name="seg{}.mp4"))
        stage.look()
        for segment, media in zip(stage.segments, (first, second), strict=True):
            data = stage.fetcher.segment_bytes(segment)
            assert data == init + media
            assert pictures(data) == 12


def test_an_init_segment_before_the_key_is_clear() -> None:
    init, (first, *_) = fragments(frames=12)
    with Stage() as stage:
        stage.origin.pages |= {"/k1": KEY, "/init.mp4": init, "/seg0.mp4": encrypted(first, KEY, 0)}
        head = '#EXT-X-MAP:URI="init.mp4"\n#EXT-X-KEY:METHOD=AES-128,URI="k1"\n'
        stage.show(playlist([0], head=head, name="seg{}.mp4"))
        stage.look()
        assert stage.fetcher.segment_bytes(stage.segments[0]) == init + first


def test_an_encrypted_init_segment_without_iv_is_refused_in_words() -> None:
    with Stage() as stage:
        stage.origin.pages |= {"/k1": KEY, "/init.mp4": encrypted(b"x" * 40, KEY, 0), "/seg0.mp4": b"x"}
        stage.show(
            playlist([0], head='#EXT-X-KEY:METHOD=AES-128,URI="k1"\n#EXT-X-MAP:URI="init.mp4"\n', name="seg{}.mp4")
        )
        stage.look()
        with pytest.raises(Encrypted, match="state IV in the EXT-X-KEY before EXT-X-MAP"):
            stage.fetcher.segment_bytes(stage.segments[0])


def test_a_snapshot_is_decrypted_as_well(tmp_path: Path) -> None:
    clear = transport_stream()
    write(tmp_path / "k.bin", KEY)
    write(tmp_path / "a.ts", encrypted(clear, KEY, 3))
    text = '#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:3\n#EXT-X-KEY:METHOD=AES-128,URI="k.bin"\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n'
    with Fetcher(limits()) as fetcher:
        ((segment,),) = find_one(write(tmp_path / "x.m3u8", text), fetcher=fetcher).segments.values()
        assert fetcher.segment_bytes(segment) == clear


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (OTHER, "the key of the playlist does not fit"),
        (b"<html>log in</html>", "has 19 bytes instead of 16"),
        (b"", "has 0 bytes instead of 16"),
    ],
)
def test_a_wrong_key_is_told_and_gives_no_garbage(page: bytes, message: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Stage() as stage:
        stage.origin.pages |= {"/k": page, "/seg0.ts": encrypted(transport_stream(2), KEY, 0)}
        stage.show(playlist([0], head='#EXT-X-KEY:METHOD=AES-128,URI="k?secret=1"\n'))
        stage.look()
        with pytest.raises(Encrypted, match=message) as caught:
            stage.fetcher.segment_bytes(stage.segments[0])
        assert "secret" not in str(caught.value)
        for key in (KEY, OTHER):
            assert key.hex() not in caplog.text and repr(key) not in caplog.text


def test_no_wrong_key_in_thousands_gives_garbage() -> None:
    data = encrypted(transport_stream(2), KEY, 0)
    wrong = {f"http://x/{number}": os.urandom(16) for number in range(3000)}
    keys = Keys(wrong.__getitem__)
    for uri in wrong:
        with pytest.raises(Encrypted):
            keys.clear(data, EncryptionKey(method="AES-128", uri=uri), 0, "http://x/seg.ts")


def test_a_segment_that_is_cut_off_is_told() -> None:
    keys = Keys(lambda _: KEY)
    data = encrypted(transport_stream(2), KEY, 0)
    key = EncryptionKey(method="AES-128", uri="http://x/k")
    with pytest.raises(Encrypted, match="no whole blocks of 16"):
        keys.clear(data[:-3], key, 0, "http://x/seg.ts")
    with pytest.raises(Encrypted, match="does not fit"):
        keys.clear(data[:-32], key, 0, "http://x/seg.ts")


def test_a_key_elsewhere_needs_the_allow_list() -> None:
    with Stage() as stage:
        stage.show(playlist([0], head='#EXT-X-KEY:METHOD=AES-128,URI="http://keys.example/k"\n'))
        stage.look()
        assert stage.segments == []
        assert "keys.example" in stage.findings[0].text


def test_a_key_that_is_not_there_is_told_as_not_found() -> None:
    with Stage() as stage:
        stage.origin.pages["/seg0.ts"] = encrypted(b"G" * 188, KEY, 0)
        stage.show(playlist([0], head='#EXT-X-KEY:METHOD=AES-128,URI="k"\n'))
        stage.look()
        with pytest.raises(NotFound, match="/k: the server answered 404"):
            stage.fetcher.segment_bytes(stage.segments[0])


@pytest.mark.parametrize(
    "line",
    [
        "METHOD=SAMPLE-AES,URI=\"k\"", "METHOD=SAMPLE-AES-CTR,URI=\"k\"", "METHOD=AES-128",
        "METHOD=AES-128,URI=\"data:application/octet-stream;base64,AAECAwQFBgcICQoLDA0ODw==\"",
        "METHOD=AES-128,URI=\"k\",KEYFORMAT=\"com.microsoft.playready\"",
    ],
)  # fmt: skip
def test_what_cannot_be_decrypted_is_not_given_out_and_no_key_travels(line: str) -> None:
    with Stage() as stage:
        stage.show(playlist([0], head=f"#EXT-X-KEY:{line}\n"))
        stage.look()
        assert stage.segments == []
        (finding,) = stage.findings
        assert finding.text.startswith("encrypted (") and "AAECAw" not in finding.text


def test_of_several_key_systems_the_one_that_is_clear_to_us_is_taken() -> None:
    with Stage() as stage:
        clear = transport_stream(2)
        stage.origin.pages |= {"/k": KEY, "/seg0.ts": encrypted(clear, KEY, 0)}
        head = (
            '#EXT-X-KEY:METHOD=AES-128,URI="k"\n'
            '#EXT-X-KEY:METHOD=AES-128,URI="pr",KEYFORMAT="com.microsoft.playready"\n'
        )
        stage.show(playlist([0], head=head))
        stage.look()
        assert stage.fetcher.segment_bytes(stage.segments[0]) == clear


def test_a_data_key_in_a_snapshot_is_not_carried(tmp_path: Path) -> None:
    write(tmp_path / "a.ts", b"x" * 32)
    key = '#EXT-X-KEY:METHOD=AES-128,URI="data:;base64,AAECAwQFBgcICQoLDA0ODw=="\n'
    text = f"#EXTM3U\n{key}#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n"
    with Fetcher(limits()) as fetcher:
        ((segment,),) = find_one(write(tmp_path / "x.m3u8", text), fetcher=fetcher).segments.values()
        assert "AAECAw" not in segment.model_dump_json()
        with pytest.raises(Encrypted, match="not scored"):
            fetcher.segment_bytes(segment)


def test_a_key_outside_of_the_folder_is_not_read(tmp_path: Path) -> None:
    write(tmp_path / "k.bin", KEY)
    write(tmp_path / "in" / "a.ts", encrypted(b"G" * 188, KEY, 0))
    text = '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="../k.bin"\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n'
    assert isinstance(find_error(write(tmp_path / "in" / "x.m3u8", text)), NotAllowed)


@pytest.mark.parametrize("data", [b"\x00\x00\x00\x18ftypisom", b"G", b"ID3\x04", b"WEBVTT", b"\xff\xf1P"])
def test_what_begins_like_media_looks_clear(data: bytes) -> None:
    assert looks_clear(data)
    assert not looks_clear(bytes([0x8A, 0x11, 0xFE, 0x00, 0x9C, 0x02, 0xF3, 0x80]))
