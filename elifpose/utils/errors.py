"""The one exception for what a user can mend."""


class ElifPoseError(Exception):
    """Something outside the program is wrong: a path, a file, a setting.

    The message is one sentence that names what was found, where, and what to do; or a list of what was found, and
    such a sentence. The command line prints it without a traceback and exits with status 1. Programming errors use
    the built-in exceptions instead.
    """


def user_message(error: BaseException | None) -> str | None:
    """The sentence of the `ElifPoseError` that an error is or was caused by; None if there is none.

    A library may raise an error of its own in its place, and a data loader's worker wraps it into a report.
    """
    while error is not None and not isinstance(error, ElifPoseError):
        error = error.__cause__
    return None if error is None else str(error).rsplit(f"{ElifPoseError.__name__}: ", maxsplit=1)[-1].strip()
