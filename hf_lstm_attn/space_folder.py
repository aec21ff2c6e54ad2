"""A Gradio Space for a model, from the template in `space/`, which needs nothing of this package."""

from __future__ import annotations

import json
from pathlib import Path

from .hub import check_repo_id

TEMPLATE = Path(__file__).with_name("space")
FILES = ("README.md", "app.py", "requirements.txt")


def build_space(model: str, folder: Path) -> dict[str, int]:
    """Write the files of a Space into a new folder; returns their names and sizes in bytes.

    Args:
        model: A repository on the Hub, or a model folder, with which the Space runs on this machine alone.

    Raises:
        ValueError: if `model` is neither a model folder nor the name of a repository.
        FileExistsError: if `folder` has something in it.
    """
    local = Path(model).is_dir()
    if local and not (Path(model) / "config.json").is_file():
        raise ValueError(f"Expected a folder with a model (config.json); found none in {model}.")
    if not local:
        check_repo_id(model)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"Expected no files in {folder}; found some. Choose another folder, or empty this one.")
    folder.mkdir(parents=True, exist_ok=True)
    place = str(Path(model).resolve()) if local else model
    for name in FILES:
        content = (TEMPLATE / name).read_text(encoding="utf-8")
        if name == "app.py":
            content = content.replace('"{{ model }}"', json.dumps(place))
        elif local:  # no links to a folder of this machine
            content = "".join(line for line in content.splitlines(keepends=True) if "{{ model }}" not in line)
        content = content.replace("{{ model }}", model).replace("{{ title }}", Path(place).name)
        (folder / name).write_text(content, encoding="utf-8")
    return {name: (folder / name).stat().st_size for name in FILES}
