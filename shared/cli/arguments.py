"""What can be typed after `python -m shared.cli` (docs/cli.md)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from uuid import UUID

ROLES = ("viewer", "recruiter", "data_manager", "hr", "admin", "ops")
ENTITIES = ("job", "role", "candidate", "application")
MODES = ("incremental", "full")
DAYS = 30


def parser() -> argparse.ArgumentParser:
    """Return the parser; each command names its module and function in `run`."""
    root = argparse.ArgumentParser(prog="python -m shared.cli", description="Operate Liaison. Answers are JSON lines.")
    commands = root.add_subparsers(metavar="command", required=True)
    migrate = commands.add_parser("migrate", help="bring the database up to date (DATABASE_OWNER_URL)")
    migrate.set_defaults(run="shared.cli.schema:migrate")
    reseal = commands.add_parser(
        "reseal", help="seal anew what an older ENCRYPTION_SECRET sealed; exit 1 if it can't be"
    )
    reseal.add_argument("--company", type=UUID, help="one company alone; every one without it")
    reseal.add_argument("--webhook-urls", action="store_true", help="make them anew, too: give them to the vendors")
    reseal.set_defaults(run="shared.cli.resealing:reseal")
    _company(commands)
    _token(commands)
    _integration(commands)
    _syncing(commands)
    _parity(commands)
    _suppression(commands)
    _letters(commands)
    _past(commands)
    worker = _group(commands, "worker", "look at the workers")
    status = worker.add_parser("status", help="queue depth, processing, age of the last sweep; exit 1 if not healthy")
    status.set_defaults(run="shared.cli.operating:worker_status")
    return root


def _company(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    group = _group(commands, "company", "make companies")
    create = group.add_parser("create", help="make a company with the shipped routes")
    create.add_argument("name")
    create.add_argument("--id", type=UUID, help="its id, if it must be a certain one")
    create.set_defaults(run="shared.cli.access:create_company")
    region = group.add_parser("region", help="say where phone numbers without a country belong")
    region.add_argument("region", help="two letters, like GB or DE; none = nowhere")
    region.add_argument("--company", type=UUID, required=True)
    region.set_defaults(run="shared.cli.access:set_region")


def _token(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    group = _group(commands, "token", "give and take bearer tokens (AUTH_JWT_SECRET)")
    create = group.add_parser("create", help="make a token; it is shown once")
    create.add_argument("--company", type=UUID, required=True)
    create.add_argument("--role", choices=ROLES, required=True)
    create.add_argument("--subject", default="operator", help="who calls, as the log shows it")
    create.add_argument("--days", type=int, default=DAYS, help=f"how long it is good for ({DAYS})")
    create.set_defaults(run="shared.cli.access:create_token")
    revoke = group.add_parser("revoke", help="take a token back")
    revoke.add_argument("token_id", type=UUID)
    revoke.add_argument("--company", type=UUID, required=True)
    revoke.set_defaults(run="shared.cli.access:revoke_token")


def _past(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    explain = commands.add_parser("explain", help="show of each field who gave it, when, by which rule, what lost")
    explain.add_argument("record_id", type=UUID)
    explain.add_argument("--company", type=UUID, required=True)
    explain.add_argument("--entity", choices=ENTITIES, default="candidate")
    explain.set_defaults(run="shared.cli.past:explain")
    mapped = commands.add_parser("import-id-map", help="link records by a CSV: entity,internal_id,external_id")
    mapped.add_argument("file", help="the CSV; - for standard input")
    mapped.add_argument("--company", type=UUID, required=True)
    mapped.add_argument("--integration", type=UUID, required=True)
    mapped.add_argument("--dry-run", action="store_true", help="judge the rows, write nothing")
    mapped.set_defaults(run="shared.cli.id_maps:import_id_map")


def _integration(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    group = _group(commands, "integration", "connect vendors' accounts")
    create = group.add_parser("create", help="connect an account; the webhook's secret is shown once")
    create.add_argument("--company", type=UUID, required=True)
    create.add_argument("--platform", help="greenhouse …")
    create.add_argument("--name", default="")
    create.add_argument("--api-key", help="seen by others on this machine: prefer --input")
    create.add_argument("--api-base-url")
    create.add_argument("--config", action="append", default=[], metavar="KEY=VALUE", help="may be given often")
    create.add_argument("--input", metavar="FILE", help="the body of the API's call as JSON; - reads standard input")
    create.set_defaults(run="shared.cli.connecting:create_integration")
    shown = group.add_parser("list", help="one line each")
    shown.add_argument("--company", type=UUID, required=True)
    shown.set_defaults(run="shared.cli.connecting:list_integrations")
    test = group.add_parser("test", help="ask the vendor; exit 1 if it refuses")
    test.add_argument("integration", type=UUID)
    test.set_defaults(run="shared.cli.connecting:test_integration")


def _syncing(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    pull = commands.add_parser("pull", help="pull in this process; one JSON line of figures")
    pull.add_argument("--integration", type=UUID, required=True)
    pull.add_argument("--entity", choices=ENTITIES, required=True)
    pull.add_argument("--mode", choices=MODES, default="incremental")
    pull.add_argument("--no-limiter", action="store_true", help="against a simulator whose limiter is off as well")
    pull.set_defaults(run="shared.cli.pulling:pull")
    reconcile = commands.add_parser("reconcile", help="reconcile one record with its vendor, by the workers")
    reconcile.add_argument("--integration", type=UUID, required=True)
    reconcile.add_argument("--entity", choices=ENTITIES, required=True)
    which = reconcile.add_mutually_exclusive_group(required=True)
    which.add_argument("--record", type=UUID, help="our id")
    which.add_argument("--external-id", help="the vendor's id")
    reconcile.set_defaults(run="shared.cli.syncing:reconcile")


def _parity(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parity = commands.add_parser("parity", help="compare both sides in full, in this process; exit 1 on drift")
    parity.add_argument("--integration", type=UUID, required=True)
    parity.add_argument("--entity", choices=ENTITIES, help="every one that may come in without it, parents first")
    parity.add_argument("--repair", action="store_true", help="ask the workers to heal what nothing explains")
    parity.add_argument("--no-limiter", action="store_true", help="against a simulator whose limiter is off as well")
    parity.set_defaults(run="shared.cli.parity:compare")
    certificate = commands.add_parser("certificate", help="the newest parity certificate of each entity, as JSON")
    certificate.add_argument("--integration", type=UUID, required=True)
    certificate.set_defaults(run="shared.cli.parity:certificate")
    deletes = commands.add_parser("deletes", help="decide about the deletes that the brake holds")
    deletes.add_argument("decision", choices=("approve", "reject"))
    deletes.add_argument("--integration", type=UUID, required=True)
    deletes.set_defaults(run="shared.cli.parity:decide_deletes")
    quarantine = commands.add_parser("redrive-quarantine", help="fetch records again that could not be taken in")
    quarantine.add_argument("--integration", type=UUID, required=True)
    quarantine.add_argument("--entity", choices=ENTITIES)
    quarantine.add_argument("--external-id", action="append", help="may be given often; all without it")
    quarantine.set_defaults(run="shared.cli.parity:redrive_quarantine")


def _suppression(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    suppress = commands.add_parser("suppress", help="keep an erased person from coming back, or let them in again")
    suppress.add_argument("--company", type=UUID, required=True)
    suppress.add_argument("--record", type=UUID, help="a candidate of ours, by all that record and links hold")
    suppress.add_argument("--email", help="seen by others on this machine while the command runs")
    suppress.add_argument("--phone")
    suppress.add_argument("--reason", default="request", help="a word for the list, never a name")
    suppress.add_argument("--lift", action="store_true")
    suppress.set_defaults(run="shared.cli.suppressing:suppress")
    shown = commands.add_parser("suppressions", help="how many identifiers are suppressed, by kind")
    shown.add_argument("--company", type=UUID, required=True)
    shown.set_defaults(run="shared.cli.suppressing:suppressions")


def _letters(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    letters = commands.add_parser("dead-letters", help="jobs that were given up, one line each")
    letters.add_argument("--company", type=UUID, required=True)
    letters.add_argument("--state", choices=("open", "redriven", "dismissed", "all"), default="open")
    letters.add_argument("--limit", type=int, default=100)
    letters.add_argument("--groups", action="store_true", help="open ones by their cause, one line a cause")
    letters.set_defaults(run="shared.cli.operating:dead_letters")
    redrive = commands.add_parser("redrive", help="run a dead letter's job again from its first attempt")
    redrive.add_argument("letter", type=UUID, nargs="?", help="one letter; without it --group or --all")
    redrive.add_argument("--group", help="open ones of one cause, as `dead-letters --groups` names it")
    redrive.add_argument("--all", action="store_true", help="every open one of the company")
    redrive.add_argument("--company", type=UUID, required=True)
    redrive.set_defaults(run="shared.cli.operating:redrive")
    dismiss = commands.add_parser("dismiss", help="end a dead letter without running its job")
    dismiss.add_argument("letter", type=UUID, nargs="?", help="one letter; without it --group")
    dismiss.add_argument("--group", help="open ones of one cause, as `dead-letters --groups` names it")
    dismiss.add_argument("--reason", required=True, help="why it need not run again; kept with the letter")
    dismiss.add_argument("--company", type=UUID, required=True)
    dismiss.set_defaults(run="shared.cli.operating:dismiss")


def _group(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, words: str
) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    return commands.add_parser(name, help=words).add_subparsers(metavar="command", required=True)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what was asked for; ends the process with a usage text if it can't be read."""
    return parser().parse_args(arguments)
