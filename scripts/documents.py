"""Documents that are written from code: written when called plainly, compared with `--check`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def write_or_check(written_files: Callable[[], Mapping[Path, str]], description: str | None) -> int:
    """Write the files, or with `--check` compare them; return the exit code: 1 if one has drifted."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="compare only")
    check = parser.parse_args().check
    differing = {path: text for path, text in written_files().items() if not path.exists() or path.read_text() != text}
    for path, text in differing.items():
        print(f"{'differs' if check else 'written'}: {path.relative_to(ROOT)}")
        if not check:
            path.write_text(text)
    return 1 if check and differing else 0
