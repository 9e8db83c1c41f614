// In the first page of the server. Streamlit disables a button while it works, or draws another thing in its place: the browser
// then drops the focus, and who uses a keyboard starts again at the top of the page. Here the focus stays where it was: on the
// place of the button, and on the button itself as soon as it can be pressed again. One place for all pages: it knows no
// widget, only that Streamlit names the place of each by its key.
{
  const KEYED = "[class*=st-key-]";
  const OPERABLE = ":is(button, input, select, textarea, a[href], [tabindex='0']):not(:disabled)";
  const PATIENCE = 80; // ms in which whoever took the focus may set it elsewhere, as menus do when they close
  let last = null; // what had the focus, until the person goes elsewhere
  let places = []; // where it stands, from the inside out: elements, and the keys of those that have one
  let timer = 0;

  const keyOf = (element) => [...element.classList].find((name) => name.startsWith("st-key-"));
  const isGone = (element) => !element.isConnected || element.disabled;
  const isNowhere = () => !document.activeElement || document.activeElement === document.body || isGone(document.activeElement);
  const forget = () => (last = null);

  function remember({ target }) {
    if (target.dataset.holdsFocus) return;
    last = target;
    places = [];
    for (let at = target.parentElement; at && at !== document.body; at = at.parentElement) {
      places.push({ element: at, key: at.matches(KEYED) ? keyOf(at) : null });
      if (at.matches(".stMain, .stSidebar")) return;
    }
    last = null; // a menu or a dialog: it has manners of its own
  }

  function mend() {
    timer = 0;
    const held = document.activeElement?.dataset.holdsFocus;
    if (!last || !(held || isNowhere())) return;
    if (!isGone(last)) return held && last.focus({ preventScroll: true }); // the same button, which can be pressed again
    const keyed = places.find(({ key }) => key);
    const place = keyed && document.querySelector(`.${CSS.escape(keyed.key)}`);
    const again = place?.querySelector(OPERABLE);
    if (again) return again.focus({ preventScroll: true });
    if (!held) hold(place ?? places.find(({ element }) => element.isConnected)?.element);
  }

  function hold(place) {
    if (!place) return;
    place.tabIndex = -1;
    place.dataset.holdsFocus = "true";
    place.focus({ preventScroll: true });
    place.addEventListener("blur", () => {
      place.removeAttribute("tabindex");
      delete place.dataset.holdsFocus;
    }, { once: true });
  }

  const look = () => {
    if (last && !timer && (isGone(last) || document.activeElement?.dataset.holdsFocus)) timer = setTimeout(mend, PATIENCE);
  };
  document.addEventListener("focusin", remember);
  document.addEventListener("focusout", ({ target, relatedTarget }) => {
    if (!relatedTarget && !isGone(target) && !target.dataset.holdsFocus && document.hasFocus()) setTimeout(() => {
      if (target === last && !isGone(target) && isNowhere()) forget(); // she pressed where there is nothing
    }, 0);
  });
  document.addEventListener("pointerdown", ({ target }) => {
    if (last && isGone(last) && !target.closest(OPERABLE)) forget();
  }, { capture: true });
  new MutationObserver(look).observe(document, { childList: true, subtree: true, attributeFilter: ["disabled"] });
}
