import dataclasses
import datetime
import enum
import typing
import unittest

from sandglass import AskError, ToolError, elicit, forms, log, progress
from sandglass.types import Mismatch


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


@dataclasses.dataclass
class Order:
    name: typing.Annotated[str, "Whose."]
    size: Size
    count: int = 1
    price: typing.Annotated[float | None, "At most."] = None
    day: typing.Optional[datetime.date] = None
    wrap: typing.Literal["paper"] = "paper"
    extras: list[typing.Literal["milk", "sugar"]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Maybe:
    name: str | None


class Questions(unittest.TestCase):
    def test_a_form_is_a_dataclass(self):
        properties = {
            "name": {"type": "string", "description": "Whose."},
            "size": {"enum": ["small", "large"], "type": "string"},
            "count": {"type": "integer", "default": 1},
            "price": {"type": "number", "description": "At most."},
            "day": {"type": "string", "format": "date"},
            "wrap": {"type": "string", "enum": ["paper"], "default": "paper"},
            "extras": {"type": "array", "items": {"enum": ["milk", "sugar"], "type": "string"}},
        }
        schema = {"type": "object", "properties": properties, "required": ["name", "size"]}
        self.assertEqual(forms.schema_of(Order), schema)
        self.assertEqual(forms.schema_of(Maybe), {"type": "object", "properties": {"name": {"type": "string"}}})
        self.assertEqual(forms.schema_of({"type": "object"}), {"type": "object"})

    def test_what_is_filled_in_is_the_dataclass(self):
        filled = {"name": "Ada", "size": "large", "price": 2, "day": "2026-07-01"}
        self.assertEqual(forms.read(Order, filled), Order("Ada", Size.LARGE, 1, 2.0, datetime.date(2026, 7, 1)))
        self.assertEqual(forms.read(Order, {"name": "A", "size": "small", "price": None}), Order("A", Size.SMALL))
        self.assertEqual(forms.read(Maybe, {}), Maybe(None))
        self.assertEqual(forms.read({"type": "object"}, {"a": 1}), {"a": 1})
        for wrong, told in [({"name": "A"}, "`size` is missing"), ({"name": "A", "size": "huge"}, "`size`: 'huge' is none of")]:
            with self.assertRaisesRegex(Mismatch, told):
                forms.read(Order, wrong)

    def test_what_can_be_no_form_says_what_to_write(self):
        @dataclasses.dataclass
        class Nested:
            order: Order

        with self.assertRaisesRegex(TypeError, "`Nested.order` can't be a field of a form: a form has str"):
            forms.schema_of(Nested)
        for wrong in (str, Order("a", Size.SMALL), None):
            with self.assertRaisesRegex(TypeError, "a form is a dataclass, or a JSON Schema as a dict"):
                forms.schema_of(wrong)

    def test_outside_a_component_nobody_listens_and_nobody_asks(self):
        with self.assertRaisesRegex(AskError, "no host outside a component") as caught:
            elicit("sure", "Sure?", Order)
        self.assertEqual(caught.exception.kind, "unsupported")
        self.assertIsInstance(caught.exception, ToolError)
        progress(1, 2, "half")
        log({"a": 1}, "warning")
        with self.assertRaisesRegex(ValueError, "there is no log level 'loud'"):
            log("a", "loud")
