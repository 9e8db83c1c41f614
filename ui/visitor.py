"""Who a page is drawn for: a secret that the visitor's browser keeps in a cookie, and no address ever shows.

Pictures and models belong to it. It is new with every start of a browser, and the same in all of its tabs. Where the browser
takes no cookie, or a page is drawn without one (in a frame of another site), the open tab is the visitor.
"""

import re
import secrets

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui import streamlit_private

COOKIE = "latentscape_visitor"
SECRET = re.compile(r"[\w-]{32,64}", re.ASCII)


def visitor() -> str:
    """The secret of whoever this page is drawn for."""
    given = st.context.cookies.to_dict().get(COOKIE, "")
    return given if SECRET.fullmatch(given) else st.session_state.setdefault("visitor", secrets.token_urlsafe(32))


def session() -> str:
    """Streamlit's name of the connection that this page is drawn for: another one after a reload. Empty where none is drawn."""
    return streamlit_private.session()


class VisitorCookie:
    """ASGI middleware: a browser that comes without a secret gets one with the first page.

    No script can read it, no other site can send it along with a request of its own, and it goes when the browser is closed.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _has_one(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_page(message):
                forwarded = Headers(scope=scope).get("x-forwarded-proto", scope["scheme"])
                only = "; Secure" if forwarded.split(",")[0].strip() == "https" else ""
                MutableHeaders(scope=message).append(
                    "Set-Cookie", f"{COOKIE}={secrets.token_urlsafe(32)}; Path=/; HttpOnly; SameSite=Lax{only}"
                )
            await send(message)

        await self.app(scope, receive, answer)


def _has_one(headers: Headers) -> bool:
    return bool(SECRET.fullmatch(cookie_parser(headers.get("cookie", "")).get(COOKIE, "")))


def _is_page(message: Message) -> bool:
    """A page, or the word that the browser still has it."""
    return message["status"] == 304 or Headers(raw=message["headers"]).get("content-type", "").startswith("text/html")
