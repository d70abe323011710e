"""Forms: what a person is asked to fill in, by a dataclass. MCP allows fields of plain types only."""

import dataclasses
import types as python
import typing

from .functions import note_of
from .types import MISSING, Mismatch, UnknownType, hints_of, kind_of
from .values import to_json_value

_FIELDS = "str, int, float, bool, date, datetime, Literal or Enum of texts, a list of such a choice, or `| None` with these"


def schema_of(form):
    """The JSON Schema of a form: of a dataclass, or one that is given as it is."""
    if isinstance(form, dict):
        return form
    if not (isinstance(form, type) and dataclasses.is_dataclass(form)):
        raise TypeError(f"a form is a dataclass, or a JSON Schema as a dict, not {form!r}")
    properties, required = {}, []
    for field, hint, optional in _fields(form):
        properties[field.name] = _schema(form, field, hint)
        if field.default is not MISSING and field.default is not None:
            properties[field.name]["default"] = to_json_value(field.default)
        if not optional:
            required.append(field.name)
    schema = {"type": "object", "properties": properties}
    return schema | {"required": required} if required else schema


def read(form, content):
    """What was filled in, as the dataclass, or as it is. Fails with `Mismatch`."""
    if isinstance(form, dict):
        return content
    values = {}
    for field, hint, optional in _fields(form):
        value = content.get(field.name)
        if value is not None:
            try:
                values[field.name] = kind_of(hint).decode(value)
            except Mismatch as problem:
                raise Mismatch(f"`{field.name}`: {problem}") from None
        elif not optional:
            raise Mismatch(f"`{field.name}` is missing")
        elif field.default is MISSING and field.default_factory is MISSING:
            values[field.name] = None
    return form(**values)


def _fields(form):
    """The fields, their types without `None`, and whether they may be left empty."""
    hints = hints_of(form)
    for field in dataclasses.fields(form):
        hint, nullable = _without_none(hints[field.name])
        has_default = field.default is not MISSING or field.default_factory is not MISSING
        yield field, hint, nullable or has_default


def _without_none(hint):
    """The type without `None`, and whether it was there."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        inner, nullable = _without_none(parts[0])
        return typing.Annotated[(inner, *parts[1:])], nullable
    if origin in (typing.Union, python.UnionType) and type(None) in parts:
        return typing.Union[tuple(part for part in parts if part is not type(None))], True
    return hint, False


def _schema(form, field, hint):
    try:
        schema = kind_of(hint).schema({})
    except UnknownType:
        schema = {}
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    items = schema.get("items", {})
    if not _is_plain(schema) and not (schema.get("type") == "array" and "enum" in items and _is_plain(items)):
        raise TypeError(f"`{form.__name__}.{field.name}` can't be a field of a form: a form has {_FIELDS}")
    if note := note_of(hint):
        schema["description"] = note
    return schema


def _is_plain(schema):
    """As MCP restricts the fields of a form (2025-11-25, `PrimitiveSchemaDefinition`)."""
    if "enum" in schema:
        return schema.get("type") == "string"
    return schema.get("type") in ("integer", "number", "boolean") or (
        schema.get("type") == "string" and schema.get("format") in (None, "date", "date-time")
    )
