"""When each frame was recorded, from actions.jsonl."""

import json
from pathlib import Path

import numpy as np

from worldmodel.data.meta import ADVICE
from worldmodel.errors import UserError


def read_times(path: Path) -> np.ndarray | None:
    """Return the `milli` of each line, float64 [t]; None when a line has none.

    Raises UserError, naming file and line, when a line is no JSON object.
    """
    times = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            times.append(json.loads(line)["milli"])
        except KeyError:
            return None
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{path} line {number} should be one action but cannot be read ({error!r}); "
                f"{ADVICE}"
            ) from error
    return np.array(times, np.float64)
