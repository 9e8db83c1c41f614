// What a hand does on the chart of Map and in the gallery below it (see map/hand.py).
//
// data: { chart, gallery }: the widget keys of both. It reports { number, ... } for what a person did, with one of
//   selected: the numbers of the points within a lasso or a box, which may be none
//   cleared: true, for a double click that ends a selection
//   opened: the number of the point or of the picture that was clicked
//
// The chart takes the wheel with Ctrl, or when it has the focus, and a finger's swipe when it has the focus: a click or a tap
// gives it. Else both scroll the page.

const DOUBLE = 300; // ms in which a second press makes a double click: as told to Plotly
const WAIT = DOUBLE + 50; // ms after a click on a point before it is opened
const hands = new WeakMap(); // parentElement -> Hand

export default function render({ parentElement, data, setStateValue }) {
  if (!hands.has(parentElement)) hands.set(parentElement, new Hand());
  const hand = hands.get(parentElement);
  Object.assign(hand, { data, send: (report) => setStateValue("said", report) });
  hand.hook();
  return () =>
    setTimeout(() => {
      if (parentElement.isConnected) return;
      hand.destroy();
      hands.delete(parentElement);
    }, 0);
}

class Hand {
  constructor() {
    this.number = Date.now(); // of the latest report: no other hand has told it, also none before the page was left
    this.charts = new WeakSet(); // the Plotly elements that are hooked
    this.pressed = { time: -Infinity }; // when, whether a click then opens a point, and whether it gives the chart the focus
    this.hasFocus = false; // the chart, also while Streamlit puts a new one in its place
    this.opening = 0;
    this.gone = new AbortController();
    const listen = (name, listener) =>
      document.addEventListener(name, listener, { capture: true, passive: name !== "click", signal: this.gone.signal });
    listen("wheel", (event) => this.chart()?.contains(event.target) && !event.ctrlKey && this.pass(event));
    listen("touchstart", (event) => this.chart()?.contains(event.target) && this.pass(event));
    listen("focusin", (event) => (this.hasFocus = !!this.chart()?.contains(event.target)));
    listen("pointerdown", (event) => this.press(event));
    listen("pointerup", () => this.pressed.focuses && this.focus());
    listen("pointercancel", () => (this.pressed.focuses = false)); // it became a swipe
    listen("click", (event) => this.click(event));
    this.observer = new MutationObserver(() => this.hook());
    this.observer.observe(document.body, { childList: true, subtree: true });
  }

  chart() {
    return document.querySelector(`.st-key-${CSS.escape(this.data.chart)} .js-plotly-plot`);
  }

  hook() {
    const chart = this.chart();
    if (!chart?.on || this.charts.has(chart)) return;
    this.charts.add(chart);
    chart.tabIndex = 0;
    if (this.hasFocus) this.focus();
    chart.on("plotly_selected", (event) => event && this.report({ selected: event.points.map(numberOf) }));
    chart.on("plotly_deselect", () => this.report({ cleared: true }));
    chart.on("plotly_click", ({ points: [point] }) => this.open(numberOf(point)));
  }

  focus() {
    this.hasFocus = true;
    this.chart()?.focus({ preventScroll: true });
  }

  report(what) {
    this.send({ number: ++this.number, ...what });
  }

  pass(event) {
    if (!this.hasFocus) event.stopPropagation(); // Plotly hears nothing of it, and the page scrolls
  }

  press(event) {
    clearTimeout(this.opening);
    const onPlot = !!(this.chart()?.contains(event.target) && event.target.closest(".nsewdrag"));
    const isDouble = event.timeStamp - this.pressed.time < DOUBLE;
    const opens = onPlot && !isDouble && (event.pointerType !== "touch" || this.hasFocus); // a first tap shows the picture
    this.pressed = { time: event.timeStamp, opens, focuses: onPlot };
    if (!onPlot) this.hasFocus = !!this.chart()?.contains(event.target) && this.hasFocus;
  }

  open(number) {
    if (this.pressed.opens) this.opening = setTimeout(() => this.report({ opened: number }), WAIT);
  }

  click(event) {
    const link = event.target.closest?.(`.st-key-${CSS.escape(this.data.gallery)} a[href*="image="]`);
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault(); // within the app nothing is loaded anew, and the selection is there when one comes back
    this.report({ opened: +new URL(link.href).searchParams.get("image") });
  }

  destroy() {
    clearTimeout(this.opening);
    this.observer.disconnect();
    this.gone.abort();
  }
}

function numberOf({ customdata }) {
  return customdata?.length === undefined ? customdata : customdata[0];
}
