// streamlit-drawable-canvas waits a fifth of a second after each stroke, for another may follow. Where pictures are to follow
// the hand, the button of its toolbar that sends the drawing at once is pressed as soon as a stroke has ended.

const SEND = "button[title^='Update the app']";
const EDITING = "button[title='Edit'][aria-pressed='true']"; // then the hand moves what is there, and nothing may have changed
const listening = new WeakMap(); // parentElement -> AbortController of its listeners

// data: the widget key of the canvas. Called again at every change of theme.
export default function render({ parentElement, data: key }) {
  listening.get(parentElement)?.abort();
  const gone = new AbortController();
  listening.set(parentElement, gone);
  const listen = (name, listener) => document.addEventListener(name, listener, { capture: true, signal: gone.signal });
  let root = null; // of the canvas that is being drawn on; it may be in a shadow tree

  listen("pointerdown", (event) => {
    const path = event.composedPath();
    const isDrawing = event.button === 0 && path[0].localName === "canvas";
    root = isDrawing && path.some((node) => node.classList?.contains(`st-key-${key}`)) ? path[0].getRootNode() : null;
  });
  const ended = () => {
    const drawn = root;
    root = null;
    if (drawn && !drawn.querySelector(EDITING)) setTimeout(() => drawn.querySelector(SEND)?.click(), 0); // after the canvas knows
  };
  listen("pointerup", ended);
  listen("pointercancel", ended);
  return () => gone.abort();
}
