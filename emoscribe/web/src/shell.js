import { h } from "../../report/viewer/src/dom.js";
import { analysisView } from "./analysis.js";
import { compareView } from "./compare/compare.js";
import { inboxView } from "./inbox/inbox.js";
import { problemView } from "./problem.js";
import { searchView } from "./search.js";

/** @import { Api } from "./api.js" */
/** @import { Desk, Session, View } from "./types.d.ts" */

/** @type {Record<string, View>} */
const VIEWS = {
  inbox: inboxView,
  analysis: analysisView,
  compare: compareView,
  search: searchView,
};
const NAVIGATION = [
  ["inbox", "/", "Inbox"],
  ["compare", "/?compare", "Compare"],
  ["search", "/?search", "Search"],
];

/**
 * The frame around all views: where one is, who one is, and the way from view to view.
 * @param {HTMLElement} root
 * @param {Api} api
 * @param {Session} session
 * @param {() => void} leave
 */
export function shell(root, api, session, leave) {
  const place = h("div", { class: "place" });
  const spoken = h("p", { class: "spoken", role: "status" });
  const links = new Map(NAVIGATION.map(([name, href, text]) => [name, h("a", { href }, text)]));
  /** @type {Desk} */
  const desk = {
    api,
    session,
    can: (scope) => session.scopes.includes(scope),
    navigate(address) {
      history.pushState(null, "", address);
      show();
    },
    keep(values) {
      history.replaceState(history.state, "", changed(values));
      shown = location.search;
    },
    announce(text) {
      spoken.textContent = text;
    },
  };
  root.replaceChildren(topBar([...links.values()], session, leave), place, spoken);
  let showing = new AbortController();
  let shown = "";

  function show() {
    const params = new URLSearchParams(location.search);
    const name = Object.keys(VIEWS).find((one) => params.has(one)) ?? "inbox";
    showing.abort();
    showing = new AbortController();
    shown = location.search;
    for (const [one, link] of links) {
      if (one === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    const inside = h("div", { class: name });
    place.replaceChildren(inside);
    scrollTo(0, 0);
    const { signal } = showing;
    Promise.resolve(VIEWS[name](inside, params, desk, signal)).catch((error) => {
      if (signal.aborted) return;
      inside.replaceChildren(h("main", { class: "page" }, problemView(error)));
      if (!("status" in error)) throw error;
    });
  }

  root.addEventListener("click", (event) => followLink(event, desk));
  window.addEventListener("popstate", () => {
    if (location.search !== shown) show(); // what follows the "#" belongs to the view
  });
  show();
}

/** @param {HTMLElement[]} links @param {Session} session @param {() => void} leave */
function topBar(links, session, leave) {
  const isOpen = session.auth === "off";
  return h(
    "nav",
    { class: "top-bar", "aria-label": "EmoScribe" },
    h(
      "a",
      { class: "home", href: "/" },
      h("img", { src: "/static/icon.svg", alt: "", width: 22, height: 22 }),
      "EmoScribe",
    ),
    h("div", { class: "places" }, ...links),
    h(
      "div",
      { class: "who" },
      isOpen
        ? h(
            "span",
            {
              class: "hint",
              title: "This service answers this machine only and asks for no token",
            },
            "this machine",
          )
        : h("span", { class: "hint" }, h("bdi", {}, session.name), session.role ? ` · ${session.role}` : ""),
      !isOpen && h("button", { type: "button", class: "quiet", on: { click: leave } }, "Sign out"),
    ),
  );
}

/** Links between views need no new page. @param {MouseEvent} event @param {Desk} desk */
function followLink(event, desk) {
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)
    return;
  const link = /** @type {Element} */ (event.target).closest("a[href^='/']");
  const href = link?.getAttribute("href") ?? "";
  if (!link || link.hasAttribute("download") || !/^\/(\?|$)/.test(href)) return;
  event.preventDefault();
  desk.navigate(href);
}

/**
 * The address with some values changed.
 * @param {Record<string, string | null>} values null: without it
 */
function changed(values) {
  const params = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(values)) {
    if (value === null) params.delete(name);
    else params.set(name, value);
  }
  const query = params.toString().replace(/=(?=&|$)/g, "");
  return `${query ? `/?${query}` : "/"}${location.hash}`;
}
