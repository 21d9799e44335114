"""Google Cloud: Secret Manager (`gcp-sm`)."""

from secretsource.backends.gcp.secret_manager import SecretManagerBackend

__all__ = ["SecretManagerBackend"]
