// The bar that plays the moments of a training again (see train/replay.py).
//
// data: { moments, at, following }: each moment in words, the number of the one that is shown, and whether the newest one is
// followed. It reports { number, to } for what a person did: `to` is a moment, the last one follows. What the server says about
// the bar is never reported back.

const STEP = 350; // ms that a moment is shown at least while it plays
const PACE = 120; // ms between reports of a hand that drags
const bars = new WeakMap(); // parentElement -> Bar

export default function render({ parentElement, data, setStateValue }) {
  if (!bars.has(parentElement)) bars.set(parentElement, new Bar(parentElement));
  bars.get(parentElement).update(data, (report) => setStateValue("moved", report));
  return () => bars.get(parentElement)?.pause();
}

class Bar {
  constructor(parent) {
    this.number = Date.now(); // of the latest report: no other bar has told it, also none before a page was left
    this.asked = null; // the moment that was asked for and is not shown yet
    this.timer = 0;
    this.sending = 0;
    this.element = document.createElement("div");
    this.element.className = "replay";
    this.play = button("Play");
    this.range = Object.assign(document.createElement("input"), { type: "range", min: 0, step: 1 });
    this.range.setAttribute("aria-label", "Replay: moment of the training");
    this.words = document.createElement("output");
    this.follow = button("Follow");
    this.follow.title = "Show the newest moment, and go on with it";
    this.element.append(this.play, this.range, this.words, this.follow);
    parent.append(this.element);
    this.range.addEventListener("input", () => {
      this.pause();
      this.say();
      clearTimeout(this.sending);
      this.sending = setTimeout(() => this.report(+this.range.value), PACE);
    });
    this.play.addEventListener("click", () => (this.timer ? this.pause() : this.begin()));
    this.follow.addEventListener("click", () => {
      this.pause();
      this.report(this.data.moments.length - 1);
    });
  }

  update(data, send) {
    Object.assign(this, { data, send });
    if (this.asked !== null && (data.at === this.asked || data.following)) this.asked = null;
    this.range.max = data.moments.length - 1;
    if (this.asked === null) this.range.value = data.at;
    this.follow.hidden = data.following;
    this.say();
  }

  say() {
    const words = this.data.moments[+this.range.value] ?? "";
    this.words.textContent = words;
    this.range.setAttribute("aria-valuetext", words);
  }

  report(to) {
    this.asked = to;
    this.send({ number: ++this.number, to });
  }

  begin() {
    const last = this.data.moments.length - 1;
    if (+this.range.value >= last) this.go(0);
    this.play.textContent = "Pause replay";
    this.timer = setInterval(() => {
      if (this.asked !== null) return; // the one before is still being drawn
      const next = +this.range.value + 1;
      this.go(next);
      if (next >= this.data.moments.length - 1) this.pause();
    }, STEP);
  }

  go(to) {
    this.range.value = to;
    this.say();
    this.report(to);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = 0;
    this.play.textContent = "Play";
  }
}

function button(words) {
  return Object.assign(document.createElement("button"), { type: "button", textContent: words });
}
