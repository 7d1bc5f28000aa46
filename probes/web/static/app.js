// What pages cannot do by themselves: stay live, show times in the viewer's zone, filter as somebody types, copy a key.
// Everything else works without this.
"use strict";
(() => {
  const LONGEST = 30000; // milliseconds between two tries while there is no connection
  const clock = new Intl.DateTimeFormat([], { timeStyle: "medium" });
  const day = { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" };
  const thisYear = new Intl.DateTimeFormat([], day);
  const before = new Intl.DateTimeFormat([], { year: "numeric", ...day });

  function localise(root) {
    const now = new Date();
    for (const element of root.querySelectorAll("time[datetime]:not([title])")) {
      const at = new Date(element.dateTime);
      if (Number.isNaN(at.valueOf())) continue;
      element.title = element.textContent;
      const form = at.toDateString() === now.toDateString() ? clock : at.getFullYear() === now.getFullYear() ? thisYear : before;
      element.textContent = form.format(at);
    }
  }

  function filter() {
    const field = document.querySelector("[data-filter]");
    if (!field) return;
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const line of document.querySelectorAll(`#${field.dataset.filter} > [data-words]`)) {
      line.hidden = !words.every((word) => line.dataset.words.includes(word));
      shown += line.hidden ? 0 : 1;
    }
    const none = document.getElementById("none");
    if (none) none.hidden = shown > 0;
  }

  // Each part that is marked is kept as the server sent it, so that only what has changed is replaced.
  const sent = new Map();
  function remember(root) {
    for (const part of root.querySelectorAll("[data-live]")) sent.set(part.id, part.outerHTML);
  }

  function isBusy(part) { // somebody writes in it
    const focus = document.activeElement;
    return part.contains(focus) && /^(INPUT|SELECT|TEXTAREA)$/.test(focus.tagName);
  }

  function replace(page) {
    for (const part of page.querySelectorAll("[data-live]")) {
      const old = document.getElementById(part.id);
      if (!old || sent.get(part.id) === part.outerHTML || isBusy(old)) continue;
      sent.set(part.id, part.outerHTML);
      const open = new Set([...old.querySelectorAll("details")].flatMap((one, at) => (one.open ? [at] : [])));
      const focus = old.contains(document.activeElement) ? document.activeElement : null;
      const href = focus && focus.getAttribute("href");
      const scrolled = [...old.querySelectorAll(".scroll")].map((one) => [one.scrollLeft, one.scrollTop]);
      const after = document.importNode(part, true);
      localise(after);
      old.replaceWith(after);
      [...after.querySelectorAll("details")].forEach((one, at) => { one.open = open.has(at); });
      [...after.querySelectorAll(".scroll")].forEach((one, at) => {
        if (scrolled[at]) [one.scrollLeft, one.scrollTop] = scrolled[at];
      });
      if (href) after.querySelector(`a[href="${CSS.escape(href)}"]`)?.focus({ preventScroll: true });
    }
    filter();
  }

  const lost = document.getElementById("lost");
  let good = new Date();
  let failures = 0;
  function connected(is) {
    failures = is ? 0 : failures + 1;
    if (is) good = new Date();
    document.getElementById("lost-since").textContent = clock.format(good);
    lost.hidden = is || failures < 2; // one failure may be a restart
    document.body.classList.toggle("stale", !lost.hidden);
  }

  async function refresh() {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store", redirect: "follow", signal: AbortSignal.timeout(15000) });
    if (new URL(answer.url).pathname === "/login" && location.pathname !== "/login") location.reload();
    else if (answer.ok) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
    else if (answer.status === 404) location.reload();
    else throw new Error(String(answer.status));
  }

  function every() { // the page may ask for another rhythm once a job is over
    const job = document.getElementById("job");
    if (job && job.dataset.state !== "running") return 0;
    return Number(document.body.dataset.every) || 0;
  }

  async function live() {
    let wait = every();
    while (every()) {
      await new Promise((done) => setTimeout(done, wait));
      if (document.hidden) await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
      try {
        await refresh();
        connected(true);
        wait = every();
      } catch {
        connected(false);
        wait = Math.min(LONGEST, Math.max(1000, every()) * 1.6 ** Math.min(failures, 8));
      }
    }
  }

  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.textContent = "Copied";
    });
  }
  document.querySelector("[data-filter]")?.addEventListener("input", filter);
  remember(document);
  localise(document);
  filter();
  live();
})();
