// Where the columns of a page stand one above the other, what a press has begun may be out of sight: it is brought there (see
// arrive.py).
//
// data: { place, presses }: the key of what is brought into sight, and how often it was pressed for in this session.

const NARROW = "(max-width: 40rem)"; // where Streamlit has one column; wider ones wrap as they have room
const answered = new Map(); // of each place, how many presses

export default function render({ data: { place, presses } }) {
  if (presses <= (answered.get(place) ?? 0)) return;
  answered.set(place, presses);
  // Two frames on, what the press has changed stands where it will.
  requestAnimationFrame(() => requestAnimationFrame(() => {
    const begun = document.querySelector(`.st-key-${CSS.escape(place)}`);
    const top = begun?.getBoundingClientRect().top;
    if (begun && (matchMedia(NARROW).matches || top < 0 || top > innerHeight / 2)) bring(begun);
  }));
}

// The page may be too short yet to show it from its beginning: again as it grows, until it is there or a hand moves the page.
function bring(begun) {
  const hands = new AbortController();
  const growth = new ResizeObserver(() => {
    begun.scrollIntoView({ block: "start" });
    if (begun.getBoundingClientRect().top < innerHeight / 4) hands.abort();
  });
  for (const hand of ["wheel", "touchmove", "pointerdown", "keydown"]) {
    addEventListener(hand, () => hands.abort(), { capture: true, passive: true, signal: hands.signal });
  }
  hands.signal.addEventListener("abort", () => growth.disconnect());
  growth.observe(begun);
}
