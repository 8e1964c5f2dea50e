"""Packages of others, as an installer leaves them: a module and its .dist-info."""

import shutil
from pathlib import Path


def write_package(
    folder: Path, name: str, group: str, entry: str, code: str = "", version: str = "1"
) -> Path:
    """A package that adds `entry`, such as "fog = fogs:Fog", to a group; its module is `code`."""
    folder.mkdir(exist_ok=True)
    if code:
        (folder / f"{name.replace('-', '_')}.py").write_text(code)
    for old in folder.glob(f"{name}-*.dist-info"):
        shutil.rmtree(old)
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{entry}\n")
    return folder
