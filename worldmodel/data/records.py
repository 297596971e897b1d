"""JSON files that this project wrote, read with one-sentence errors."""

import json
from pathlib import Path
from typing import Any

from worldmodel.errors import UserError


def read_json(path: Path) -> Any:
    """Return a JSON file's content; raise UserError when it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; run the command that makes it first.") from error
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} should be JSON but cannot be read ({error}); delete it and make it again."
        ) from error
