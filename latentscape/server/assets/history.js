// In the first page of the server, before Streamlit's loader. Streamlit writes the address when a message comes, which may be
// while another page is on its way or after the visitor has gone Back: the words of one view would stand in the entry of
// another. Here it may only go to another page; the words of a page are written by address.js, together with what they say.
history.addEntry = history.pushState;
history.changeEntry = history.replaceState;
history.asked = null; // where the visitor went by Back or Forward, until its answer is drawn or she presses something

addEventListener("popstate", () => (history.asked = location.href));
for (const press of ["pointerdown", "keydown"]) addEventListener(press, () => (history.asked = null), { capture: true });

const pathOf = (url) => new URL(url ?? "", location.href).pathname;
history.pushState = function (state, unused, url) {
  if (pathOf(url) !== location.pathname && history.asked !== location.href) this.addEntry(state, unused, url);
};
history.replaceState = function (state, unused, url) {
  if (pathOf(url) !== location.pathname) this.changeEntry(state, unused, url);
};
