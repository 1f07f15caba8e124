"""The one exception for what a user can mend."""


class ElifPoseError(Exception):
    """Something outside the program is wrong: a path, a file, a setting.

    The message is one sentence that names what was found, where, and what to do. The command line prints it
    without a traceback and exits with status 1. Programming errors use the built-in exceptions instead.
    """


def root_message(error: ElifPoseError) -> str:
    """The sentence itself, also where a data loader's worker wrapped it into a report with a traceback."""
    return str(error).rsplit(f"{ElifPoseError.__name__}: ", maxsplit=1)[-1].strip()
