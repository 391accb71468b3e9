"""Every page for every role: who may see it, that its HTML is right, and that its links lead somewhere.

The table walks the routes, so a new page is tested without being named here, unless it is public.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from stocky.auth.guards import roles_of
from stocky.auth.schemas import Role
from stocky.pages.assets import PAGE_POLICY
from stocky.pages.navigation import NAVIGATION, navigation
from stocky.pages.problems import FOR_SCRIPTS
from tests.api.routes import Route, pages, routes
from tests.conftest import ORIGIN
from tests.pages.conftest import Browser
from tests.pages.markup import Page, typed_fields
from tests.people import ROLES

# Pages that everyone gets, and what they load.
PUBLIC = {
    "GET /sign-in",
    "POST /sign-in",
    "GET /first-start",
    "POST /first-start",
    "GET /static/{version:str}/{name:str}",
    "GET /sw.js",
    "GET /manifest.webmanifest",
}
# Forms of people who are not signed in have no token; their handlers check the origin.
WITHOUT_TOKEN = {"/sign-in", "/first-start"}


def shown(app: Litestar) -> dict[Route, HTTPRouteHandler]:
    """The pages that are shown for a GET."""
    return {
        route: handler
        for route, handler in pages(app).items()
        if route.method == "GET" and str(route) not in PUBLIC and not handler.opt.get(FOR_SCRIPTS)
    }


def address(route: Route, samples: dict[str, object]) -> str:
    """The path of a page with what stands for its parameters."""
    return re.sub(
        r"\{(\w+):(\w+)\}",
        lambda found: str(samples.get(found[1], samples["text"] if found[2] == "str" else 1)),
        route.path,
    )


def test_every_page_names_its_roles(app: Litestar) -> None:
    public = {str(route) for route, handler in pages(app).items() if not roles_of(handler.opt)}
    assert public == PUBLIC
    assert {str(route) for route, handler in pages(app).items() if handler.resolve_include_in_schema()} == set()


def test_navigation_has_the_roles_of_its_pages(app: Litestar) -> None:
    by_path = {route.path: handler for route, handler in shown(app).items()}
    for _, links in NAVIGATION:
        for link in links:
            assert roles_of(link.roles) == roles_of(by_path[link.path].opt), link.path
    assert navigation(None, "/") == []


def test_navigation_marks_the_page() -> None:
    def active(path: str) -> list[str]:
        return [each.path for group in navigation(Role.ADMIN, path) for each in group.entries if each.active]

    assert active("/") == ["/"]
    assert active("/items/7/edit") == ["/items"]
    assert active("/itemsx") == []


@pytest.mark.parametrize("person", ROLES)
async def test_every_page(
    person: str, app: Litestar, browse: Callable[[str], Awaitable[Browser]], samples: dict[str, object]
) -> None:
    browser = await browse(person)
    role = ROLES[person]
    wrong = {}
    for route, handler in shown(app).items():
        path = address(route, samples)
        answer = await browser.get(path)
        headers = answer.headers
        assert answer.status_code in ((200, 303) if role in roles_of(handler.opt) else (403,)), (path, answer.text)
        if answer.status_code == 303:
            continue
        assert headers["content-type"] == "text/html; charset=utf-8", path
        for name in ("content-security-policy", "referrer-policy", "x-content-type-options", "x-frame-options"):
            assert len(headers.get_list(name)) == 1, (path, name)
        assert headers["content-security-policy"] == PAGE_POLICY
        assert "no-store" in headers["cache-control"], path
        assert {"Cookie", "Accept-Encoding", "X-Fragment"} <= set(headers["vary"].split(", "))
        page = Page(answer.text)
        faults = page.faults + dead_links(app, page, role)
        faults += [
            f"a form without a token: {form.action}"
            for form in page.forms
            if form.method == "post" and "csrf" not in form.names and form.action not in WITHOUT_TOKEN
        ]
        if faults:
            wrong[path] = faults
    assert wrong == {}


async def test_nobody_is_led_to_the_sign_in(app: Litestar, browser: Browser, samples: dict[str, object]) -> None:
    for route in shown(app):
        path = address(route, samples)
        answer = await browser.get(path)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/sign-in"), path
        answer = await browser.get(path, headers={"X-Fragment": "main"})
        assert answer.status_code == 401, path
        assert answer.headers["content-type"] == "application/problem+json"
    for path in ("/sign-in", "/sign-in?reason=restored"):
        answer = await browser.show(path)
        assert Page(answer.text).faults == []


async def test_every_page_has_its_main_part_as_a_fragment(
    app: Litestar, browse: Callable[[str], Awaitable[Browser]], samples: dict[str, object]
) -> None:
    browser = await browse("admin")
    for route in shown(app):
        path = address(route, samples)
        whole = await browser.get(path)
        if whole.status_code == 200:
            part = await browser.get(path, headers={"X-Fragment": "main"})
            assert part.status_code == 200, (path, part.text)
            assert "<html" not in part.text, path
            assert len(part.content) < len(whole.content), path


async def test_every_filter_may_be_sent_as_it_is_shown(
    app: Litestar, browse: Callable[[str], Awaitable[Browser]], samples: dict[str, object]
) -> None:
    """Without script, a form sends its empty fields as well."""
    browser = await browse("admin")
    wrong = {}
    for route in shown(app):
        text = (await browser.get(address(route, samples))).text
        for form in Page(text).forms:
            if form.method == "get":
                answer = await browser.get(form.action, params=typed_fields(text, form.action, "get"))
                if answer.status_code not in (200, 303):
                    wrong[form.action] = answer.status_code
    assert wrong == {}


async def test_every_form_needs_its_token(
    app: Litestar, browse: Callable[[str], Awaitable[Browser]], samples: dict[str, object]
) -> None:
    """A form without a token never reaches its handler, whatever the role."""
    browser = await browse("admin")
    for route, handler in pages(app).items():
        if route.method in ("GET", "HEAD") or str(route) in PUBLIC:
            continue
        path = address(route, samples)
        for body in ({"data": {"x": "y"}}, {"files": {"file": ("a.csv", b"x")}}, {"json": {"x": 1}}):
            answer = await browser.request(route.method, path, headers={"Origin": ORIGIN}, **body)  # type: ignore[arg-type]
            assert answer.status_code == 403, (path, answer.status_code)
            assert "token" in answer.text, (path, handler)


async def test_every_form_is_only_for_its_roles(
    app: Litestar, browse: Callable[[str], Awaitable[Browser]], samples: dict[str, object]
) -> None:
    for person, role in ROLES.items():
        browser = await browse(person)
        for route, handler in pages(app).items():
            if route.method == "GET" or str(route) in PUBLIC or role in roles_of(handler.opt):
                continue
            answer = await browser.submit(address(route, samples))
            assert answer.status_code == 403, (person, str(route))
            assert "role" in answer.text, (person, str(route))


def dead_links(app: Litestar, page: Page, role: Role) -> list[str]:
    """Links and forms of a page with addresses that no route has, or that refuse this role."""
    known = [(_pattern(route), route.method, roles_of(handler.opt)) for route, handler in routes(app).items()]
    found = []
    for method, link in page.requests:
        parts = urlsplit(link)
        # Links to elsewhere are what people have entered.
        if parts.scheme or parts.netloc or not parts.path:
            continue
        there = [(has, roles) for pattern, has, roles in known if pattern.fullmatch(parts.path)]
        # Scripts complete some addresses, also of forms.
        if not there and method:
            found.append(f"nothing is at {link}")
        called = [roles for has, roles in there if has == method] or [roles for _, roles in there]
        if there and not any(not roles or role in roles for roles in called):
            found.append(f"{role.value} is refused at {method} {link}")
    return found


def _pattern(route: Route) -> re.Pattern[str]:
    """Matches the paths of a route."""
    path = re.escape(route.path.rstrip("/"))
    return re.compile(re.sub(r"\\\{\w+:int\\\}", r"\\d+", re.sub(r"\\\{\w+:str\\\}", "[^/]+", path)) + "/?")
