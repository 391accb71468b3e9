"""A person without a mouse: goes to what is wanted by the Tab key, and notices when the focus is lost."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

_MOST_TABS = 120
_CODES = {"Enter": 13, "Tab": 9}
IS_FOCUSED = "each => each === document.activeElement"
# An error in the console fails the test. Only what a script does to the page counts: Tab may leave the last element.
_WATCH = """(() => {
  let focused = null;
  const see = () => {
    const active = document.activeElement;
    if (active && active !== document.body) focused = active;
    else if (focused) {
      console.error(`the focus is lost, it was at ${focused.outerHTML.slice(0, 200)}`);
      focused = null;
    }
  };
  document.addEventListener("focusin", ({ target }) => { focused = target; });
  document.addEventListener("keydown", ({ key }) => { if (key === "Tab") focused = null; }, true);
  addEventListener("pagehide", () => { focused = null; });
  const all = { subtree: true, childList: true, attributes: true };
  // A dialog's close event, which returns the focus, comes with the next frame.
  const seeLater = () => requestAnimationFrame(() => setTimeout(see, 60));
  new MutationObserver(seeLater).observe(document, all);
})();"""


class Keys:
    """The keyboard of a page. After `start`, a focused element that vanishes without a successor is an error."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def start(self, path: str) -> None:
        """Opens a page as by the address bar, and watches the focus from there on."""
        await self._page.context.add_init_script(_WATCH)
        await self._page.goto(path)

    async def reach(self, target: Locator) -> None:
        """Goes to an element by the Tab key, past the navigation by the first link of a page."""
        await target.wait_for()
        if await target.evaluate("each => document.activeElement === document.body && !!each.closest('main')"):
            await self._page.keyboard.press("Tab")
            await self._page.locator(".skip:focus").wait_for()
            await self._page.keyboard.press("Enter")
        for _ in range(_MOST_TABS):
            if await target.evaluate(IS_FOCUSED):
                return
            await self._page.keyboard.press("Tab")
        raise AssertionError(f"{target} cannot be reached by the Tab key")

    async def press(self, target: Locator, key: str = "Enter") -> None:
        """Goes to an element and presses it."""
        await self.reach(target)
        await self._page.keyboard.press(key)

    async def fill(self, target: Locator, text: str) -> None:
        """Goes to a field and types, over what is in it."""
        await self.reach(target)
        await self._page.keyboard.press("ControlOrMeta+a")
        await self.type(text)

    async def type(self, text: str) -> None:
        """Types where the focus is."""
        await self._page.keyboard.type(text)

    async def go(self, key: str) -> None:
        """Presses g and another key, as a person does."""
        await self.shortcut("g")
        await self.shortcut(key)

    async def scan(self, code: str, pause: int = 20, end: str = "Enter", stall: int = 0) -> None:
        """What a hand scanner types, with `stall` as one more pause before the sixth key.

        The key events carry their own timestamps, so the pauses are exact on a busy machine too.
        """
        session = await self._page.context.new_cdp_session(self._page)
        # After what was typed before. Times to come would be taken for now.
        milliseconds = len(code) * pause + stall
        await self._page.wait_for_timeout(350 + milliseconds)
        begin = time() - milliseconds / 1000
        for number, key in enumerate([*code, end]):
            moment = begin + (number * pause + (stall if number > 4 else 0)) / 1000
            like = {"key": key, "timestamp": moment, "windowsVirtualKeyCode": _CODES.get(key, ord(key[0]))}
            text = {"Enter": "\r", "Tab": ""}.get(key, key)
            kind = "keyDown" if text else "rawKeyDown"
            await session.send("Input.dispatchKeyEvent", {"type": kind, "text": text, **like})
            await session.send("Input.dispatchKeyEvent", {"type": "keyUp", **like})
        await session.detach()

    async def shortcut(self, key: str) -> None:
        """Presses a key, not as fast as a scanner."""
        await self._page.wait_for_load_state()
        await self._page.wait_for_timeout(150)
        await self._page.keyboard.press(key)

    async def search(self, text: str) -> None:
        """Presses / and types into the search, then goes to the first result and opens it."""
        await self.shortcut("/")
        await self._page.locator("#q:focus").wait_for()
        await self.type(text)
        await self._page.locator("#found .lead > a").first.wait_for()
        await self._page.keyboard.press("ArrowDown")
        await self._page.locator("#found .lead > a:focus").wait_for()
        await self._page.keyboard.press("Enter")

    async def focus(self) -> str:
        """What has the focus, as HTML; the body is nothing."""
        found: str = await self._page.evaluate(
            "document.activeElement === document.body ? '' : document.activeElement.outerHTML"
        )
        return found
