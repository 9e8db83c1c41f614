// The entry: Streamlit calls the default export when a component appears and again at every change of data or theme,
// with the same parentElement. The data is the description of a pad (see __init__.py).

import { LatentPad } from "./instance.js";
// Every other module by name: where the page has not named them already, the browser asks for all at once, and not for
// one level after the other.
import "./content.js";
import "./controls.js";
import "./decoder.js";
import "./draw.js";
import "./glyphs.js";
import "./layers.js";
import "./network.js";
import "./pixels.js";
import "./plane.js";
import "./posterior.js";
import "./readout.js";
import "./safetensors.js";
import "./store.js";
import "./template.js";
import "./tiles.js";

const pads = new WeakMap(); // parentElement -> LatentPad

export default function render({ parentElement, data, setStateValue }) {
  if (!pads.has(parentElement)) pads.set(parentElement, new LatentPad(parentElement));
  pads.get(parentElement).update(data, (point) => setStateValue("point", point));
  return whenGone(parentElement, () => {
    pads.get(parentElement)?.destroy();
    pads.delete(parentElement);
  });
}

// Streamlit runs a cleanup at unmount, but also when new data overtakes the loading of this module: then the pad stays.
function whenGone(element, cleanup) {
  return () => setTimeout(() => !element.isConnected && cleanup(), 0);
}
