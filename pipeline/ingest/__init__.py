"""From what the user names to streams: files, folders, HLS and DASH, local or http(s). Never decodes."""

from pipeline.ingest.access import as_path, shown
from pipeline.ingest.align import overlapping
from pipeline.ingest.fetch import Fetched, Fetcher
from pipeline.ingest.find import find_streams
from pipeline.ingest.stream import Failure, Problem, Stream

__all__ = ["Failure", "Fetched", "Fetcher", "Problem", "Stream", "as_path", "find_streams", "overlapping", "shown"]
