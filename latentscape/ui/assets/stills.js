// Streamlit puts a new element in the place of a Plotly chart for every new figure, and Plotly needs a moment to draw it: the
// chart would vanish at each step of what is watched. Until the new one is drawn, the former drawing, a still, stands in its
// place.
//
// A browser has sixteen contexts of WebGL for all its tabs, and a drawing takes two. Those of a chart that is gone are given
// back at once: the collector of garbage would come too late.

const PATIENCE = 10_000; // ms after which a still goes even if nothing was drawn in its place
const GONE = 500; // ms without a place for the chart after which it is gone for good
const LAID_OUT = 100; // ms after a chart has got a size in which it is drawn in that size
const hooked = new WeakSet(); // the Plotly elements that are listened to
const drawn = new Map(); // Plotly element -> what it looks like: { key, copy, canvases, box }
const stills = new Map(); // class of a widget's key -> { element, canvases, timer, missing }
let observer = null;

export default function render() {
  if (observer) return;
  observer = new MutationObserver(look);
  observer.observe(document.body, { childList: true, subtree: true });
  look();
}

function look() {
  for (const chart of document.querySelectorAll(".js-plotly-plot")) {
    if (!chart.on || hooked.has(chart)) continue;
    hooked.add(chart);
    chart.on("plotly_afterplot", () => keep(chart));
    if (chart.querySelector(".xtick")) keep(chart); // drawn before it was listened to
  }
  for (const [chart, former] of drawn) {
    if (chart.isConnected) continue;
    drawn.delete(chart);
    show(former);
  }
  for (const [key, still] of stills) if (!still.element.isConnected) place(key, still); // replaced before it was drawn
}

const isSeen = (chart) => chart.checkVisibility({ visibilityProperty: true }) && chart.clientHeight > 1;
const sizes = new ResizeObserver((changes) => {
  for (const { target } of changes) if (isSeen(target)) setTimeout(keep, LAID_OUT, target);
});

const hostOf = (key) => document.querySelector(`[data-testid=stElementContainer].${CSS.escape(key)}`);

// Plotly empties a chart before its element goes: what it looks like is copied while it is there. Its canvases keep
// their pixels.
function keep(chart) {
  if (!isSeen(chart)) return sizes.observe(chart); // drawn before Streamlit has measured its place: nobody sees it yet
  sizes.unobserve(chart);
  const host = chart.closest("[data-testid=stElementContainer]");
  const drawing = chart.querySelector(".plot-container");
  const key = [...(host?.classList ?? [])].find((name) => name.startsWith("st-key-"));
  if (!key || !drawing || !chart.isConnected) return;
  hide(key);
  const [here, there] = [chart.getBoundingClientRect(), host.getBoundingClientRect()];
  drawn.set(chart, {
    key,
    copy: drawing.cloneNode(true),
    canvases: [...drawing.querySelectorAll("canvas")],
    box: { left: here.left - there.left, top: here.top - there.top, width: here.width, height: here.height },
  });
}

function show({ key, copy, canvases, box: { left, top, width, height } }) {
  hide(key);
  copy.querySelectorAll("canvas").forEach((empty, index) => empty.replaceWith(canvases[index]));
  copy.querySelectorAll(".modebar-container, .hoverlayer > *").forEach((part) => part.remove());
  for (const part of copy.querySelectorAll(".main-svg")) Object.assign(part.style, { position: "absolute", left: 0, top: 0 });
  const element = document.createElement("div");
  element.className = "chart-still";
  element.setAttribute("aria-hidden", "true");
  Object.assign(element.style, {
    position: "absolute", left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px`, overflow: "hidden",
    pointerEvents: "none", zIndex: 1,
  });
  element.append(copy);
  stills.set(key, { element, canvases, timer: setTimeout(hide, PATIENCE, key) });
  place(key, stills.get(key));
}

function place(key, still) {
  const host = hostOf(key);
  if (!host) {
    still.missing ??= setTimeout(hide, GONE, key); // one may come with Streamlit's next step
    return;
  }
  clearTimeout(still.missing);
  still.missing = undefined;
  host.style.position = "relative";
  host.append(still.element);
}

function hide(key) {
  const still = stills.get(key);
  if (!still) return;
  stills.delete(key);
  clearTimeout(still.timer);
  clearTimeout(still.missing);
  still.element.remove();
  giveBack(still.canvases);
}

function giveBack(canvases) {
  for (const canvas of canvases) {
    const context = canvas.getContext("webgl") ?? canvas.getContext("webgl2");
    context?.getExtension("WEBGL_lose_context")?.loseContext();
  }
}
