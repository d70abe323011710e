"""Reads a source: compiles it, runs it once, and finds its tools; errors for its author."""

from types import FunctionType

from sandglass import functions


class BadSource(Exception):
    """A source that gives no tools; the text says what is wrong, where, and what to write instead."""


def load(name, text, module):
    """The source's code, and the module after it ran."""
    try:
        code = compile(text, name, "exec", dont_inherit=True, optimize=0)
    except SyntaxError as error:
        raise BadSource(_syntax_error(name, text, error)) from None
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
        except Exception as error:
            # What the author's own defaults and classes fail with when they are asked.
            problems.append((key, f"{name}, line {_line(value)}: {type(error).__name__}: {error}"))
            continue
        found.append((key, value, description))
    if not found and not problems:
        raise BadSource(f"{name} defines no function: each `def` at the top level is a tool (unless its name starts with `_`)")
    return found, problems


def _is_own(key, value, module):
    """Whether it is a function of the source itself, under the name that its `def` gave it."""
    if key.startswith("_") or _function_in(value) is None or getattr(value, "__module__", None) != module.__name__:
        return False
    called = getattr(value, "__name__", key)
    return called == key or called not in (*module.__dict__, "<lambda>")


def _function_in(value):
    """The function itself, or the one that a decorator such as `functools.cache` has made a callable object of."""
    while not isinstance(value, FunctionType) or "__wrapped__" in vars(value):
        # Of the object's own, for there are objects that have an attribute of any name.
        value = getattr(value, "__dict__", {}).get("__wrapped__")
        if value is None or isinstance(value, type):
            return None
    return value


def _line(value):
    return _function_in(value).__code__.co_firstlineno


def _syntax_error(name, text, error):
    place = f"{name}, line {error.lineno}, column {error.offset}" if error.lineno else name
    lines = text.splitlines()
    # The compiler, other than the parser, does not have the line at hand.
    line = error.text or (lines[error.lineno - 1] if error.lineno and error.lineno <= len(lines) else "")
    line = line.strip()
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
        return f"{place}: {error}"
    kind = type(error).__name__
    hint = ""
    if isinstance(error, KeyError) and "environ" in shown:
        hint = "; while a source is read no variables are there: use `os.environ.get(..)`, or read it in the function"
    return f"{place}: {kind}: {error}{shown}{hint}"
