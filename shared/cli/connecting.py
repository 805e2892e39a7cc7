"""Integrations, as the API makes and shows them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from shared.cli.output import result
from shared.cli.session import company_of, composed
from shared.errors import InvalidInput
from shared.integrations import CreateIntegration, Integrations


async def create_integration(asked: argparse.Namespace) -> int:
    """Connect an account."""
    request = CreateIntegration.model_validate(body_of(asked))
    async with composed() as services:
        created = await Integrations.of(services).create(asked.company, request)
    result({**created.view, "webhook_secret": created.webhook_secret})
    return 0


async def list_integrations(asked: argparse.Namespace) -> int:
    """Show the company's integrations."""
    async with composed() as services:
        for view in await Integrations.of(services).page(asked.company, after=None, limit=500):
            result(view)
    return 0


async def test_integration(asked: argparse.Namespace) -> int:
    """Ask the vendor; 1 if it refuses."""
    async with composed() as services:
        company_id = await company_of(services.database, asked.integration)
        report = await Integrations.of(services).test(company_id, asked.integration)
    result(report)
    return 0 if report["ok"] else 1


def body_of(asked: argparse.Namespace) -> dict[str, Any]:
    """Return the body of the API's call: that of `--input`, and what was typed laid over it. Raises InvalidInput."""
    body = _read(asked.input) if asked.input else {}
    typed = {
        "platform": asked.platform,
        "name": asked.name or None,
        "api_key": asked.api_key,
        "api_base_url": asked.api_base_url,
    }
    body |= {name: value for name, value in typed.items() if value is not None}
    config = dict(_pair(text) for text in asked.config)
    if config:
        body["config"] = {**body.get("config", {}), **config}
    return body


def _read(path: str) -> dict[str, Any]:
    text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    try:
        body = json.loads(text)
    except json.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise InvalidInput("--input: is no JSON object", field="input", remedy="give the body of the API's call")
    return body


def _pair(text: str) -> tuple[str, Any]:
    """Return `key=value`; a value that is JSON is read as that (`directions={"candidate": "both"}`)."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidInput("--config: is no KEY=VALUE", field="config", remedy="write it like user_id=4711")
    if value[:1] in ("{", "["):
        try:
            return name, json.loads(value)
        except json.JSONDecodeError:
            raise InvalidInput(f"--config {name}: is no JSON", field=f"config.{name}") from None
    return name, value
