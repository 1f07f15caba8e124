"""MATLAB files, read by scipy where it is installed. Data only: nothing in them is executed."""

import io
from pathlib import Path
from typing import Any

from elifpose.datasets.records import Record
from elifpose.utils.errors import ElifPoseError


def read_mat(content: bytes, source: Path) -> dict[str, Any]:
    """Variables of a ``.mat`` file by name: arrays, and structures as dictionaries. Dimensions of length 1 are gone.

    Args:
        content: The file's bytes.
        source: Its name, for errors.

    Raises:
        ElifPoseError: If scipy is not installed, or the file is broken or of version 7.3.
    """
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise ElifPoseError(
            f"{source} is a MATLAB file, which needs scipy; run `pip install 'elifpose[mat]'`"
        ) from error
    try:
        variables: dict[str, Any] = loadmat(io.BytesIO(content), simplify_cells=True)
    except NotImplementedError as error:
        raise ElifPoseError(f"{source} is a MATLAB file of version 7.3; save it as -v7, or fetch it again") from error
    except Exception as error:  # a broken file makes scipy raise whatever it stumbles on
        raise ElifPoseError(f"{source} is not a MATLAB file that can be read ({error}); fetch it again") from error
    return variables


def structures(value: Any) -> list[Record]:
    """The elements of an array of structures: MATLAB makes no difference between one of them and an array of one."""
    if isinstance(value, dict):
        return [value]
    return [one for one in value if isinstance(one, dict)] if hasattr(value, "__iter__") else []
