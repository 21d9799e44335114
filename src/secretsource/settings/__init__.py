"""Settings classes: their leaves, the plan for finding them, one load, and where each value came from."""

from secretsource.settings.model import ChainSettingsSource, Settings, SettingsConfigDict
from secretsource.settings.steering import From

__all__ = ["ChainSettingsSource", "From", "Settings", "SettingsConfigDict"]
