import dataclasses
import datetime
import enum
import typing
import unittest

from sandglass import Image, tool, tools
from sandglass.content import Text, blocks_of
from sandglass.functions import InvalidArguments, NotATool, ToolError, call, describe, failure_text, plan, result_text


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: float = 2


def called(function, **arguments):
    return call(function, plan(function), arguments)


class Functions(unittest.TestCase):
    def test_a_function_is_described_by_its_types_and_docstring(self):
        def add(a: int, b: typing.Annotated[int, "The other."] = 1) -> int:
            """Add two numbers.

            Args:
                a: The one.
            """
            return a + b

        description = describe(add)
        self.assertEqual((description.name, description.description), ("add", "Add two numbers."))
        properties = {
            "a": {"type": "integer", "description": "The one."},
            "b": {"type": "integer", "description": "The other.", "default": 1},
        }
        self.assertEqual(
            description.input_schema,
            {"type": "object", "properties": properties, "required": ["a"], "additionalProperties": False},
        )
        self.assertEqual(description.output_schema, {"type": "integer"})

    def test_arguments_come_as_the_types_that_are_written(self):
        def kinds(i: int, color: Color, point: Point, day: datetime.date, any=None):
            return i, color, point, day, any

        found = called(kinds, i=1.0, color="red", point={"x": 1}, day="2026-07-01", any=[1])
        self.assertEqual(found, (1, Color.RED, Point(1, 2), datetime.date(2026, 7, 1), [1]))
        self.assertIs(type(found[0]), int)

    def test_what_is_of_another_type_names_its_place(self):
        def plot(points: typing.List[Point]):
            return points

        with self.assertRaisesRegex(InvalidArguments, r"`points`: 1: x: 'a' is not of type integer"):
            called(plot, points=[{"x": 1}, {"x": "a"}])
        with self.assertRaisesRegex(InvalidArguments, r"`points`: 0: `x` is missing"):
            called(plot, points=[{}])

    def test_a_union_takes_what_fits_best(self):
        def either(x: typing.Union[float, int, Point, None]):
            return x

        for given, found in [(1, 1), (1.5, 1.5), ({"x": 1}, Point(1)), (None, None)]:
            self.assertEqual((called(either, x=given), type(called(either, x=given))), (found, type(found)))

    def test_positional_only_parameters_and_coroutines_are_called(self):
        async def add(a: int, b: int = 2, /, *, c: int = 3):
            return a + b + c

        self.assertEqual(called(add, a=1, c=10), 13)

    def test_what_can_be_no_tool_says_what_to_write(self):
        def star(*items): ...
        def stars(**options): ...
        def unknown(x: "Missing"): ...
        def pattern(x: typing.Pattern): ...

        for function, told in [
            (star, r"instead of `\*items` write `items: list`"),
            (stars, r"instead of `\*\*options` write `options: dict`"),
            (unknown, "names `Missing`, which is not defined"),
            (pattern, "is not a type that JSON can have: use str, int"),
        ]:
            with self.assertRaisesRegex(NotATool, told):
                describe(function)
        with self.assertRaisesRegex(NotATool, "rename it"):
            describe(star, "a b")

    def test_results_are_json_or_content(self):
        for result, text in [
            (1, "1"),
            ("ä", '"\\u00e4"'),
            ([Point(1)], '[{"x":1,"y":2}]'),
            ({"d": datetime.date(2026, 7, 1), "c": Color.RED, "s": {1}}, '{"d":"2026-07-01","c":"red","s":[1]}'),
            ((n for n in (1, 2)), "[1,2]"),
        ]:
            self.assertEqual(result_text(result), text)
        for result in (float("nan"), object(), {(1, 2): 3}):
            with self.assertRaisesRegex(ToolError, "result cannot be JSON"):
                result_text(result)
        self.assertEqual(blocks_of(["text", Image(b"")]), [Text("text"), Image(b"")])
        self.assertIsNone(blocks_of(["text"]))

    def test_an_exception_tells_its_own_words(self):
        for error, text in [
            (ValueError("the kettle is empty"), "the kettle is empty"),
            (KeyError("k"), "KeyError: 'k'"),
            (RuntimeError(), "RuntimeError"),
            (SystemExit(3), "the tool ended itself with sys.exit(3) instead of returning a result"),
        ]:
            self.assertEqual(failure_text(error), text)

    def test_a_decorated_function_is_still_one(self):
        @tool(title="Adds", read_only=True)
        def adds(a: int) -> int:
            return a + 1

        self.assertEqual(adds(1), 2)
        self.assertIn("adds", tools.tools)
        with self.assertRaisesRegex(ValueError, "two tools are named `adds`"):
            tool(lambda a: a, name="adds")
