"""Every backend's harness for the suite in `secretsource.testing`."""
