"""Latentscape: train a small autoencoder in a browser tab, then walk through the space it learned."""

if __name__ == "__main__":  # one run of one visitor's page: Streamlit executes this file for each
    from latentscape.ui.running import jobs
    from latentscape.ui.shell import frame

    page = frame()
    page.run()
    jobs().warm_up()  # after the first page is on its way
else:  # the server, as `streamlit run` or any ASGI server imports it
    from pathlib import Path

    import streamlit as st
    from starlette.middleware import Middleware

    from latentscape.server.front_door import routes, warm
    from latentscape.server.streamlit_private import settings_of
    from latentscape.ui.visitor import Cookies

    settings_of(Path(__file__))  # before anything asks for one
    app = st.App(__file__, routes=routes(), lifespan=warm, middleware=[Middleware(Cookies)])
