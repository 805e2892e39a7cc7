"""`python -m sandbox.vendors.greenhouse --port 0 --json --people 2000`: serve until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from dataclasses import fields
from typing import Any

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings


def parse(arguments: list[str]) -> argparse.Namespace:
    """Every plain setting is an option: `window_limit` is `--window-limit`."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.vendors.greenhouse")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--json", action="store_true", help="print the addresses as one line")
    for field in fields(Settings):
        kind = str(field.type).removesuffix(" | None")
        option = "--" + field.name.replace("_", "-")
        if field.name == "legacy":
            parser.add_argument(option, choices=("served", "removed"))
        elif kind == "bool":
            parser.add_argument(option, action=argparse.BooleanOptionalAction, default=None)
        elif kind in {"int", "float", "str"}:
            parser.add_argument(option, type={"int": int, "float": float, "str": str}[kind])
    return parser.parse_args(arguments)


def read_settings(options: argparse.Namespace) -> Settings:
    """The settings that were given; the others keep their defaults."""
    given: dict[str, Any] = {
        field.name: value for field in fields(Settings) if (value := getattr(options, field.name, None)) is not None
    }
    return Settings(**given)


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = GreenhouseSimulator(read_settings(options), host=options.host, port=options.port)
    async with server:
        addresses = server.addresses()
        if options.json:
            print(json.dumps(addresses), flush=True)
        else:
            for name, value in addresses.items():
                print(f"{name:15} {value}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve(parse(sys.argv[1:])))
