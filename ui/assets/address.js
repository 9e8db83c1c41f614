// Without a face: adds the entry of a change that the visitor meant. The present entry shows it already (history.js), so it gets
// back what it showed before, and the new one takes its place.
//
// data: { change, before, after }: the change's name, empty for none, and the words of the address before it and now.

let done = "";

export default function render({ data: { change, before, after } }) {
  // Another address than the one meant: something newer is on its way, or the visitor has gone Back already.
  if (!change || change === done || !history.addEntry || !shows(after)) return;
  done = change;
  const now = location.href;
  history.replaceState({}, "", changed(before, after));
  history.addEntry({}, "", now);
}

const HOSTS = ["embed", "embed_options"]; // words that Streamlit keeps to itself

function shows(words) {
  const found = [...new URLSearchParams(location.search)].filter(([name]) => !HOSTS.includes(name));
  return found.length === Object.keys(words).length && found.every(([name, value]) => words[name] === value);
}

function changed(words, instead) {
  const url = new URL(location.href);
  for (const name of Object.keys(instead)) url.searchParams.delete(name);
  for (const [name, value] of Object.entries(words)) url.searchParams.set(name, value);
  return url.href;
}
