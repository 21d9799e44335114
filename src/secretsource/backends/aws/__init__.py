"""AWS: Secrets Manager (`aws-sm`) and Systems Manager's Parameter Store (`aws-ssm`)."""

from secretsource.backends.aws.parameter_store import ParameterStoreBackend
from secretsource.backends.aws.secrets_manager import SecretsManagerBackend

__all__ = ["ParameterStoreBackend", "SecretsManagerBackend"]
