"""How the command says what went wrong: one line, and the exit code that goes with it."""

import click


class FailedError(click.ClickException):
    """What was asked did not succeed; exit code 1."""

    exit_code = 1


class WrongError(click.ClickException):
    """Input or configuration is wrong; exit code 2."""

    exit_code = 2
