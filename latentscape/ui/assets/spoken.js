// Says once, politely, that what somebody waited for is over (see spoken.py): to those who hear the page, wherever they
// are on it.
//
// data: { subject, active, waited, words }: what it is about, whether it is under way, whether this tab has seen it so, and
// what is said when it no longer is. What was over before it was first seen is no news.

const said = new Set(); // subjects whose end was spoken
const line = document.createElement("p"); // there before it says anything: else it is not heard
line.setAttribute("role", "status");
line.dataset.testid = "spoken";
Object.assign(line.style, {
  position: "fixed", width: "1px", height: "1px", margin: "0", overflow: "hidden", clipPath: "inset(50%)", whiteSpace: "nowrap",
});
document.body.append(line);

export default function render({ data: { subject, active, waited, words } }) {
  if (active) said.delete(subject);
  else if (waited && !said.has(subject)) {
    said.add(subject);
    line.textContent = words;
  }
}
