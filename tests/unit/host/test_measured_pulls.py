"""A measured pull loads nothing of Azure: its memory is that of the pull."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from shared.composition import Services
from shared.settings import load_settings

Services(load_settings(), limiter_off={limiter_off}).puller
print(sum(name.startswith("azure.") for name in sys.modules))
"""
ENVIRONMENT = {
    "DATABASE_URL": "postgresql://liaison_app@localhost/none",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "ENCRYPTION_SECRET": base64.b64encode(b"k" * 32).decode(),
    "AUTH_JWT_SECRET": "s" * 40,
    "OUTGOING_ALLOW_LOOPBACK": "true",
}


@pytest.mark.parametrize(("limiter_off", "is_loaded"), [(True, False), (False, True)])
def test_without_a_limiter_nothing_of_azure_is_loaded(limiter_off: bool, is_loaded: bool) -> None:
    said = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", PROGRAM.format(limiter_off=limiter_off)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert bool(int(said)) is is_loaded
