
"use strict";
(() => {
  const root = document.documentElement;
  const status = document.getElementById("status");
  const folds = [...document.querySelectorAll("details")];
  let silence = 0;

  /** Tells it beside the page and to a screen reader. */
  function say(text) {
    status.textContent = text;
    clearTimeout(silence);
    silence = setTimeout(() => { status.textContent = ""; }, 4000);
  }

  // what only works here is shown only here
  for (const element of document.querySelectorAll(".tools, .copy")) element.hidden = false;

  // colours: what the system wants until the button says otherwise
  const theme = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
  const label = () => {
    theme.textContent = isDark() ? "Light" : "Dark";
    theme.setAttribute("aria-label", `${theme.textContent} colours`);
  };
  theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; label(); });
  dark.addEventListener("change", label);
  label();

  // copy; the old way where a browser keeps the clipboard from a file
  async function copy(code) {
    try {
      await navigator.clipboard.writeText(code.textContent);
      return true;
    } catch {
      getSelection().selectAllChildren(code);
      return document.execCommand("copy");
    }
  }
  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const done = await copy(button.parentElement.querySelector("code"));
      button.textContent = done ? "Copied" : "Selected";
      say(done ? "Copied to the clipboard" : "Selected: copy it with the keyboard");
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }

  // a link to something folded unfolds it before the browser goes there
  function reveal(hash) {
    const target = document.getElementById(hash.slice(1));
    for (let fold = target?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  }
  // the browser tells of a click's way there late: by then it may be folded again, and stays so
  let clicked = "";
  for (const link of document.querySelectorAll("a[href^='#']")) {
    link.addEventListener("click", () => { clicked = link.hash; reveal(clicked); });
  }
  addEventListener("hashchange", (event) => {
    const { hash } = new URL(event.newURL);
    if (hash !== clicked) reveal(hash);
    clicked = "";
  });
  reveal(location.hash);

  // Escape folds what is open around the focus
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const fold = document.activeElement.closest("details[open]");
    if (!fold) return;
    fold.open = false;
    fold.querySelector("summary").focus();
  });

  // fold and unfold everything; folding brings back what was open at the start
  const unfold = document.getElementById("unfold");
  const first = new Map(folds.map((fold) => [fold, fold.open]));
  unfold.addEventListener("click", () => {
    const all = unfold.getAttribute("aria-pressed") !== "true";
    unfold.setAttribute("aria-pressed", String(all));
    for (const fold of folds) fold.open = all || first.get(fold);
  });

  // paper shows everything; the style does it where the browser can
  let before = [];
  addEventListener("beforeprint", () => {
    before = folds.filter((fold) => !fold.open);
    for (const fold of before) fold.open = true;
  });
  addEventListener("afterprint", () => {
    for (const fold of before) fold.open = false;
  });

  // the filter hides what has not all of its words
  const filter = document.getElementById("filter");
  const rows = [...document.querySelectorAll("[data-row]")].map((row) => [row, row.textContent.toLowerCase()]);
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    say(words.length ? `${shown} of ${rows.length} shown` : "");
  });
})();
