"""The version of the distribution, which events of the SDK carry."""

__version__ = "0.1.0"
