"""The one error that is meant for people, and the one warning."""


class InputError(Exception):
    """Something the user gave is wrong.

    The message says what is wrong, where, and what would be right. The command line prints it without a
    traceback and exits with status 2.
    """


class Told(UserWarning):
    """Something the user gave is not wrong, but may not mean what it seems to; told in one line."""
