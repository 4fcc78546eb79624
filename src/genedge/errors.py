"""The one error that is meant for people."""


class InputError(Exception):
    """Something the user gave is wrong.

    The message says what is wrong, where, and what would be right. The command line prints it without a
    traceback and exits with status 2.
    """
