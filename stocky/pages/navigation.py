"""The navigation: the links that each role sees. An entry has the roles of its page."""

from __future__ import annotations

from msgspec import Struct

from stocky.auth.guards import admins, allow, members, readers, roles_of, scanners
from stocky.auth.schemas import Role
from stocky.pages.languages import Text, _


class Entry(Struct, frozen=True):
    """A link: `path` is below the base path, `key` opens it after `g`, `active` marks the page that is shown."""

    path: str
    label: Text
    icon: str
    key: str
    active: bool


class Group(Struct, frozen=True):
    """Links that belong together; the first group has no label."""

    label: Text | None
    entries: list[Entry]


class _Link(Struct, frozen=True):
    path: str
    label: Text
    icon: str
    roles: dict[str, frozenset[Role]]
    # Opens the page after `g`.
    key: str = ""


# The first group has the tabs of phones, before "More".
NAVIGATION: tuple[tuple[Text | None, tuple[_Link, ...]], ...] = (
    (
        None,
        (
            _Link("/", _("Home"), "home", readers, "h"),
            _Link("/items", _("Items"), "items", readers, "i"),
            _Link("/scan", _("Scan"), "scan", scanners, "s"),
            _Link("/lists", _("Shopping"), "cart", members, "b"),
        ),
    ),
    (
        _("Stock"),
        (
            _Link("/locations", _("Locations"), "location", readers, "l"),
            _Link("/lent", _("Lent"), "users", readers),
            _Link("/review", _("Review"), "sparkle", members, "r"),
            _Link("/alerts", _("Alerts"), "alert", members, "t"),
            _Link("/activity", _("Activity"), "activity", allow(Role.ADMIN, Role.MEMBER, Role.READ_ONLY), "a"),
            _Link("/value", _("Value"), "database", readers, "v"),
            _Link("/projects", _("Projects"), "project", members, "p"),
            _Link("/plan", _("Reorganise"), "route", members),
            _Link("/vocabulary", _("Tags and types"), "filter", members),
            _Link("/labels", _("Labels"), "label", members, "e"),
            _Link("/import", _("Import"), "import", members),
            _Link("/export", _("Export"), "export", readers),
        ),
    ),
    (
        _("Administration"),
        (
            _Link("/backups", _("Backups"), "backup", admins, "k"),
            _Link("/people", _("People"), "users", admins),
            _Link("/scanners", _("Scanners"), "scanner", admins),
            _Link("/notices", _("Notices"), "sound", admins),
            _Link("/hooks", _("Webhooks"), "hook", admins),
            _Link("/jobs", _("Jobs"), "job", admins),
            _Link("/log", _("Log"), "log", admins),
            _Link("/audit", _("Audit"), "audit", admins),
            _Link("/settings", _("Settings"), "settings", admins, "o"),
        ),
    ),
    (_("Account"), (_Link("/me", _("My account"), "user", readers, "m"),)),
)


def navigation(role: Role | None, path: str) -> list[Group]:
    """The groups of links for a role, on the page at `path`; none for None."""
    shown = entry_at(path)
    groups = [
        Group(
            label,
            [
                Entry(link.path, link.label, link.icon, link.key, link.path == shown)
                for link in links
                if role in roles_of(link.roles)
            ],
        )
        for label, links in NAVIGATION
    ]
    return [group for group in groups if group.entries]


def entry_at(path: str) -> str:
    """The path of the link to the page at `path` or above it; empty for none."""
    return next((link for link in _PATHS if path == link or (link != "/" and path.startswith(f"{link}/"))), "")


_PATHS = (*(link.path for _, links in NAVIGATION for link in links), "/more")
