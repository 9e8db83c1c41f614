// Writes in the browser's address what the page says, and adds an entry to the history for a change that the visitor meant
// (history.js keeps Streamlit from both). Its face is a button that copies the address.
//
// data: { page, asked, change, before, after }: the page's name, the words that it was asked for with, the name of its latest
// change that is worth an entry (empty for none), the words before that, and the words now.

let latest = null;
let done = "";

export default function render({ data, parentElement }) {
  latest = data;
  if (!parentElement.querySelector("button")) parentElement.append(copyButton());
  if (history.addEntry) say(data); // else the first page is Streamlit's own, and so is the address
}

function say(data) {
  if (data !== latest) return;
  // Streamlit goes to the page's address only after it has drawn the page's first part.
  if (location.pathname.split("/").at(-1) !== data.page) return void setTimeout(say, 30, data);
  if (history.asked === location.href) {
    if (!shows(data.asked)) return; // an answer to an older press: the one to Back is on its way
    history.asked = null;
  }
  const { change, before, after } = data;
  if (change && change !== done) {
    done = change;
    if (!shows(before)) history.changeEntry({}, "", withWords(before));
    history.addEntry({}, "", withWords(after));
  } else if (!shows(after)) {
    history.changeEntry({}, "", withWords(after));
  }
}

const HOSTS = ["embed", "embed_options"]; // words that Streamlit keeps to itself

function shows(words) {
  const found = [...new URLSearchParams(location.search)].filter(([name]) => !HOSTS.includes(name));
  return found.length === Object.keys(words).length && found.every(([name, value]) => words[name] === value);
}

function withWords(words) {
  const url = new URL(location.href);
  for (const name of [...url.searchParams.keys()]) if (!HOSTS.includes(name)) url.searchParams.delete(name);
  for (const [name, value] of Object.entries(words)) url.searchParams.set(name, value);
  return url.href;
}

const SAID = 2000; // ms for which it says that it has copied

function copyButton() {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy-link";
  button.title = "A link that opens this page as it is now";
  button.textContent = "Copy link";
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    const copied = await copy(location.href);
    button.textContent = copied ? "Copied" : "Copy it from above";
    setTimeout(() => (button.textContent = "Copy link"), SAID);
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text); // only where the page came by https or from this machine
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    return copied;
  }
}
