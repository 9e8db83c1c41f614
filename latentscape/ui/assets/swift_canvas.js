// Two things about streamlit-drawable-canvas. Its tool bar lies unseen on the upper edge of the drawing until a mouse comes,
// and a finger that draws there wipes all: it gets a place of its own above the drawing, with what a drawing needs. And it
// waits a fifth of a second after each stroke, for another may follow: where pictures are to follow the hand, the button that
// sends the drawing at once is pressed as soon as a stroke has ended.

const SEND = "button[title^='Update the app']";
const EDITING = "button[title='Edit'][aria-pressed='true']"; // then the hand moves what is there, and nothing may have changed
const TOOLS = new CSSStyleSheet();
TOOLS.replaceSync(`
  .dc-root { display: flex; flex-direction: column; }
  .dc-root > .dc-toolbar, .dc-root:hover > .dc-toolbar, .dc-root > .dc-toolbar:focus-within {
    position: static; order: -1; align-self: flex-end; padding: 0 0 4px; opacity: 1; transition: none;
  }
  .dc-toolbar-card { padding: 0; background: none; box-shadow: none; }
  .dc-icon-button { min-width: 40px; min-height: 34px; color: var(--st-text-color); }
  .dc-icon-button svg { width: 1.1rem; height: 1.1rem; }
  .dc-icon-button:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: -3px; }
  .dc-icon-button:is([title^='Update the app'], [title='Edit']), .dc-toolbar-separator, .dc-toolbar-contextual {
    display: none;
  }
`);
const listening = new WeakMap(); // parentElement -> AbortController of its listeners

// data: the widget key of the canvas. Called again at every change of theme.
export default function render({ parentElement, data: key }) {
  listening.get(parentElement)?.abort();
  const gone = new AbortController();
  listening.set(parentElement, gone);
  show(key, gone.signal);
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
    // After the canvas knows.
    if (drawn && !drawn.querySelector(EDITING)) setTimeout(() => drawn.querySelector(SEND)?.click(), 0);
  };
  listen("pointerup", ended);
  listen("pointercancel", ended);
  return () => gone.abort();
}

// Looks for the canvas at every frame until it is there.
function show(key, signal) {
  const found = [...document.querySelectorAll(`.st-key-${CSS.escape(key)} *`)].find((node) => node.shadowRoot)?.shadowRoot;
  if (found && !found.adoptedStyleSheets.includes(TOOLS)) found.adoptedStyleSheets.push(TOOLS);
  if (!found && !signal.aborted) requestAnimationFrame(() => show(key, signal));
}
