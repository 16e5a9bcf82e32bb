"""A placeholder, until params.py is written."""


def converse_params(config, messages=()):
    raise NotImplementedError
