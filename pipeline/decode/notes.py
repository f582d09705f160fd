"""What was met while decoding, in words for a person; once for the source, and once for each window of it."""

from dataclasses import dataclass, field

from schemas import Finding, FindingKind


@dataclass(slots=True)
class _Tally:
    damaged_packets: int = 0
    damaged_pictures: int = 0
    damaged_at: float | None = None
    decoder_said: str | None = None
    repaired_stamps: int = 0
    missing_stamps: int = 0
    others: list[Finding] = field(default_factory=list)

    def findings(self) -> tuple[Finding, ...]:
        found = list(self.others)
        if self.damaged_packets or self.damaged_pictures:
            said = f"; the decoder said: {self.decoder_said}" if self.decoder_said else ""
            counts = f"packets unreadable: {self.damaged_packets}, pictures concealed: {self.damaged_pictures}"
            text = f"damaged: {counts}{said}"
            found.append(Finding(kind=FindingKind.DAMAGED, text=text[:1024], start_seconds=self.damaged_at))
        if self.repaired_stamps or self.missing_stamps:
            text = (
                f"time stamps repaired: missing: {self.missing_stamps}, doubled or set back: {self.repaired_stamps}; "
                "the packager should be told"
            )
            found.append(Finding(kind=FindingKind.TIMESTAMPS_REPAIRED, text=text))
        return tuple(found)


class Notes:
    """Counts; the words are made when asked for."""

    def __init__(self) -> None:
        self._total = _Tally()
        self._window = _Tally()
        self._said_once: set[str] = set()

    def all(self) -> tuple[Finding, ...]:
        return self._total.findings()

    def take(self) -> tuple[Finding, ...]:
        """Return what was noted since the last call."""
        taken, self._window = self._window, _Tally()
        return taken.findings()

    def damaged_packet(self, at_seconds: float | None, decoder_said: str | None) -> None:
        for tally in (self._total, self._window):
            tally.damaged_packets += 1
            _first_words(tally, at_seconds, decoder_said)

    def damaged_picture(self, at_seconds: float | None, decoder_said: str | None) -> None:
        for tally in (self._total, self._window):
            tally.damaged_pictures += 1
            _first_words(tally, at_seconds, decoder_said)

    def stamps(self, missing: int, repaired: int) -> None:
        for tally in (self._total, self._window):
            tally.missing_stamps += missing
            tally.repaired_stamps += repaired

    def cut_off(self, at_seconds: float | None) -> None:
        self._once(
            FindingKind.TRUNCATED,
            "truncated: the end of the file is missing; what was there is scored",
            at_seconds,
        )

    def size_changed(self, before: str, after: str, at_seconds: float | None) -> None:
        self._once(
            FindingKind.TRUNCATED,
            f"picture size changes inside the segment, from {before} to {after}: what comes after is not scored",
            at_seconds,
        )

    def _once(self, kind: FindingKind, text: str, at_seconds: float | None) -> None:
        if text not in self._said_once:
            self._said_once.add(text)
            finding = Finding(kind=kind, text=text, start_seconds=at_seconds)
            self._total.others.append(finding)
            self._window.others.append(finding)


def _first_words(tally: _Tally, at_seconds: float | None, decoder_said: str | None) -> None:
    if tally.damaged_packets + tally.damaged_pictures == 1:
        tally.damaged_at = at_seconds
    if tally.decoder_said is None:
        tally.decoder_said = decoder_said
