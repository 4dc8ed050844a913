"""A preflight's page in a real Chromium: mouse, keyboard, clipboard, colours, paper, a phone, and what axe-core says of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import CASES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.chromium import Browser, Tab

    Open = Callable[..., Tab]

pytestmark = pytest.mark.browser

JOINT = "#joint-engine"
EVIDENCE = f"{JOINT} .evidence dd"
COMMAND = "uv pip install --python ~/venv/bin/python torch==2.5.1"
MOST_TABS = 60
TALL = 30_000
UNFOLD = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
AXE = (
    "axe.run(document, {preload: false, resultTypes: ['violations', 'incomplete'], rules: {'target-size': {enabled: true}}})"
    ".then((said) => [...said.violations, ...said.incomplete.filter((one) => one.id === 'color-contrast')]"
    ".flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target.join(' ')}`)))"
)
"""What breaks a rule of WCAG 2 A or AA or a best practice, and what may be of too little contrast with its ground."""
IN_A_PICTURE = "] > text["
"""axe cannot tell the ground of text in a picture: it is that of the caption, in the same colour."""
AXE_PATH = Path(os.environ.get("ENVDOCTOR_AXE", "axe.min.js"))


def seen(tab: Tab, selector: str) -> bool:
    """Whether the element is there to be seen."""
    found = tab.run(
        f"(one => !!one && one.checkVisibility() && one.getBoundingClientRect().height > 1)(document.querySelector('{selector}'))"
    )
    return bool(found)


def focused(tab: Tab, selector: str) -> bool:
    return bool(tab.run(f"document.activeElement.matches('{selector}')"))


def tab_to(tab: Tab, selector: str) -> None:
    """By the Tab key alone."""
    for _ in range(MOST_TABS):
        tab.press("Tab")
        if focused(tab, selector):
            return
    pytest.fail(f"{selector} is not reached by {MOST_TABS} times Tab")


def pasted(tab: Tab) -> str:
    """What the clipboard holds: pasted into the field of the filter."""
    tab.run("document.getElementById('filter').focus()")
    tab.press("v", command="paste")
    return str(tab.run("document.getElementById('filter').value"))


def faults(tab: Tab) -> list[str]:
    """What axe-core finds, which is there already."""
    return [one for one in tab.run(AXE) if IN_A_PICTURE not in one]


@pytest.mark.parametrize("case", CASES)
def test_no_complaint_and_no_request_but_for_the_page(tab: Open, case: str) -> None:
    page = tab(case)
    page.run(UNFOLD)
    assert page.complaints() == []
    assert len(page.requests()) == 1
    assert page.requests()[0].endswith(f"/{case}.html")
    assert page.run("document.scripts.length") == 1


def test_a_complaint_would_be_heard(tab: Open) -> None:
    page = tab("passed")
    page.run(
        "console.warn('beware'); document.body.append(Object.assign(document.createElement('img'), {src: 'https://127.0.0.1:9/'}))"
    )
    page.run("document.body.setAttribute('style', 'color: red')")
    said = " ".join(page.complaints())
    assert "beware" in said
    assert "127.0.0.1" in said
    assert "style-src" in said or "style" in said


def test_a_click_on_a_joint_shows_its_evidence_and_another_hides_it(tab: Open) -> None:
    page = tab("wrong-torch")
    assert not seen(page, EVIDENCE)
    page.click(f"{JOINT} > summary")
    assert seen(page, EVIDENCE)
    assert "torch==2.5.1" in page.run(f"document.querySelector('{EVIDENCE}').innerText")
    assert seen(page, f"{JOINT} pre")
    assert seen(page, f"{JOINT} .sources")
    page.click(f"{JOINT} > summary")
    assert not seen(page, EVIDENCE)


def test_the_keyboard_alone_does_all_of_it(browser: Browser, tab: Open) -> None:
    browser.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    page = tab("wrong-torch")
    page.press("Tab")
    assert focused(page, ".skip")
    tab_to(page, f"{JOINT} > summary")
    page.press("Enter")
    assert seen(page, EVIDENCE)
    tab_to(page, f"{JOINT} .copy")
    page.press("Enter")
    page.wait("document.getElementById('status').textContent !== ''")
    page.press("Escape")
    assert not seen(page, EVIDENCE)
    assert focused(page, f"{JOINT} > summary")
    page.press("Space")
    assert seen(page, EVIDENCE)
    assert pasted(page) == COMMAND


@pytest.mark.parametrize("way", ["clipboard", "denied", "old"])
def test_the_button_copies_the_command(browser: Browser, tab: Open, way: str) -> None:
    page = tab("wrong-torch")
    if way == "clipboard":
        browser.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    elif way == "denied":
        page.run("navigator.clipboard.writeText = () => Promise.reject(new Error('denied'))")
    else:
        page.run("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.click("#cause-1 .copy")
    page.wait("document.getElementById('status').textContent !== ''")
    assert page.run("document.getElementById('status').textContent") == "Copied to the clipboard"
    assert page.run("document.querySelector('#cause-1 .copy').textContent") == "Copied"
    assert pasted(page) == COMMAND
    assert page.complaints() == []


def test_the_colours_are_the_systems_until_the_button_says_otherwise(tab: Open) -> None:
    page = tab("wrong-torch")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.run(ground)
    page.media(dark=True)
    dark = page.run(ground)
    assert light != dark
    page.wait("document.getElementById('theme').textContent === 'Light'")
    page.click("#theme")
    assert page.run(ground) == light
    assert page.run("document.getElementById('theme').textContent") == "Dark"
    page.media(dark=False)
    page.click("#theme")
    assert page.run(ground) == dark
    page.media(dark=False, kind="print")
    assert page.run(ground) == "rgb(255, 255, 255)"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("case", CASES)
def test_axe_finds_nothing_folded_or_unfolded(tab: Open, case: str, dark: bool) -> None:
    if not AXE_PATH.exists():
        pytest.skip("axe-core is not here: npm installs it")
    # so tall that nothing has to be scrolled: axe does not see the ground of what is out of sight
    page = tab(case, dark=dark, height=TALL)
    page.run(AXE_PATH.read_text(encoding="utf-8") + "; 0")
    assert faults(page) == []
    page.run(UNFOLD)
    assert faults(page) == []
    page.size(360, TALL)
    assert faults(page) == []


def test_axe_would_find_a_fault(tab: Open) -> None:
    if not AXE_PATH.exists():
        pytest.skip("axe-core is not here: npm installs it")
    page = tab("passed")
    page.run(AXE_PATH.read_text(encoding="utf-8") + "; 0")
    page.run("document.documentElement.removeAttribute('lang'); document.getElementById('theme').removeAttribute('aria-label')")
    page.run("document.getElementById('theme').textContent = ''; document.querySelector('h1').outerHTML = ''")
    page.run("document.querySelector('.headline').id = 'faint'")
    page.run("document.styleSheets[0].insertRule('#faint { color: #ddd; background: #fff }')")
    said = " ".join(faults(page))
    assert "color-contrast: #faint" in said
    assert "html-has-lang" in said
    assert "button-name" in said
    assert "page-has-heading-one" in said


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_window(tab: Open, case: str, width: int) -> None:
    page = tab(case, width=width, height=800)
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.run(wide) == 0
    page.run(UNFOLD)
    assert page.run(wide) == 0


@pytest.mark.parametrize("case", CASES)
def test_paper_shows_everything_and_no_buttons(tab: Open, case: str) -> None:
    page = tab(case, width=688, height=1000)
    page.media(kind="print")
    # what a joint repeats of a root cause is told there alone
    hidden = page.run(
        "[...document.querySelectorAll('main *')].filter((one) => !one.closest('.again') && !one.closest('.copy') && !one.checkVisibility())"
        ".map((one) => one.outerHTML.slice(0, 100))"
    )
    assert hidden == []
    for gone in ("button", "input", "nav", ".skip", ".status"):
        assert not seen(page, gone)
    told = page.run("[...document.querySelectorAll('.again dd code')].map((one) => one.textContent)")
    whole = page.run("[...document.querySelectorAll('.cause')].map((one) => one.textContent).join(' ')")
    assert [one for one in told if one not in whole] == []
    assert page.run("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


def test_an_older_browser_unfolds_for_paper_too(tab: Open) -> None:
    page = tab("full")
    folded = "document.querySelectorAll('details:not([open])').length"
    before = page.run(folded)
    assert before > 0
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert page.run(folded) == 0
    page.run("dispatchEvent(new Event('afterprint'))")
    assert page.run(folded) == before


def test_it_prints(tab: Open, tmp_path: Path) -> None:
    tab("full").paper(tmp_path / "full.pdf")
    assert (tmp_path / "full.pdf").read_bytes().startswith(b"%PDF-")


def test_nothing_that_a_target_says_is_run(tab: Open) -> None:
    page = tab("hostile")
    page.run(UNFOLD)
    page.run("document.querySelectorAll('.copy').forEach((one) => one.click())")
    assert [one for one in page.complaints() if "dialog" in one] == []
    assert page.run(
        "[document.scripts.length, document.querySelectorAll('[onload], [onclick], [onerror], img, iframe').length]"
    ) == [1, 0]
    assert page.run("document.body.innerText.includes('<script>alert(1)</script>')") is True


def test_without_scripts_it_is_readable_and_folds(tab: Open) -> None:
    page = tab("wrong-torch", scripts=False)
    assert not seen(page, ".tools")
    assert not seen(page, ".copy")
    assert seen(page, "#cause-1 .evidence dd")
    assert not seen(page, EVIDENCE)
    page.click(f"{JOINT} > summary")
    assert seen(page, EVIDENCE)


def test_the_filter_leaves_what_has_all_its_words(tab: Open) -> None:
    page = tab("full")
    page.click("#filter")
    page.call("Input.insertText", text="LIBNVJITLINK wins")
    shown = page.run(
        "[...document.querySelectorAll('[data-row]')].filter((one) => one.checkVisibility()).map((one) => one.querySelector('h3')?.textContent)"
    )
    assert [one.split()[0] for one in shown] == ["libnvJitLink.so.12"]
    assert page.run("document.getElementById('status').textContent").startswith("1 of ")
    page.press("Escape")
    assert page.run("[...document.querySelectorAll('[data-row]')].every((one) => !one.hidden)") is True


def test_a_link_to_what_is_folded_unfolds_it_every_time(tab: Open) -> None:
    page = tab("waived")
    link = '#joint-python a[href="#cause-2"]'
    page.click("#joint-python > summary")
    for _ in range(2):
        assert not seen(page, "#cause-2 .body")
        page.follow(link)
        assert seen(page, "#cause-2 .body")
        page.press("Tab")
        assert focused(page, "#cause-2 > summary"), "the keyboard goes on from there"
        page.press("Escape")


def test_what_is_folded_again_before_the_browser_has_gone_there_stays_folded(tab: Open) -> None:
    page = tab("waived")
    page.run(
        """new Promise((done) => {
            addEventListener("hashchange", done, {once: true});
            document.querySelector('#joint-python a[href="#cause-2"]').click();
            document.querySelector("#cause-2").open = false;
        }).then(() => 0)"""
    )
    assert page.run("location.hash") == "#cause-2"
    assert not seen(page, "#cause-2 .body")


def test_going_back_to_a_link_unfolds_it_again(tab: Open) -> None:
    page = tab("waived")
    page.click("#joint-python > summary")
    page.follow('#joint-python a[href="#cause-2"]')
    page.press("Tab")
    page.press("Escape")
    assert not seen(page, "#cause-2 .body")
    page.run("location.hash = '#verdict'")
    page.run("location.hash = '#cause-2'")
    page.wait("document.querySelector('#cause-2').open")
    assert seen(page, "#cause-2 .body")


def test_one_button_unfolds_all_and_folds_again_what_was_folded(tab: Open) -> None:
    page = tab("full")
    state = "[...document.querySelectorAll('details')].map((one) => one.open)"
    before = page.run(state)
    assert not all(before)
    page.click("#unfold")
    assert all(page.run(state))
    assert page.run("document.getElementById('unfold').getAttribute('aria-pressed')") == "true"
    page.click("#unfold")
    assert page.run(state) == before
