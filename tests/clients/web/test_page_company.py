"""People on the page, in a real browser: who follows whom, what is kept, what a host may do, what others wait for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from garden_pages import STILL, Garden, ask, magnification, moves

from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.bookmarks import read_bookmarks

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("browser")]


def other(page: Any) -> Any:
    """The chip of somebody else."""
    chip = page.locator("#people .person:not(.me):not(.more)")
    chip.wait_for()
    return chip


def menu(page: Any, what: str) -> None:
    other(page).click()
    page.locator("#person-menu").get_by_role("button", name=what).click()


def until(page: Any, true: Callable[[], bool]) -> None:
    for _ in range(200):
        if true():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it never came to that")


def test_one_follows_another_until_one_moves(garden: Garden) -> None:
    ada, bob = garden.looks(), garden.looks(Role.VIEWER)
    ada.mouse.move(400, 250)
    moves(ada, lambda: ada.mouse.wheel(0, -300))
    menu(bob, "Look where")
    bob.locator("#following").wait_for()
    assert "following" in bob.locator("#following").inner_text()
    until(bob, lambda: abs(magnification(bob) - magnification(ada)) < 0.02)
    for turn in (-400, 200):
        moves(ada, lambda turn=turn: ada.mouse.wheel(0, turn))
        until(bob, lambda: abs(magnification(bob) - magnification(ada)) < 0.02)
    bob.locator(STILL).wait_for()
    assert bob.locator("#following").is_visible()
    until(ada, lambda: "following" in (other(ada).get_attribute("aria-label") or ""))
    bob.set_viewport_size({"width": 700, "height": 500})
    bob.wait_for_timeout(400)
    moves(ada, lambda: ada.mouse.wheel(0, -200))
    until(bob, lambda: abs(magnification(bob) - magnification(ada)) < 0.05)
    bob.mouse.move(300, 250)
    moves(bob, lambda: bob.mouse.wheel(0, 300))
    bob.locator("#following").wait_for(state="hidden")
    seen = magnification(bob)
    moves(ada, lambda: ada.mouse.wheel(0, -300))
    assert magnification(bob) == seen


def test_stop_stays_and_a_leader_who_leaves_is_told_of(garden: Garden) -> None:
    ada, bob = garden.looks(), garden.looks()
    menu(bob, "Look where")
    bob.locator("#following").wait_for()
    bob.locator("#follow-stop").click()
    bob.locator("#following").wait_for(state="hidden")
    seen = magnification(bob)
    ada.mouse.move(400, 250)
    moves(ada, lambda: ada.mouse.wheel(0, -300))
    assert magnification(bob) == seen
    menu(bob, "Look where")
    bob.locator("#following").wait_for()
    until(bob, lambda: abs(magnification(bob) - magnification(ada)) < 0.02)
    menu(bob, "away")  # a host may
    bob.get_by_text("has left").wait_for()
    bob.locator("#following").wait_for(state="hidden")
    ada.locator("#closed").wait_for()
    assert "asked you to leave" in ada.locator("#closed-reason").inner_text()


def test_places_are_kept_for_everyone_and_with_the_world(garden: Garden) -> None:
    ada, bob = garden.looks(Role.EDITOR), garden.looks(Role.VIEWER)
    ada.mouse.move(400, 250)
    moves(ada, lambda: ada.mouse.wheel(0, -500))
    ada.locator("#bookmarks-open").click()
    ada.fill("#bookmark-name", "the moss <b>")
    ada.locator("#bookmark-new button").click()
    bob.locator("#bookmarks-open").click()
    place = bob.locator(".place-name")
    place.wait_for()
    assert place.inner_text() == "the moss <b>" and not bob.locator("#bookmark-new").is_visible()
    assert [each.name for each in read_bookmarks(garden.path)] == ["the moss <b>"]
    place.click()
    until(bob, lambda: abs(magnification(bob) - magnification(ada)) < 0.02)
    assert bob.locator(".place-away").count() == 0
    ada.locator(".place-away").click()
    place.wait_for(state="detached")
    assert read_bookmarks(garden.path) == []


def test_a_host_locks_and_grants(garden: Garden) -> None:
    host, bob = garden.looks(Role.HOST), garden.looks(Role.VIEWER)
    assert (
        not bob.locator("#lock").is_visible() and bob.locator("body").get_attribute("data-role") == "viewer"
    )
    other(host).click()
    host.locator("#person-menu select").select_option("editor")
    bob.get_by_text("made you an editor").wait_for()
    assert bob.locator("body").get_attribute("data-role") == "editor"
    host.locator("#lock").click()
    host.locator("#lock[aria-pressed=true]").wait_for()
    late = garden.page(Role.EDITOR)
    late.locator("#closed").wait_for()
    assert "locked" in late.locator("#closed-reason").inner_text()
    host.locator("#lock").click()
    host.locator("#lock[aria-pressed=false]").wait_for()
    garden.looks(Role.EDITOR)


def test_everyone_sees_what_others_wait_for_in_the_order_of_the_queue(garden: Garden, tmp_path: Path) -> None:
    garden.go.clear()
    ada, bob = garden.looks(), garden.looks()
    ask(ada, "moss")
    row = bob.locator("#queue .queued")
    row.wait_for()
    until(bob, lambda: "painting" in row.first.inner_text())
    assert "moss" in row.first.inner_text() and ada.locator("#queue .queued").count() == 0
    seen = magnification(bob)
    row.first.click()
    until(bob, lambda: magnification(bob) > 1.5 * seen)
    garden.go.set()
    row.first.wait_for(state="detached")


def test_on_a_phone_a_host_reaches_everything_and_nothing_covers_it(garden: Garden) -> None:
    phone = garden.looks(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    garden.looks()
    other(phone)
    reached = (
        "#world-name, #people .person, #photo-label, #lock, #bookmarks-open, #help-open, #stream, .side .tool"
    )
    outside = phone.evaluate(
        """(reached) => [...document.querySelectorAll(reached)].filter((each) => {
            const { left, right, top, bottom } = each.getBoundingClientRect();
            const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
            const seen = left >= 0 && right <= innerWidth && top >= 0 && bottom <= innerHeight && right > left;
            return !seen || !(each.contains(hit) || hit?.contains(each));
        }).map((each) => each.id || each.className)""",
        reached,
    )
    assert outside == []
    phone.tap("#help-open")
    box = phone.locator("#help").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and phone.locator("#help h1").is_visible()
    phone.get_by_role("button", name="Explore").tap()
    phone.tap("#bookmarks-open")
    phone.locator("#bookmarks").wait_for()
    assert (
        phone.evaluate("document.activeElement.id") != "bookmark-name"
    )  # its keyboard would cover the places
    phone.touchscreen.tap(100, 500)
    phone.locator("#bookmarks").wait_for(state="hidden")


def test_escape_and_other_keys_are_those_of_what_is_open(garden: Garden) -> None:
    page = garden.looks()
    page.keyboard.press("?")
    page.locator("#help").wait_for()
    page.keyboard.press("Enter")  # of the world it would ask for finer detail
    page.locator("#help").wait_for(state="hidden")
    page.keyboard.press("?")
    page.locator("#help").wait_for()
    seen = magnification(page)
    page.keyboard.press("w", delay=200)
    page.keyboard.press("Escape")
    page.locator("#help").wait_for(state="hidden")
    assert magnification(page) == seen and page.locator("#prompt").is_hidden()
    page.locator("#bookmarks-open").click()
    page.locator("#bookmark-name").press("Escape")
    page.locator("#bookmarks").wait_for(state="hidden")
