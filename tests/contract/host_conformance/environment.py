"""A Python 3.13 that has the production library: found, set up once, and kept in .local/."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings

REPOSITORY = Path(__file__).resolve().parents[3]
VERSION = [3, 13]
PACKAGES = ("azure-functions-runtime==1.3.0", "azure-functions==2.3.0")
REQUIREMENTS = REPOSITORY / "requirements.txt"
SECONDS_TO_ANSWER = 20
SECONDS_TO_INSTALL = 300


class _Surroundings(BaseSettings):
    python313: str = Field(default="", validation_alias="LIAISON_PYTHON313")
    pyenv_root: Path = Field(default=Path("~/.pyenv"), validation_alias="PYENV_ROOT")


def candidates() -> Iterator[Path]:
    """Yield interpreters that may be 3.13: the setting, the path, pyenv's versions."""
    surroundings = _Surroundings()
    if surroundings.python313:
        yield Path(surroundings.python313)
    if on_path := shutil.which("python3.13"):
        yield Path(on_path)
    versions = surroundings.pyenv_root.expanduser() / "versions"
    yield from sorted(versions.glob("3.13.*/bin/python3.13"), reverse=True)


def find_interpreter() -> Path | None:
    """
    Return the first candidate that runs, is 3.13 and can make an environment with pip.

    A name proves nothing: pyenv's shims answer to every name, whether or not that version is
    switched on.
    """
    ask = "import ensurepip, json, sys, venv; print(json.dumps(sys.version_info[:2]))"
    for candidate in candidates():
        try:
            answer = subprocess.run(  # noqa: S603 - trying candidates is the point
                [candidate, "-c", ask],
                capture_output=True,
                text=True,
                timeout=SECONDS_TO_ANSWER,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            continue
        if json.loads(answer.stdout) == VERSION:
            return candidate
    return None


def ensure_environment(interpreter: Path) -> Path:
    """
    Return the Python of an environment with the production library and the project's own
    requirements, made on first use and whenever one of them changes.

    Raises subprocess.CalledProcessError when they cannot be installed.
    """
    pinned = REQUIREMENTS.read_bytes() if REQUIREMENTS.exists() else b""
    mark = sha256(pinned + " ".join(PACKAGES).encode() + str(interpreter).encode()).hexdigest()[:12]
    folder = REPOSITORY / ".local" / f"conformance-313-{mark}"
    python = folder / "bin" / "python"
    complete = folder / "complete"
    if complete.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _run([interpreter, "-m", "venv", folder])
    pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if pinned:
        _run([*pip, "--requirement", REQUIREMENTS])
    _run([*pip, *PACKAGES])
    complete.touch()
    return python


def _run(command: list[str | Path]) -> None:
    subprocess.run(command, timeout=SECONDS_TO_INSTALL, check=True)  # noqa: S603 - our own arguments
