// On a telephone the columns of a page stand one above the other: what a press has begun is brought into sight (see arrive.py).
//
// data: { place, presses }: the key of what is brought into sight, and how often it was pressed for in this session.

const NARROW = "(max-width: 40rem)"; // where Streamlit has one column
let answered = 0;

export default function render({ data: { place, presses } }) {
  if (presses <= answered) return;
  answered = presses;
  if (!matchMedia(NARROW).matches) return;
  // Two frames on, what the press has changed stands where it will.
  requestAnimationFrame(() => requestAnimationFrame(() => {
    document.querySelector(`.st-key-${CSS.escape(place)}`)?.scrollIntoView({ block: "start" });
  }));
}
