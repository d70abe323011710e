"""Reads a source: compiles it, runs it once, and finds its tools; errors for its author."""

from types import FunctionType

from sandglass import functions

import standard


class BadSource(Exception):
    """A source that gives no tools; the text says what is wrong, where, and what to write instead."""


def load(name, text, module):
    """The source's code, and the module after it ran."""
    try:
        code = compile(text, name, "exec", dont_inherit=True, optimize=0)
    except SyntaxError as error:
        raise BadSource(_syntax_error(name, error)) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise BadSource(f"{name}: {error}") from None
    try:
        exec(code, module.__dict__)
    except BaseException as error:
        raise BadSource(_error(name, text, error)) from None
    return code, module


def tools_of(name, module):
    """The source's functions, as (tool's name, function, description), and those that can be none, with the reason."""
    found, problems = [], []
    namespace = module.__dict__
    for key, value in namespace.items():
        if not _is_own(key, value, module):
            continue
        options = getattr(value, "__sandglass_tool__", None)
        try:
            description = functions.describe(value, options and options.name or key, brief=True)
        except functions.NotATool as reason:
            problems.append((key, f"{name}, line {_line(value)}: {reason}"))
            continue
        found.append((key, value, description))
    if not found and not problems:
        raise BadSource(f"{name} defines no function: each `def` at the top level is a tool (unless its name starts with `_`)")
    return found, problems


def _is_own(key, value, module):
    """Whether it is a function of the source itself, under the name that its `def` gave it."""
    if key.startswith("_") or not isinstance(value, FunctionType) or value.__module__ != module.__name__:
        return False
    return value.__name__ == key or value.__name__ not in (*module.__dict__, "<lambda>")


def _line(function):
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function.__code__.co_firstlineno


def _syntax_error(name, error):
    place = f"{name}, line {error.lineno}, column {error.offset}" if error.lineno else name
    line = (error.text or "").strip()
    shown = f": `{line[:200]}`" if line else ""
    return f"{place}: {error.msg}{shown}"


def _error(name, text, error):
    lines = []
    trace = error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == name:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    source = text.splitlines()
    place, shown = name, ""
    if lines:
        place = f"{name}, line {lines[-1]}"
        shown = f": `{source[lines[-1] - 1].strip()[:200]}`"
    if isinstance(error, ModuleNotFoundError):
        module = (error.name or "").partition(".")[0]
        return f"{place}: there is no module `{module}`{shown}; inline Python has {standard.listed()}"
    kind = type(error).__name__
    hint = ""
    if isinstance(error, KeyError) and "environ" in shown:
        hint = "; while a source is read no variables are there: use `os.environ.get(..)`, or read it in the function"
    return f"{place}: {kind}: {error}{shown}{hint}"
