"""The configuration: ``config.yaml``, the environment and secret files become one frozen value."""
