"""Who a page is drawn for: a secret that the visitor's browser keeps in a cookie, and no address ever shows.

Pictures and models belong to it. It is new with every start of a browser, and the same in all of its tabs. Where the browser
takes no cookie, or a page is drawn without one (in a frame of another site), the open tab is the visitor.

A second cookie names the server's start that the open page came from, so that a page which outlives its server can be told.
"""

import re
import secrets

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from latentscape.server import streamlit_private

COOKIE, START_COOKIE = "latentscape_visitor", "latentscape_start"
SECRET = re.compile(r"[\w-]{32,64}", re.ASCII)
START = secrets.token_urlsafe(8)  # of this server: another one each time that it is started


def visitor() -> str:
    """The secret of whoever this page is drawn for."""
    given = st.context.cookies.to_dict().get(COOKIE, "")
    return given if SECRET.fullmatch(given) else st.session_state.setdefault("visitor", secrets.token_urlsafe(32))


def session() -> str:
    """Streamlit's name of the connection that this page is drawn for: another one after a reload. Empty where none is drawn."""
    return streamlit_private.session()


def has_outlived_a_server() -> bool:
    """Whether the open page came from a former start of this server, and is here again without having been loaded anew."""
    return st.context.cookies.to_dict().get(START_COOKIE, START) != START


class Cookies:
    """ASGI middleware: a browser that comes without a secret gets one with the first page, and with each the server's start.

    No script can read them, no other site can send them along with a request of its own, and they go when the browser is
    closed.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        given = cookie_parser(asked.get("cookie", ""))
        lacking = {} if SECRET.fullmatch(given.get(COOKIE, "")) else {COOKIE: secrets.token_urlsafe(32)}
        lacking |= {} if given.get(START_COOKIE) == START else {START_COOKIE: START}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_page(message, asked):
                forwarded = asked.get("x-forwarded-proto", scope["scheme"])
                only = "; Secure" if forwarded.split(",")[0].strip() == "https" else ""
                for name, value in lacking.items():
                    MutableHeaders(scope=message).append(
                        "Set-Cookie", f"{name}={value}; Path=/; HttpOnly; SameSite=Lax{only}"
                    )
            await send(message)

        await self.app(scope, receive, answer)


def _is_page(message: Message, asked: Headers) -> bool:
    """A page, or the word that the browser still has it."""
    if message["status"] == 304:
        return "text/html" in asked.get("accept", "")
    return Headers(raw=message["headers"]).get("content-type", "").startswith("text/html")
