// The picture of the network with one image's values: x, what the encoder says of it, z, and what the decoder makes of z. With
// a posterior also its draws. Without one the encoder says a code.

import { fromBase64, put, toImageData } from "./pixels.js";

const ROWS = 4; // dimensions that are shown
const FAR = 5; // of a draw from N(0, 1) that nobody will see

// parts: the pad's nodes by their data-part; choose(draw) is called where one of the draws is pressed.
export class Network {
  constructor(parts, choose) {
    Object.assign(this, { parts, choose, cells: [], thumbs: new WeakMap() });
  }

  // What stays while the point moves. encoded: { code, pixels }, or null: then there is nothing to show. canDecode: here, and
  // not by the server.
  describe(encoded, imageShape, posterior, canDecode) {
    const { network, netImage, netFormula, netDrawn } = this.parts;
    network.hidden = !encoded;
    netDrawn.hidden = !posterior || !canDecode;
    if (!encoded) return;
    Object.assign(this, { encoded, posterior });
    put(netImage, toImageData(fromBase64(encoded.pixels), imageShape, 1));
    const { length } = encoded.code;
    const shown = (posterior?.order ?? encoded.code.map((_, i) => i)).slice(0, ROWS).sort((i, j) => i - j);
    this.table(shown, posterior ? ["μ", "σ", "ε", "z"] : ["code", "z"]);
    const most = posterior ? "that say most" : "that come first";
    const some = length > ROWS ? `${ROWS} of ${length} dimensions, those ${most}${posterior ? " about this image" : ""}.` : "";
    this.say(posterior ? some : `The code is a single point: nothing is drawn. ${some}`);
    this.said = netFormula.textContent;
  }

  say(words) {
    Object.assign(this.parts.netFormula, { textContent: words, hidden: !words });
  }

  table(dimensions, columns) {
    const cell = (tag, textContent, more) => Object.assign(document.createElement(tag), { textContent, ...more });
    const row = (...cells) => {
      const made = document.createElement("tr");
      made.append(...cells);
      return made;
    };
    this.parts.netHead.replaceChildren(row(cell("td", ""), ...columns.map((name) => cell("th", name, { scope: "col" }))));
    this.cells = dimensions.map((i) => ({ i, nodes: columns.map(() => cell("td", "")) }));
    const rows = this.cells.map(({ i, nodes }) => row(cell("th", `z${i + 1}`, { scope: "row" }), ...nodes));
    this.parts.netRows.replaceChildren(...rows);
  }

  // z (L,): what is decoded now.
  show(z) {
    if (this.parts.network.hidden) return;
    const epsilon = this.posterior?.epsilonOf(z);
    for (const { i, nodes } of this.cells) {
      const values = epsilon
        ? [number(this.posterior.mu[i], 3), number(this.posterior.sigma[i], 3), number(epsilon[i], 2), number(z[i], 3)]
        : [number(this.encoded.code[i], 3), number(z[i], 3)];
      values.forEach((value, column) => (nodes[column].textContent = value));
    }
    const isFar = epsilon && this.cells.some(({ i }) => Math.abs(epsilon[i]) > FAR);
    this.say(isFar ? `${this.said} No draw has such an ε: the point was moved by hand.`.trim() : this.said);
  }

  // The posterior's draws as pictures, in the order in which they were made; chosen: the one that is shown.
  showDraws(chosen) {
    const { network, netDraws } = this.parts;
    if (network.hidden || !this.posterior) return;
    const { draws } = this.posterior;
    if (draws.some((draw, i) => netDraws.children[i]?.firstChild !== this.button(draw))) {
      netDraws.replaceChildren(...draws.map((draw) => this.item(draw)));
    }
    for (const draw of draws) this.button(draw).setAttribute("aria-pressed", String(draw === chosen));
  }

  item(draw) {
    const item = document.createElement("li");
    item.append(this.button(draw));
    return item;
  }

  button(draw) {
    if (!this.thumbs.has(draw)) {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      button.append(Object.assign(document.createElement("canvas"), { width: 1, height: 1 }));
      button.setAttribute("aria-label", `Draw at ${this.cells.map(({ i }) => `z${i + 1} ${number(draw.z[i], 2)}`).join(", ")}`);
      button.addEventListener("click", () => this.choose(draw));
      this.thumbs.set(draw, button);
    }
    return this.thumbs.get(draw);
  }

  // Decodes one draw that has no picture yet. True while there are more.
  work(decoder) {
    if (!decoder || !this.posterior || this.parts.network.hidden) return false;
    const bare = this.posterior.draws.filter((draw) => !this.button(draw).dataset.drawn);
    if (!bare.length) return false;
    const button = this.button(bare[0]);
    put(button.firstChild, toImageData(decoder.decode(bare[0].z), decoder.imageShape));
    button.dataset.drawn = "1";
    return bare.length > 1;
  }
}

const number = (value, digits) =>
  Number.isFinite(value) ? plain(value.toFixed(Math.abs(value) >= 100 ? 0 : digits)) : "–";
const plain = (text) => text.replace(/^-(?=0\.?0*$)/, "").replace("-", "−"); // no minus zero
