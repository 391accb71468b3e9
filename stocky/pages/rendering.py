"""Makes a page, or one block of it, from a template; Jinja2 is imported and templates are compiled at the first page.

Every address in a page goes through `url()` or `asset()`, so that it begins with the base path.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from litestar import Request, Response
from litestar.datastructures import Cookie
from litestar.enums import MediaType

from stocky import clock
from stocky.auth import forgery
from stocky.auth.schemas import Principal, Role
from stocky.errors import BadRequest
from stocky.pages import languages
from stocky.pages.assets import PAGE_POLICY, SMALLEST_COMPRESSED, asset_path, assets, takes_gzip
from stocky.pages.filters import FILTERS
from stocky.pages.messages import message
from stocky.pages.navigation import entry_at, navigation

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).resolve().parent / "templates"
FRAGMENT = "x-fragment"
# Of these the same address gives different pages.
_VARY = "Accept-Encoding, Accept-Language, Cookie, X-Fragment"
_GZIP_LEVEL = 1

Html = Response[bytes]


def page(
    request: Request[Any, Any, Any],
    template: str,
    /,
    status: int = 200,
    *,
    headers: Mapping[str, str] | None = None,
    cookies: list[Cookie] | None = None,
    **context: Any,
) -> Html:
    """The page from a template; with the header `X-Fragment: name` only its block of that name, rendered by itself.

    `headers` replace the usual ones, such as Cache-Control. Every template has, besides `context`: `user`, `role`,
    `csrf`, `path`, `nav`, `language` and `now`; `ui`, `url()` and `asset()`; `_()` and `{% trans %}`; and the filters
    of `filters`. A block does not see what its template sets outside of it. Raises BadRequest for an unknown block.
    """
    state = request.app.state
    principal: Principal | None = request.scope.get("user")
    language = languages.language_of(request)
    csrf = ""
    if principal is not None and principal.by_cookie and principal.sign_in_id is not None:
        csrf = forgery.make_token(state.config.secret_key, principal.sign_in_id)
    path = request.scope["path"]
    variables = {
        "user": None if principal is None else principal.user,
        "role": None if principal is None else principal.role.value,
        "csrf": csrf,
        "path": path,
        "nav": navigation(None if principal is None else principal.role, path),
        "language": language,
        "now": clock.now(),
        **context,
    }
    fragment = fragment_of(request)
    rendered = copy_context().run(_render, state.config.base_path, language, template, fragment, variables)
    if fragment is not None:
        # By it the script knows the part from a page that somebody else answered with.
        headers = {**(headers or {}), FRAGMENT: fragment}
    return html(request, rendered.encode(), status, headers=headers, cookies=cookies)


def html(
    request: Request[Any, Any, Any],
    body: bytes,
    status: int = 200,
    *,
    headers: Mapping[str, str] | None = None,
    cookies: list[Cookie] | None = None,
) -> Html:
    """A response of HTML, compressed where the client takes it."""
    all_headers = {
        "Content-Security-Policy": PAGE_POLICY,
        "Vary": _VARY,
        # What one user sees is no other's, also not by the back button after signing out.
        "Cache-Control": "no-cache" if request.scope.get("user") is None else "no-store",
    }
    if _is_trustworthy(request):
        # Elsewhere browsers ignore it with an error on the console.
        all_headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if len(body) >= SMALLEST_COMPRESSED and takes_gzip(request):
        from isal import igzip

        body = igzip.compress(body, _GZIP_LEVEL, mtime=0)
        all_headers["Content-Encoding"] = "gzip"
    all_headers.update(headers or {})
    return Response(body, status_code=status, media_type=MediaType.HTML, headers=all_headers, cookies=cookies)


def see_other(
    request: Request[Any, Any, Any], path: str, /, *, cookies: list[Cookie] | None = None, **query: Any
) -> Html:
    """Sends the browser to another page, after a form: 303."""
    location = make_url(request.app.state.config.base_path, path, query)
    headers = {"Location": location, "Cache-Control": "no-store"}
    return Response(b"", status_code=303, headers=headers, cookies=cookies, media_type=MediaType.HTML)


def fragment_of(request: Request[Any, Any, Any]) -> str | None:
    """The block that a script asks for; None where a whole page is wanted."""
    return request.headers.get(FRAGMENT) or None


def make_url(base_path: str, path: str, query: Mapping[str, Any]) -> str:
    """The address of a path of Stocky. Of the query, None and empty texts are left out, lists give several values."""
    given = {name: value for name, value in query.items() if value is not None and value != ""}
    address = base_path + quote(path, safe="/?&=%:@!$'()*+,;~")
    if not given:
        return address
    return f"{address}{'&' if '?' in path else '?'}{urlencode(given, doseq=True)}"


async def prepare(request: Request[Any, Any, Any], language: str) -> None:
    """Loads what pages in a language need, in a thread; at once from the second time on."""
    name = (request.app.state.config.base_path, language)
    if name not in _prepared:
        await asyncio.to_thread(_load, *name)
        _prepared.add(name)


_prepared: set[tuple[str, str]] = set()


def _load(base_path: str, language: str) -> None:
    languages.catalogue(language)
    assets()
    environment = _environment(base_path, language)
    for template in environment.list_templates():
        environment.get_template(template)


def _render(base_path: str, language: str, template: str, fragment: str | None, variables: dict[str, Any]) -> str:
    languages.current.set(language)
    environment = _environment(base_path, language)
    loaded = environment.get_template(template)
    if fragment is None:
        parts = _frame_parts(base_path, language, variables["role"], entry_at(variables["path"]))
        return loaded.render(variables, frame_parts=parts)
    block = loaded.blocks.get(fragment)
    if block is None:
        raise BadRequest(f"The page has no part named {fragment[:100]!r}")
    return environment.concat(block(loaded.new_context(variables)))


@functools.lru_cache(maxsize=500)
def _frame_parts(base_path: str, language: str, role: str | None, active: str) -> dict[str, Markup]:
    """The links around a page, which are most of its HTML: rendered once for each role and entry of the navigation."""
    from markupsafe import Markup

    template = _environment(base_path, language).get_template("navigation.html")
    context = template.new_context({"nav": navigation(None if role is None else Role(role), active), "active": active})
    return {name: Markup("".join(block(context))) for name, block in template.blocks.items()}  # noqa: S704 - Jinja escaped it


@functools.cache
def _environment(base_path: str, language: str) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(  # type: ignore[attr-defined]  # the extension adds it
        lambda message: languages.gettext(language, message),
        lambda one, many, number: languages.ngettext(language, one, many, number),
        newstyle=True,
        pgettext=lambda context, message: languages.gettext(language, message, context),
        npgettext=lambda context, one, many, number: languages.ngettext(language, one, many, number, context),
    )
    environment.filters.update(FILTERS, message=message)
    environment.globals.update(
        url=lambda path, **query: make_url(base_path, path, query),
        asset=lambda name: base_path + asset_path(name),
        languages=languages.LANGUAGES,
    )
    # A block rendered by itself does not run the imports of its template, so the macros are everywhere.
    environment.globals["ui"] = environment.get_template("ui.html").module
    return environment


def _is_trustworthy(request: Request[Any, Any, Any]) -> bool:
    """Whether browsers take the address for a secure one."""
    host = request.headers.get("host", "").lower()
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return request.scope["scheme"] == "https" or name in ("localhost", "127.0.0.1", "::1")
