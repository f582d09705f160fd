"""Writes the JSON Schema of every message: ``python -m schemas.export [FOLDER]``."""

import json
import sys
from pathlib import Path

from schemas import MESSAGES

FOLDER = Path(__file__).parent / "json"


def rendered() -> dict[str, str]:
    """Return file name -> JSON Schema text of every message, as a reader should accept it."""
    return {
        f"{name}.schema.json": json.dumps(model.model_json_schema(mode="validation"), indent=2, sort_keys=True) + "\n"
        for name, model in MESSAGES.items()
    }


def write(folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in rendered().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
