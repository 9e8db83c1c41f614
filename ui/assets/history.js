// In the first page of the server, before Streamlit's loader. Streamlit adds an entry to the browser's history for every change
// of st.query_params, a drag included. Here a page that stays the same page changes its present entry; which changes deserve one
// of their own is known to ui/address.py, and address.js adds those.
history.addEntry = history.pushState;
history.pushState = function (state, unused, url) {
  const stays = new URL(url ?? "", location.href).pathname === location.pathname;
  return stays ? this.replaceState(state, unused, url) : this.addEntry(state, unused, url);
};
