// A chart of Plotly that is drawn again in place (see live_chart.py).
//
// data: { figure, alt, library, config, height }: a figure as JSON without a template, its words, the address of Plotly below
// the server's, how Plotly is told to behave, and pixels, null where the chart is as high as its place.

const SERVER = new URL("../../../", import.meta.url);
const AGAIN = 2000; // ms until Plotly is asked for again where it did not come
const charts = new WeakMap(); // parentElement -> Chart
let library = null; // the promise of Plotly, one for all charts

export default function render({ parentElement, data }) {
  if (!charts.has(parentElement)) charts.set(parentElement, new Chart(parentElement));
  charts.get(parentElement).update(data);
  return () =>
    setTimeout(() => {
      if (parentElement.isConnected) return;
      charts.get(parentElement)?.destroy();
      charts.delete(parentElement);
    }, 0);
}

function load(address) {
  library ??= new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src: new URL(address, SERVER).href });
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => {
      script.remove();
      library = null;
      reject(new Error("Plotly cannot be had"));
    });
    document.head.append(script);
  });
  return library;
}

class Chart {
  constructor(parent) {
    this.element = document.createElement("div");
    this.element.setAttribute("role", "img");
    parent.append(this.element);
    this.plotly = null;
    this.gone = false;
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.element);
  }

  update(data) {
    this.data = data;
    this.element.classList.add("live-chart");
    this.element.classList.toggle("fills", data.height === null);
    this.element.setAttribute("aria-label", data.alt);
    this.element.style.height = data.height === null ? "" : `${data.height}px`; // kept free until Plotly is here
    this.drawn = null;
    if (this.plotly) this.draw();
    else this.bring();
  }

  async bring() {
    try {
      this.plotly = await load(this.data.library);
      this.draw();
    } catch {
      setTimeout(() => !this.gone && !this.plotly && this.bring(), AGAIN);
    }
  }

  // Plotly keeps what it is given, and changes it: each drawing gets a figure of its own.
  draw() {
    const { clientWidth: width, clientHeight: height } = this.element;
    const size = `${width} ${height}`;
    if (!this.plotly || this.gone || width < 2 || height < 2 || this.drawn === size) return;
    this.drawn = size;
    const { data, layout } = JSON.parse(this.data.figure);
    Object.assign(layout, { width, height, template: template(this.element) });
    this.plotly.react(this.element, data, layout, { ...this.data.config });
  }

  destroy() {
    this.gone = true;
    this.sizes.disconnect();
    if (this.plotly) this.plotly.purge(this.element);
  }
}

// What Streamlit's own charts look like.
function template(element) {
  const of = (name, otherwise) => getComputedStyle(element).getPropertyValue(name).trim() || otherwise;
  const [grid, words, names] = ["grid", "words", "names"].map((name) => colour(element, `var(--chart-${name})`));
  const background = colour(element, "var(--st-background-color)");
  const family = of("--st-font", "sans-serif");
  const title = (standoff) => ({ font: { color: words, size: 14 }, standoff });
  const axis = {
    gridcolor: grid, zerolinecolor: grid, tickcolor: grid, tickfont: { color: words, size: 12 }, automargin: true,
    minor: { gridcolor: grid },
  };
  return {
    data: { scatter: [{ marker: { line: { width: 0 } } }] },
    layout: {
      font: { color: words, family, size: 12, weight: 400 },
      legend: { valign: "top", bordercolor: "transparent", borderwidth: 0, font: { color: names, size: 12 } },
      paper_bgcolor: background,
      plot_bgcolor: background,
      xaxis: { ...axis, title: title(20), showgrid: false, zeroline: false },
      yaxis: { ...axis, title: title(24), ticklabelposition: "outside" },
      margin: { pad: 8, r: 0, l: 0 },
      hoverlabel: { bgcolor: background, bordercolor: grid, font: { color: words, family, size: 12 } },
    },
  };
}

// Of a colour in CSS, which may stand for one in light and one in dark, what Plotly understands.
function colour(element, words) {
  const probe = Object.assign(document.createElement("span"), { hidden: true });
  probe.style.color = words;
  element.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
