"""Rich text of Greenhouse (`notes` of a job): HTML from a customer's users, made harmless."""

from __future__ import annotations

import nh3


def safe_html(markup: str | None) -> str | None:
    """Return *markup* without scripts, styles, event handlers and foreign schemes; plain text comes back as it is."""
    if markup is None or not any(mark in markup for mark in "<>&"):
        return markup
    return nh3.clean(markup, link_rel=None, url_schemes={"http", "https", "mailto"}).strip() or None
