"""Remembers in Redis what was sent to another place, stream by stream, and which process sends."""

from collections.abc import Mapping, Sequence

from pipeline.series.connection import Link, Script, ScriptCall
from pipeline.series.keys import Keys
from pipeline.settings import RedisSettings

STREAMS_A_PIPELINE = 1000

_LEAD = Script(
    """
    local leader = redis.call('GET', KEYS[1])
    if leader and leader ~= ARGV[1] then return 0 end
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return 1
    """
)


class SentStore:
    """Texts by stream and key, of one target. May be used by many threads. All raise Unavailable as `Link.run`."""

    def __init__(self, link: Link, settings: RedisSettings, target: str, kept_seconds: float) -> None:
        """`target`: where things are sent; `kept_seconds`: since the last note of a stream."""
        self._link = link
        self._keys = Keys(settings.prefix)
        self._target = target
        self._kept_seconds = int(kept_seconds)

    def known(self, stream_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return everything that is noted of these streams."""
        found: dict[str, dict[str, str]] = {}
        for first in range(0, len(stream_ids), STREAMS_A_PIPELINE):
            some = stream_ids[first : first + STREAMS_A_PIPELINE]
            replies = self._link.run([("HGETALL", self._keys.sent(each, self._target)) for each in some])
            for stream_id, fields in zip(some, replies, strict=True):
                found[stream_id] = {key.decode(): text.decode() for key, text in fields.items()}
        return found

    def note(self, stream_id: str, texts: Mapping[str, str]) -> None:
        """Keep texts by key; one of the same key is replaced."""
        if texts:
            key = self._keys.sent(stream_id, self._target)
            pairs = [part for pair in texts.items() for part in pair]
            self._link.run([("HSET", key, *pairs), ("EXPIRE", key, self._kept_seconds)])

    def forget(self, stream_id: str, keys: Sequence[str]) -> None:
        if keys:
            self._link.run([("HDEL", self._keys.sent(stream_id, self._target), *keys)])

    def lead(self, owner: str, seconds: float) -> bool:
        """Say whether this is the process that sends: for so long, unless it asks again before."""
        call = ScriptCall([self._keys.leader(self._target)], [owner, round(seconds * 1000)])
        return bool(self._link.call(_LEAD, [call])[0])

    def resign(self, owner: str) -> None:
        """Let another process send at once."""
        key = self._keys.leader(self._target)
        [leader] = self._link.run([("GET", key)])
        if leader is not None and leader.decode() == owner:
            self._link.run([("DEL", key)])
