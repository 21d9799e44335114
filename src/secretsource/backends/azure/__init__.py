"""Azure: Key Vault (`azure-kv`)."""

from secretsource.backends.azure.key_vault import KeyVaultBackend

__all__ = ["KeyVaultBackend"]
