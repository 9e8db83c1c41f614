// streamlit-drawable-canvas waits a fifth of a second after each stroke, for another may follow. Where pictures are to follow
// the hand, the button of its toolbar that sends the drawing at once is pressed as soon as a stroke has ended.

const SEND = "button[title^='Update the app']";

// data: the widget key of the canvas.
export default function render({ data: key }) {
  const gone = new AbortController();
  const options = { capture: true, signal: gone.signal };
  let root = null; // of the canvas that is being drawn on; it may be in a shadow tree

  document.addEventListener(
    "pointerdown",
    (event) => {
      const path = event.composedPath();
      const isOurs = path.some((node) => node.classList?.contains(`st-key-${key}`));
      root = isOurs && event.target.closest && path[0].localName === "canvas" ? path[0].getRootNode() : null;
    },
    options,
  );
  for (const end of ["pointerup", "pointercancel"]) {
    document.addEventListener(
      end,
      () => {
        const drawn = root;
        root = null;
        if (drawn) setTimeout(() => drawn.querySelector(SEND)?.click(), 0); // after the canvas has heard of it too
      },
      options,
    );
  }
  return () => gone.abort();
}
