"""Azure Key Vault and its logins, over sockets and under production host names."""
