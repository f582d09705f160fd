"""Points for the stores of others: what they take, and how it is put to them."""

from pipeline.export.remote_write import RemoteWrite
from pipeline.export.samples import Exported, LeftOut, Sample, samples_of, why_left_out

__all__ = ["Exported", "LeftOut", "RemoteWrite", "Sample", "samples_of", "why_left_out"]
