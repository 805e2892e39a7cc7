"""Every group of statements in one value, so that an engine can be given another store."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.store.attention import Attention
from shared.store.conflicts import Conflicts
from shared.store.connections import Connections
from shared.store.create_intents import CreateIntents
from shared.store.delete_brakes import DeleteBrakes
from shared.store.history import History
from shared.store.identity_pairs import IdentityPairs
from shared.store.ledger import Ledger
from shared.store.left_out import LeftOutRecords
from shared.store.links import Links
from shared.store.logs import Logs
from shared.store.namesakes import Namesakes
from shared.store.pins import Pins
from shared.store.record_merges import RecordMerges
from shared.store.records import Records
from shared.store.removals import Removals
from shared.store.runs import Runs
from shared.store.submissions import Submissions
from shared.store.suppressions import Suppressions


@dataclass(frozen=True, slots=True)
class Store:
    """What the engine reads and writes, group by group. No group holds state; each call takes its transaction."""

    ledger: Ledger = field(default_factory=Ledger)
    records: Records = field(default_factory=Records)
    submissions: Submissions = field(default_factory=Submissions)
    links: Links = field(default_factory=Links)
    history: History = field(default_factory=History)
    logs: Logs = field(default_factory=Logs)
    runs: Runs = field(default_factory=Runs)
    conflicts: Conflicts = field(default_factory=Conflicts)
    pins: Pins = field(default_factory=Pins)
    attention: Attention = field(default_factory=Attention)
    create_intents: CreateIntents = field(default_factory=CreateIntents)
    connections: Connections = field(default_factory=Connections)
    record_merges: RecordMerges = field(default_factory=RecordMerges)
    identity_pairs: IdentityPairs = field(default_factory=IdentityPairs)
    delete_brakes: DeleteBrakes = field(default_factory=DeleteBrakes)
    removals: Removals = field(default_factory=Removals)
    suppressions: Suppressions = field(default_factory=Suppressions)
    namesakes: Namesakes = field(default_factory=Namesakes)
    left_out: LeftOutRecords = field(default_factory=LeftOutRecords)
