"""Access keys of the host: one master key, one host key, one key per function (§3)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """
    The keys of one host. All but the master key are derived from it.

    A host that is started again with the same master key therefore keeps all its keys, and
    nothing has to be stored.
    """

    master: str

    @property
    def host(self) -> str:
        """Return the key that opens every function of level `function`."""
        return self._derived("host")

    def of_function(self, name: str) -> str:
        """Return the key that opens function *name* and no other."""
        return self._derived(f"function:{name.lower()}")

    def opens(self, level: str, function: str, presented: str | None) -> bool:
        """Tell whether *presented* is enough for *function*, whose level is *level*."""
        if level == "anonymous":
            return True
        if not presented:
            return False
        accepted = [self.master]
        if level == "function":
            accepted += [self.host, self.of_function(function)]
        return any(hmac.compare_digest(presented.encode(), key.encode()) for key in accepted)

    def _derived(self, purpose: str) -> str:
        digest = hmac.digest(self.master.encode(), purpose.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def new_master_key() -> str:
    """Return a fresh random master key."""
    return secrets.token_urlsafe(32)
