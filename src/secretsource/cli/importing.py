"""A settings class by its name: its module is imported, and no store is asked for that."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NoReturn

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from secretsource.cli.failures import current_folder, where, wrong
from secretsource.errors import SecretSourceError
from secretsource.ref import did_you_mean
from secretsource.settings.load import Load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secretsource.cli.target import Named

_LOOKS_LIKE: Final = 0.6


class _Stopped(SecretSourceError):
    """A settings object was about to be loaded."""


def import_class(named: Named) -> type[BaseSettings]:
    """Import a settings class. The current folder is importable, and that of the pyproject.toml which names it.

    Many a module makes its settings object when it is imported. Here that ends the import, and the class is taken
    from what is defined by then: so that a command asks the stores for no more than it has to know.

    Raises:
        Failed: There is no such module or class, or the module cannot be imported.
    """
    module, colon, name = named.name.partition(":")
    if not (module and colon and name):
        raise wrong(f"a settings class is named MODULE:CLASS, such as shop.settings:ShopSettings, not {named.name!r}")
    for folder in (named.folder, str(current_folder())):
        if folder is not None and folder not in sys.path:
            sys.path.insert(0, folder)
    names = _names_before_any_load(module)
    return _class_in(names if name in names else _all_names(module), module, name)


def _names_before_any_load(module: str) -> Mapping[str, Any]:
    """What a module defines up to the point where it would load settings; nothing where it fails."""
    run = Load.run
    Load.run = _stop  # type: ignore[method-assign,assignment]  # for the time of the import
    try:
        return vars(import_module(module))
    except (SystemExit, Exception) as error:  # noqa: BLE001 - what fails for another reason will fail again
        return _defined_so_far(error, module)
    finally:
        Load.run = run  # type: ignore[method-assign]


def _stop(*_: object) -> NoReturn:
    raise _Stopped


def _defined_so_far(error: BaseException, module: str) -> Mapping[str, Any]:
    """What a module had defined when its import ended early: the module is gone, the traceback still knows it."""
    if not isinstance(error, _Stopped | ValidationError | SystemExit):
        return {}
    if module in sys.modules:
        return vars(sys.modules[module])
    frame = error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_globals.get("__name__") == module:
            return frame.tb_frame.f_globals
        frame = frame.tb_next
    return {}


def _all_names(module: str) -> Mapping[str, Any]:
    try:
        return vars(import_module(module))
    except SecretSourceError:
        raise
    except ModuleNotFoundError as error:
        fault = _what_is_not_there(module, error)
    except (SystemExit, Exception) as error:  # noqa: BLE001 - somebody else's module may raise anything
        fault = f"{module} cannot be imported: {type(error).__name__} {where(error)}"
    raise wrong(fault)


def _what_is_not_there(module: str, error: ModuleNotFoundError) -> str:
    if error.name is not None and f"{module}.".startswith(f"{error.name}."):
        return f"there is no module {error.name!r} in the current folder or among the installed packages"
    return f"{module} cannot be imported: it needs {error.name!r}, which is not installed ({where(error)})"


def _class_in(names: Mapping[str, Any], module: str, name: str) -> type[BaseSettings]:
    found = names.get(name)
    if isinstance(found, type) and issubclass(found, BaseSettings):
        return found
    if isinstance(found, BaseSettings):
        raise wrong(f"{module}:{name} is a settings object; name its class, {type(found).__name__}")
    if found is not None:
        raise wrong(f"{module}:{name} is no settings class: it does not derive from Settings or BaseSettings")
    classes = [key for key, value in names.items() if isinstance(value, type) and issubclass(value, BaseSettings)]
    raise wrong(f"{module} has no class {name!r}{did_you_mean(name, classes, _LOOKS_LIKE)}")
