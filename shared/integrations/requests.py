"""What a client may say of an integration; paths of faults are those of the JSON that came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, SecretStr
from pydantic_core import PydanticCustomError

from shared.integrations.credentials import LONGEST_SECRET
from shared.integrations.quiet_hours import QuietHours, known_zone
from shared.model import EntityType
from shared.store.schedules import LONGEST_S, SHORTEST_S

SYNONYMS: Mapping[str, str] = {"sap": "sap_successfactors", "mock": "generic"}
"""Other names of platforms (S-103)."""


def platform_name(given: str) -> str:
    """Return the platform's own name for what was typed."""
    name = given.strip().lower()
    return SYNONYMS.get(name, name)


def entity_name(given: object) -> object:
    """Accept `role` for `job`, wherever an entity is named (S-034)."""
    return "job" if given == "role" else given


def _made_by_us(_: object) -> None:
    raise PydanticCustomError("read_only", "is made by Liaison and can't be set")


Entity = Annotated[EntityType, BeforeValidator(entity_name)]
DirectionSetting = Literal["inbound", "outbound", "both"]
ReadOnly = Annotated[None, BeforeValidator(_made_by_us)]
Name = Annotated[str, Field(max_length=200)]
Credential = Annotated[SecretStr, Field(min_length=1, max_length=LONGEST_SECRET)]
Url = Annotated[str, Field(min_length=1, max_length=2048)]
Retries = Annotated[int, Field(ge=0, le=5)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class CadenceRequest(_Request):
    """How often one entity is pulled: every 5 minutes to once a day."""

    entity: Entity
    every_s: int = Field(ge=SHORTEST_S, le=LONGEST_S)
    mode: Literal["incremental", "full", "compare"] = "incremental"
    time_zone: Annotated[str, AfterValidator(known_zone)] = "UTC"
    enabled: bool = True


class DeleteBrake(_Request):
    """How many records of one entity may disappear within a day: *count*, or *share* of them if that is more."""

    count: int = Field(default=20, ge=0, le=1_000_000)
    share: float = Field(default=0.02, ge=0.0, le=1.0)


class Config(BaseModel):
    """The parts of `config` that mean the same at every vendor; the rest is its adapter's to judge."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    directions: dict[Entity, DirectionSetting] = Field(default_factory=dict)
    rate_share: float | None = Field(default=None, ge=0.01, le=1)
    """Part of the vendor's limit that may be used; None goes back to `VENDOR_RATE_SHARE`."""
    quiet_hours: QuietHours | None = None
    """When bulk work leaves the vendor alone; None: never."""
    on_delete: Literal["archive", "keep"] | None = None
    """What becomes of a record here that was deleted there; archived where nothing is said."""
    on_archive: dict[Entity, Literal["keep", "delete"]] | None = None
    """What becomes at the vendor of a record that somebody archived here; kept where nothing is said."""
    on_vendor_merge: Literal["merge", "review"] | None = None
    """What becomes of two records here that the vendor merged into one; a person is asked where nothing is said."""
    delete_brake: DeleteBrake | None = None

    def given(self) -> dict[str, JsonValue]:
        """Return what was said, with directions by the entities' own names."""
        said: dict[str, JsonValue] = dict(self.model_extra or {})
        if "quiet_hours" in self.model_fields_set:
            said["quiet_hours"] = None if self.quiet_hours is None else self.quiet_hours.model_dump()
        if "rate_share" in self.model_fields_set:
            said["rate_share"] = self.rate_share
        if "directions" in self.model_fields_set:
            said["directions"] = {entity.value: value for entity, value in self.directions.items()}
        if "on_delete" in self.model_fields_set:
            said["on_delete"] = self.on_delete
        if "on_archive" in self.model_fields_set:
            said["on_archive"] = (
                None if self.on_archive is None else {entity.value: what for entity, what in self.on_archive.items()}
            )
        if "on_vendor_merge" in self.model_fields_set:
            said["on_vendor_merge"] = self.on_vendor_merge
        if "delete_brake" in self.model_fields_set:
            said["delete_brake"] = None if self.delete_brake is None else self.delete_brake.model_dump()
        return said


class CreateIntegration(_Request):
    """`POST /companies/{id}/integrations`."""

    platform: Annotated[str, Field(min_length=1, max_length=64)]
    name: Name = ""
    api_key: Credential | None = None
    api_base_url: Url | None = None
    config: Config = Field(default_factory=Config)
    sync_enabled: bool = True
    sync_roles: bool = True
    sync_candidates: bool = True
    sync_applications: bool = True
    max_retries: Retries = 3
    schedules: list[CadenceRequest] = Field(default_factory=list, max_length=32)
    webhook_url: ReadOnly = None


class PatchIntegration(_Request):
    """
    `PATCH /integrations/{id}`. What is absent stays.

    `config` is merged key by key, null removes a key; `api_base_url: null` goes back to the vendor's own address.
    """

    name: Name | None = None
    api_key: Credential | None = None
    api_base_url: Url | None = None
    config: Config | None = None
    sync_enabled: bool | None = None
    sync_roles: bool | None = None
    sync_candidates: bool | None = None
    sync_applications: bool | None = None
    max_retries: Retries | None = None
    schedules: list[CadenceRequest] | None = Field(default=None, max_length=32)
    rotate_webhook_secret: bool = False
    webhook_url: ReadOnly = None

    def switches(self) -> dict[str, bool]:
        """Return the switches that were given."""
        names = ("sync_enabled", "sync_roles", "sync_candidates", "sync_applications")
        return {name: value for name in names if (value := getattr(self, name)) is not None}
