"""The app: what pages share and their rooms (ui), what runs beside them (work), and the way in (server)."""
