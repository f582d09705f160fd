"""Remote write 1.0 on the wire: a protobuf message, built here from its description, in a snappy block.

The description is that of `prometheus.WriteRequest` (Prometheus' own prompb/remote.proto and types.proto), of the
fields that samples need; unknown fields are nothing to a receiver. It is written out in Python so that no generated
code has to be kept in step with the installed protobuf.
"""

from collections.abc import Iterable
from typing import Any

import pyarrow
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from pipeline.export.samples import Sample

HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}

_FIELD = descriptor_pb2.FieldDescriptorProto
_MESSAGES: dict[str, tuple[tuple[int, str, int, bool, str | None], ...]] = {
    # number, name, type, repeated, message
    "Label": ((1, "name", _FIELD.TYPE_STRING, False, None), (2, "value", _FIELD.TYPE_STRING, False, None)),
    "Sample": ((1, "value", _FIELD.TYPE_DOUBLE, False, None), (2, "timestamp", _FIELD.TYPE_INT64, False, None)),
    "TimeSeries": (
        (1, "labels", _FIELD.TYPE_MESSAGE, True, "Label"),
        (2, "samples", _FIELD.TYPE_MESSAGE, True, "Sample"),
    ),
    "WriteRequest": ((1, "timeseries", _FIELD.TYPE_MESSAGE, True, "TimeSeries"),),
}


def _write_request() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="rungwatch/remote_write.proto", package="prometheus")
    file.syntax = "proto3"
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for number, name, kind, repeated, of in fields:
            described.field.add(
                name=name,
                number=number,
                type=kind,
                label=_FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL,
                type_name=f".prometheus.{of}" if of else None,
            )
    # A pool of its own: another library in this process may know messages of the same names.
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("prometheus.WriteRequest"))


WriteRequest = _write_request()


def encoded(samples: Iterable[Sample]) -> bytes:
    """Return the body of a request, series by series, each in order of time."""
    request = WriteRequest()
    series: dict[Any, Any] = {}
    for sample in sorted(samples, key=lambda each: each.time_ms):
        if sample.labels not in series:
            series[sample.labels] = request.timeseries.add()
            for name, value in sample.labels:
                series[sample.labels].labels.add(name=name, value=value)
        series[sample.labels].samples.add(value=sample.value, timestamp=sample.time_ms)
    body: bytes = pyarrow.compress(request.SerializeToString(), codec="snappy", asbytes=True)
    return body


def decoded(body: bytes, most_bytes: int = 64 * 1024 * 1024) -> list[Sample]:
    """Return the samples of a body; what a receiver does, for tests and for looking at one."""
    size, shift, at = 0, 0, 0
    while True:  # a snappy block begins with its length, seven bits a byte
        size |= (body[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if body[at - 1] < 0x80:
            break
    if size > most_bytes:
        raise ValueError(f"a body of {size} bytes")
    request = WriteRequest()
    request.ParseFromString(pyarrow.decompress(body, size, codec="snappy", asbytes=True))
    return [
        Sample(tuple((label.name, label.value) for label in series.labels), sample.timestamp, sample.value)
        for series in request.timeseries
        for sample in series.samples
    ]
