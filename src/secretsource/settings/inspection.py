"""Where values come from, for a settings object or for a class of which none is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_settings import BaseSettings

from secretsource.settings.load import Load, current_load
from secretsource.settings.plan import standard_chain
from secretsource.settings.sources import chain_is_all, run_sources

if TYPE_CHECKING:
    from secretsource.settings.explanation import Explanation
    from secretsource.settings.provenance import Record


def explain(settings: BaseSettings | type[BaseSettings]) -> Explanation:
    """Where each value of a settings object came from; for a class, where it would come from now.

    A class is not constructed: failures are in the table instead of being raised. Never a value.

    Raises:
        ConfigurationError: The declaration makes no sense.
        TypeError: It is neither.
    """
    settings_cls: object = settings if isinstance(settings, type) else type(settings)
    if not (isinstance(settings_cls, type) and issubclass(settings_cls, BaseSettings)):
        msg = f"explain takes a settings object or its class, not of type {type(settings).__name__}"
        raise TypeError(msg)
    if not isinstance(settings, type):
        record = getattr(settings, "_secretsource", None)
        return (record or record_of(type(settings))).explanation()
    return record_of(settings).explanation()


def record_of(settings_cls: type[BaseSettings]) -> Record:
    """Where the values of a class would come from now, without making one."""
    load = Load(settings_cls)
    if chain_is_all(settings_cls):
        load.run(None if settings_cls.model_config.get("chain") is not None else standard_chain(settings_cls), {})
        return load.record()
    token = current_load.set(load)
    try:
        load.sources = run_sources(settings_cls)
    finally:
        current_load.reset(token)
    return load.record()
