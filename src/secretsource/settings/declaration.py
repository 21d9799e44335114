"""What a class says about its loads: its config and its plan, checked before anything is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretsource.errors import ConfigurationError, joined
from secretsource.settings.config import load_config
from secretsource.settings.plan import plan_for

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

    from secretsource.settings.config import LoadConfig
    from secretsource.settings.plan import Plan


def declaration(
    settings_cls: type[BaseSettings], chain: object = None, *, with_dotenv: bool = False
) -> tuple[LoadConfig, Plan]:
    """What a class says about its loads, checked. Arguments are those of `plan_for`.

    Raises:
        ConfigurationError: Something makes no sense; with a line for each thing.
    """
    faults, config, plan = [], None, None
    try:
        config = load_config(settings_cls)
    except ConfigurationError as error:
        faults.append(error)
    try:
        plan = plan_for(settings_cls, chain, with_dotenv=with_dotenv)
    except ConfigurationError as error:
        faults.append(error)
    if config is None or plan is None:
        raise joined(faults)
    return config, plan
