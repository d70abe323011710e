"""A component of another toolchain: componentize-py."""

from componentize_py_types import Err
import wit_world
from wit_world import exports
from wit_world.exports.text import Style, Tally, Trouble_Empty


class Text(exports.Text):
    def count(self, text: str) -> Tally:
        words = text.split()
        return Tally(len(words), max(words, key=len, default=None))

    def restyle(self, text: str, style: Style) -> str:
        if not text:
            raise Err(Trouble_Empty())
        return text.upper() if style == Style.UPPER else text.title()


class WitWorld(wit_world.WitWorld):
    def reverse(self, items: list[int]) -> list[int]:
        return items[::-1]
