"""AES-128 of HLS: whole segments in CBC mode, decrypted before anything else sees them. Keys stay in this module."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from pipeline.errors import Encrypted
from pipeline.ingest.access import shown
from schemas import EncryptionKey

METHOD = "AES-128"
KEY_BYTES = BLOCK_BYTES = 16
# A key page that is longer than this is an error page.
MOST_KEY_PAGE_BYTES = 4096
# Hourly rotation on a thousand streams' worth of keys that are in use at one time.
KEYS_KEPT = 1024

SYNC_BYTE, PACKET_BYTES = 0x47, 188


class Keys:
    """Reads every key once. Safe to use from several threads."""

    def __init__(self, read: Callable[[str], bytes]) -> None:
        """`read`: returns what is at an address that may be read."""
        self._read = read
        self._known: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def clear(self, data: bytes, key: EncryptionKey, number: int | None, uri: str) -> bytes:
        """Return the bytes of a segment as they were before encryption.

        `number`: media sequence number, the initialization vector where none is stated; None: of an init segment, which
        has none.

        Raises:
            Encrypted: Not with this method, or the key does not fit.
        """
        where = shown(uri)
        check_can_clear(key, uri)
        if key.iv_hex is None and number is None:
            raise Encrypted(
                f"{where}: encrypted (init segment, AES-128) without an initialization vector: not scored; "
                "state IV in the EXT-X-KEY before EXT-X-MAP"
            )
        vector = int(key.iv_hex, 16) if key.iv_hex is not None else number or 0
        if not data or len(data) % BLOCK_BYTES:
            raise Encrypted(
                f"{where}: encrypted (AES-128), and {len(data)} bytes are no whole blocks of 16: not scored; "
                "it is cut off, or not encrypted at all"
            )
        cipher = Cipher(AES(self._key(key.uri or "", where)), CBC((vector % 2**128).to_bytes(BLOCK_BYTES, "big")))
        decryptor, unpadder = cipher.decryptor(), PKCS7(8 * BLOCK_BYTES).unpadder()
        try:
            found = unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()
        except ValueError:
            raise _wrong_key(where) from None
        # One wrong key in 256 leaves a padding that looks right.
        if not looks_clear(found):
            raise _wrong_key(where)
        return found

    def _key(self, uri: str, where: str) -> bytes:
        with self._lock:
            if uri in self._known:
                self._known.move_to_end(uri)
                return self._known[uri]
        key = self._read(uri)
        if len(key) != KEY_BYTES:
            raise Encrypted(
                f"{where}: encrypted (AES-128), and its key at {shown(uri)} has {len(key)} bytes instead of 16: "
                "not scored; check that the key server lets us in"
            )
        with self._lock:
            self._known[uri] = key
            while len(self._known) > KEYS_KEPT:
                self._known.popitem(last=False)
        return key


def can_clear(key: EncryptionKey) -> bool:
    """Return whether a segment with this key can be decrypted here."""
    return key.method.upper() == METHOD and key.uri is not None and urlsplit(key.uri).scheme.lower() != "data"


def check_can_clear(key: EncryptionKey, uri: str) -> None:
    """Raise Encrypted where the segment at `uri` cannot be decrypted here."""
    if not can_clear(key):
        raise Encrypted(
            f"{shown(uri)}: encrypted ({key.method}): not scored; "
            "score the clear output of the encoder, before it is encrypted"
        )


def looks_clear(data: bytes) -> bool:
    """Return whether the bytes begin like media: a transport stream, or a box of ISO media."""
    if SYNC_BYTE in data[:1] and data[PACKET_BYTES : PACKET_BYTES + 1] in (b"", bytes([SYNC_BYTE])):
        return True
    kind = data[4:8]
    if len(kind) == 4 and all(
        byte in b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 " for byte in kind
    ):
        return True
    # Packed audio, and WebVTT, begin with an ID3 tag, a sync word or their name.
    return data[:3] == b"ID3" or data[:6] == b"WEBVTT" or (len(data) > 1 and data[0] == 0xFF and data[1] & 0xF0 == 0xF0)


def _wrong_key(where: str) -> Encrypted:
    return Encrypted(
        f"{where}: encrypted (AES-128), and the key of the playlist does not fit: not scored; "
        "check EXT-X-KEY, its IV and the key server"
    )
