"""The session of a browser."""

from __future__ import annotations

from tests.pages.conftest import Browser


async def test_signing_in_leads_to_the_page_that_was_asked_for(browser: Browser) -> None:
    answer = await browser.get("/me?done=key")
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/sign-in?next=%2Fme%3Fdone%3Dkey"
    page = await browser.show(answer.headers["location"])
    assert 'value="/me?done=key"' in page.text
    answer = await browser.sign_in("member", next="/me?done=key")
    assert answer.headers["location"] == "/me?done=key"
    page = await browser.show("/me")
    assert "member@example.org" in page.text
    assert (await browser.submit("/me/language", {"language": "de"})).status_code == 303
    page = await browser.show("/")
    print(page.text, page.headers)
    assert 'lang="de"' in page.text
    answer = await browser.submit("/me/keys", {"name": "x"})
    print(answer.text)
    assert answer.status_code == 200
