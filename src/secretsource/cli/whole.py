"""Settings loaded as the application loads them, and fields read out of them where they alone do not tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_settings import SettingsError

from secretsource.cli.alone import stands_alone
from secretsource.cli.fields import Fields, InsideNone, absent, paths_of, value_at
from secretsource.cli.problems import broken, problems_of, unread
from secretsource.errors import Problem, ResolutionError, SecretSourceError
from secretsource.settings.annotations import fields_of
from secretsource.settings.sources import chain_is_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_settings import BaseSettings


def read_fields(settings_cls: type[BaseSettings], names: Sequence[str]) -> tuple[dict[str, object], Sequence[Problem]]:
    """The values of fields as the application would get them, and what is wrong with those that have none.

    They alone are asked for, unless more than what is found for them may decide on them: then everything is loaded.
    Arguments and errors are those of `Fields`.
    """
    paths = paths_of(settings_cls, names)
    if chain_is_all(settings_cls) and all(stands_alone(settings_cls, path) for path in paths.values()):
        return Fields(settings_cls, names).read()
    settings, problems = load_all(settings_cls)
    if settings is None:
        return {}, [_explained(problem, names, settings_cls) for problem in problems]
    values: dict[str, object] = {}
    problems = []
    for name, path in paths.items():
        try:
            values[name] = value_at(settings_cls, path, settings)
        except InsideNone as error:
            problems.append(absent(name, error))
    return values, problems


def load_all(settings_cls: type[BaseSettings]) -> tuple[BaseSettings | None, Sequence[Problem]]:
    """Make a settings object; None, and what is wrong, where that cannot be done.

    Raises:
        SecretSourceError: What is wrong is not about the values.
    """
    try:
        return settings_cls(), ()
    except (ResolutionError, ValidationError) as error:
        return None, problems_of(error, settings_cls)
    except SettingsError as error:
        return None, [unread(error, settings_cls)]
    except SecretSourceError:
        raise
    except (SystemExit, Exception) as error:  # noqa: BLE001 - a validator may raise anything
        fault = broken(settings_cls.__name__, error)
    return None, _beneath(settings_cls) or [fault]


def _beneath(settings_cls: type[BaseSettings]) -> Sequence[Problem]:
    """What is wrong with the fields one by one: for want of a field a validator of another may raise anything."""
    if not chain_is_all(settings_cls):
        return ()
    return Fields(settings_cls, list(fields_of(settings_cls))).problems()


def _explained(problem: Problem, names: Sequence[str], settings_cls: type[BaseSettings]) -> Problem:
    """The problem, with what it has to do with the fields that were asked for where it is another's."""
    if any(f"{problem.field}.".startswith(f"{name}.") for name in names):
        return problem
    why = f"{', '.join(names)} can only be told with all of {settings_cls.__name__}"
    hint = f"{problem.hint}; {why}" if problem.hint else why
    return Problem(problem.field, problem.outcome, problem.ref, problem.message, hint)
