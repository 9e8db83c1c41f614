// Pictures beside the point under the cursor of a Plotly chart (see hover.py). Streamlit draws the chart anew now and then:
// the hook is set again whenever its element was replaced.

const SCALE = 3; // a 28-pixel picture is 84 pixels wide on the screen
const GAP = 40; // pixels between the point and the picture: Plotly's label stands in between
const hovers = new WeakMap(); // parentElement -> Hover

export default function render({ parentElement, data }) {
  if (!(data instanceof Uint8Array)) return undefined;
  if (!hovers.has(parentElement)) hovers.set(parentElement, new Hover());
  hovers.get(parentElement).update(data);
  return () =>
    setTimeout(() => {
      if (parentElement.isConnected) return;
      hovers.get(parentElement)?.destroy();
      hovers.delete(parentElement);
    }, 0);
}

class Hover {
  constructor() {
    this.bytes = null;
    this.charts = new WeakSet(); // the Plotly elements that are hooked
    this.picture = document.createElement("div");
    this.picture.setAttribute("aria-hidden", "true"); // Plotly's own label says the same in words
    this.picture.dataset.testid = "hover-picture";
    Object.assign(this.picture.style, {
      position: "fixed", zIndex: "1000001", pointerEvents: "none", display: "none", imageRendering: "pixelated",
      borderRadius: "6px", boxShadow: "0 0 0 2px rgba(255,255,255,.9), 0 2px 12px rgba(0,0,0,.5)",
    });
    document.body.append(this.picture);
    this.observer = new MutationObserver(() => this.hook());
    this.observer.observe(document.body, { childList: true, subtree: true });
  }

  update(bytes) {
    if (this.bytes?.length === bytes.length && this.bytes.every((byte, index) => byte === bytes[index])) return;
    this.bytes = bytes;
    const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
    this.about = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    URL.revokeObjectURL(this.url);
    this.url = URL.createObjectURL(new Blob([bytes.subarray(4 + length)], { type: "image/webp" }));
    const { tile: [height, width], columns, count } = this.about;
    Object.assign(this.picture.style, {
      width: `${width * SCALE}px`, height: `${height * SCALE}px`, backgroundImage: `url(${this.url})`,
      backgroundSize: `${columns * width * SCALE}px ${Math.ceil(count / columns) * height * SCALE}px`,
    });
    this.hook();
  }

  hook() {
    const chart = document.querySelector(`.st-key-${CSS.escape(this.about?.chart ?? "")} .js-plotly-plot`);
    if (!chart?.on || this.charts.has(chart)) return;
    this.charts.add(chart);
    chart.on("plotly_hover", (event) => this.show(event));
    chart.on("plotly_unhover", () => this.hide());
    chart.addEventListener("mouseleave", () => this.hide());
  }

  show({ points: [point], event }) {
    if (!this.about) return;
    const data = point.customdata;
    const index = (data?.length === undefined ? data : data[0]) - this.about.first;
    if (!(index >= 0 && index < this.about.count)) {
      this.hide();
      return;
    }
    const { tile: [height, width], columns } = this.about;
    const side = { x: width * SCALE, y: height * SCALE };
    const left = event.clientX - side.x / 2;
    const above = event.clientY - side.y - GAP;
    Object.assign(this.picture.style, {
      display: "block",
      left: `${Math.min(Math.max(4, left), innerWidth - side.x - 4)}px`,
      top: `${above > 4 ? above : event.clientY + GAP}px`,
      backgroundPosition: `${-(index % columns) * side.x}px ${-Math.floor(index / columns) * side.y}px`,
    });
    this.picture.dataset.index = String(index + this.about.first);
  }

  hide() {
    this.picture.style.display = "none";
  }

  destroy() {
    this.observer.disconnect();
    this.picture.remove();
    URL.revokeObjectURL(this.url);
    this.bytes = null;
    this.about = null;
  }
}
