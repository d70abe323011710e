import unittest

from sandglass.docstrings import parse


class Docstrings(unittest.TestCase):
    def test_without_sections_the_whole_text_is_the_description(self):
        self.assertEqual(parse("One line."), ("One line.", {}))
        self.assertEqual(parse("One line.\n\n    More: of it.\n    "), ("One line.\n\nMore: of it.", {}))
        self.assertEqual(parse(None), ("", {}))

    def test_googles_sections(self):
        text = """Do it.

        Args:
            x (int): The x,
                and more of it.
            *rest: The rest.

        Returns:
            Nothing: at all.

        After it.
        """
        self.assertEqual(parse(text), ("Do it.\n\nAfter it.", {"x": "The x,\nand more of it.", "rest": "The rest."}))

    def test_numpys_sections(self):
        text = """Do it.

        Parameters
        ----------
        x, y : int
            The point.
        z : str, optional
            Something else.

        Returns
        -------
        int
            Not of the description.
        """
        self.assertEqual(parse(text), ("Do it.", {"x": "The point.", "y": "The point.", "z": "Something else."}))

    def test_sphinx_fields(self):
        text = """Do it.

        :param x: The x,
            and more of it.
        :param int y: The y.
        :type y: int
        :returns: Nothing.
        """
        self.assertEqual(parse(text), ("Do it.", {"x": "The x,\nand more of it.", "y": "The y."}))
