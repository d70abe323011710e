"""From what a function returns to JSON text."""

import base64
import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import uuid
from collections.abc import Iterable, Mapping


class NotJson(Exception):
    """A result that JSON cannot have; the text says why."""


def to_json(value):
    """Compact JSON text. Dataclasses become objects, dates text, sets and generators lists."""
    try:
        return utf8(json.dumps(value, default=_simpler, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
    except RecursionError:
        raise NotJson("it is nested too deeply, or holds itself") from None
    except (TypeError, ValueError) as error:
        raise NotJson(str(error)) from None


def utf8(text):
    """The same text, if UTF-8 has it: Python's strings can hold halves of characters, JSON's cannot (RFC 8259, section 8.2)."""
    try:
        # Of text in ASCII it is known.
        text.isascii() or text.encode()
    except UnicodeEncodeError as error:
        raise NotJson(f"it holds {text[error.start]!r}, which is half a character") from None
    return text


def to_json_value(value):
    """The same as a value of JSON's own types."""
    return json.loads(to_json(value))


def _simpler(value):
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (decimal.Decimal, uuid.UUID, pathlib.PurePath)):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form; return text, numbers, lists or dicts")
