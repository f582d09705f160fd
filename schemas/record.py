"""The base of everything that crosses a process boundary, and the types that carry units."""

from fractions import Fraction
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

SCHEMA_VERSION = 1


def _fraction(value: Any) -> Fraction:
    try:
        return Fraction(value)
    except (TypeError, ZeroDivisionError) as exc:
        raise ValueError(f"{value!r} is not a fraction such as '30000/1001'") from exc


Rate = Annotated[
    Fraction,
    BeforeValidator(_fraction),
    Field(gt=0, le=1000),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(/[0-9]+)?$", "examples": ["25", "30000/1001"]}),
]
"""Events a second, exact: ``30000/1001``, never 29.97."""

Identifier = Annotated[str, Field(min_length=1, max_length=512)]
Pixels = Annotated[int, Field(ge=1, le=65_535)]
Score = Annotated[float, Field(ge=0, le=100)]
"""Predicted quality, 0-100 on the scale of VMAF v0.6.1."""


class Record(BaseModel):
    """One immutable message.

    A reader keeps the fields that it knows and leaves out the rest, so that a newer writer never breaks it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null", protected_namespaces=())

    schema_version: int = Field(default=SCHEMA_VERSION, ge=1)
