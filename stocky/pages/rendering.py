"""Makes a page, or one block of it, from a template; Jinja2 is imported and templates are loaded at the first page.

Every address in a page goes through `url()` or `asset()`, so that it begins with the base path.
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Callable, Mapping
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
from stocky.http.representation import SMALLEST_COMPRESSED
from stocky.pages import languages
from stocky.pages.assets import PAGE_POLICY, asset_path, assets, imported, takes_gzip
from stocky.pages.device_cookies import theme_of
from stocky.pages.filters import FILTERS
from stocky.pages.messages import message
from stocky.pages.navigation import entry_at, navigation

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).resolve().parent / "templates"
FRAGMENT = "x-fragment"
# The small macros of ui.html that a page calls hundreds of times with few different arguments.
_REPEATED_MACROS = ("flag", "kbd", "pill", "shelf", "sign", "storage")
_MOST_REPEATED = 5_000
# Of these the same address gives different pages.
_VARY = "Accept-Encoding, Accept-Language, Cookie, X-Fragment"
_GZIP_LEVEL = 2
# The focus of a page and its fields with errors; texts of users cannot hold these: their quotes are escaped.
_AUTOFOCUS = re.compile(r' autofocus="[^"]*"')
_INVALID = ' aria-invalid="true"'
# A path in which nothing has to be quoted.
_PLAIN = re.compile(r"[\w/.~-]*", re.ASCII)

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
    """The page from a template; with the header `X-Fragment: name` only its block of that name, rendered alone.

    `headers` replace the usual ones, such as Cache-Control. Every template also has `user`, `role`, `csrf`,
    `path`, `nav`, `language`, `theme` and `now`; `ui`, `url()`, `asset()` and `icon()`; `_()` and `{% trans %}`; and
    the filters of `filters`. A block does not see what its template sets outside of it. Raises BadRequest for an
    unknown block.
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
        "theme": theme_of(request),
        "now": clock.now(),
        **context,
    }
    fragment = fragment_of(request)
    rendered = copy_context().run(_render, state.config.base_path, language, template, fragment, variables)
    if fragment is None:
        rendered = _focus_error(rendered)
    else:
        # The script distinguishes the block by this header from a page of another server.
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
    """An HTML response, compressed if the client accepts it."""
    all_headers = {
        "Content-Security-Policy": PAGE_POLICY,
        "Vary": _VARY,
        # Not stored: the back button must not show a user's pages after signing out.
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
    address = base_path + (path if _PLAIN.fullmatch(path) else quote(path, safe="/?&=%:@!$'()*+,;~"))
    if not given:
        return address
    return f"{address}{'&' if '?' in path else '?'}{urlencode(given, doseq=True)}"


async def prepare(request: Request[Any, Any, Any], language: str) -> None:
    """Loads what pages in a language need, in a thread; at once from the second time on."""
    name = (request.app.state.config.base_path, language)
    if name not in _prepared:
        await asyncio.to_thread(load_templates, *name)
        _prepared.add(name)


_prepared: set[tuple[str, str]] = set()


def load_templates(base_path: str, language: str) -> None:
    """Loads all that pages in a language need; slow where the templates are not compiled yet."""
    languages.catalogue(language)
    assets()
    environment = load_environment(base_path, language)
    for template in environment.list_templates():
        environment.get_template(template)


def _render(base_path: str, language: str, template: str, fragment: str | None, variables: dict[str, Any]) -> str:
    languages.current.set(language)
    environment = load_environment(base_path, language)
    loaded = environment.get_template(template)
    if fragment is None:
        parts = _frame_parts(base_path, language, variables["role"], entry_at(variables["path"]))
        return loaded.render(variables, frame_parts=parts)
    block = loaded.blocks.get(fragment)
    if block is None:
        raise BadRequest(f"The page has no part named {fragment[:100]!r}")
    return environment.concat(block(loaded.new_context(variables)))


def _focus_error(rendered: str) -> str:
    """The focus of a page with errors is its first wrong field, not the usual one; app.js does it where this fails."""
    if _INVALID not in rendered:
        return rendered
    return _AUTOFOCUS.sub("", rendered).replace(_INVALID, f'{_INVALID} autofocus=""', 1)


@functools.lru_cache(maxsize=500)
def _frame_parts(base_path: str, language: str, role: str | None, active: str) -> dict[str, Markup]:
    """The links around a page, which are most of its HTML: rendered once for each role and entry of the navigation."""
    from markupsafe import Markup

    template = load_environment(base_path, language).get_template("navigation.html")
    context = template.new_context({"nav": navigation(None if role is None else Role(role), active), "active": active})
    blocks = {name: "".join(block(context)) for name, block in template.blocks.items()}
    return {name: Markup(html) for name, html in blocks.items()}  # noqa: S704 - rendered with autoescape


@functools.cache
def load_environment(base_path: str, language: str) -> Environment:
    """The templates in a language, with all that they use."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from stocky.pages.bytecode import TemplateCache
    from stocky.pages.elements import make_elements
    from stocky.pages.item_table import make_item_table
    from stocky.pages.timeline import make_timeline

    def plural(one: str, many: str, number: int) -> str:
        return languages.ngettext(language, one, many, number)

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
        bytecode_cache=TemplateCache(),
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(  # type: ignore[attr-defined]  # the extension adds it
        lambda message: languages.gettext(language, message),
        plural,
        newstyle=True,
        pgettext=lambda context, message: languages.gettext(language, message, context),
        npgettext=lambda context, one, many, number: languages.ngettext(language, one, many, number, context),
    )
    environment.filters.update(FILTERS, message=message)
    translate = _make_translate(language)

    def url(path: str, **query: Any) -> str:
        return make_url(base_path, path, query)

    elements = make_elements(f"{base_path}{asset_path('icons.svg')}")
    elements.update(make_timeline(translate, url, message, elements))
    environment.globals.update(
        _=translate,
        gettext=translate,
        url=url,
        asset=lambda name: base_path + asset_path(name),
        imported=imported,
        languages=languages.LANGUAGES,
        **elements,
    )
    # A block rendered alone does not run the imports of its template, so the macros are globals.
    macros = environment.get_template("ui.html").module
    for name in _REPEATED_MACROS:
        elements[name] = functools.lru_cache(_MOST_REPEATED)(getattr(macros, name))
    elements.update(make_item_table(translate, plural, url, elements))
    for name, element in elements.items():
        setattr(macros, name, element)
    environment.globals["ui"] = macros
    return environment


def _make_translate(language: str) -> Callable[..., Markup]:
    """`_()` of the templates: as Jinja's, a hundred of which were a fifth of the time of a page."""
    from markupsafe import Markup, escape

    @functools.lru_cache(_MOST_REPEATED)
    def translated(text: str) -> Markup:
        return Markup(languages.gettext(language, text))  # noqa: S704 - a constant of a template, or of a .po file

    @functools.lru_cache(_MOST_REPEATED)
    def without_variables(text: str) -> Markup:
        return translated(text) % {}

    def translate(text: str, /, **variables: object) -> Markup:
        if not variables:
            return without_variables(text)
        # Without the objects that Markup's own `%` makes of the variables.
        filled = str.__mod__(translated(text), {name: escape(value) for name, value in variables.items()})
        return Markup(filled)  # noqa: S704 - each variable is escaped in the line above

    return translate


def _is_trustworthy(request: Request[Any, Any, Any]) -> bool:
    """Whether browsers treat the address as secure."""
    host = request.headers.get("host", "").lower()
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return request.scope["scheme"] == "https" or name in ("localhost", "127.0.0.1", "::1")
