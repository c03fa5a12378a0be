"""Functions and classes by name: "package.module:name", as the command line, saved models and pickles write them."""

import importlib
import sys
from typing import Any

from glowjax.checks import InputError


def reference(value: Any) -> str:
    """The name "package.module:name" under which `value`, a function or class, can be imported.

    The shortest module that has it is named, so that a file which moves within its package keeps its references.
    Raises InputError if another process could not import it: a lambda, a local function, or anything in `__main__`.
    """
    module, name = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if module and name and module != "__main__":
        parts = module.split(".")
        candidates = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
        for candidate in ["jax.nn", *candidates]:
            if getattr(sys.modules.get(candidate), name, None) is value:
                return f"{candidate}:{name}"
    raise InputError(
        f"{getattr(value, '__qualname__', value)!r} (in {module}) has no name to import it by; define it at the top "
        "level of a module (not in __main__ and not a lambda)."
    )


def resolve(name: str) -> Any:
    """The function or class that `reference` names. Raises InputError if there is none."""
    module, colon, attribute = name.partition(":")
    if not (colon and module and attribute):
        raise InputError(f"'{name}' names no function; write package.module:function.")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise InputError(
            f"'{name}' cannot be imported ({error}); run from the folder that holds {module.partition('.')[0]}, or "
            "install it."
        ) from error
    except AttributeError as error:
        raise InputError(f"The module {module} has no '{attribute}', which '{name}' names.") from error
