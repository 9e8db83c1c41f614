"""Whether others can reach this server: then nothing of a visitor's is written to its disk, where all would find it."""

import ipaddress
import os

import psutil
import streamlit as st

from latentscape.once import once

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")  # headers of a proxy that stands in front


def shared_server() -> bool:
    """LATENTSCAPE_SHARED=1 says yes and LATENTSCAPE_SHARED=0 no. Else only a server is one person's that listens on loopback
    addresses alone, and that this page was asked for without a proxy, by a loopback name."""
    told = os.environ.get("LATENTSCAPE_SHARED", "")
    if told in ("0", "1"):
        return told == "1"
    return not (_listens_on_loopback_only() and _asked_on_loopback())


@once  # a server does not move
def _listens_on_loopback_only() -> bool:
    try:
        found = psutil.Process().net_connections("tcp")
    except (psutil.Error, OSError):  # nobody knows: the safe thing
        return False
    listening = [connection.laddr.ip for connection in found if connection.status == psutil.CONN_LISTEN]
    return bool(listening) and all(map(_is_loopback, listening))


def _asked_on_loopback() -> bool:
    headers = st.context.headers
    if any(name in headers for name in FORWARDED):
        return False
    host = headers.get("Host", "").rpartition(":")[0] or headers.get("Host", "")
    return host == "localhost" or host.endswith(".localhost") or _is_loopback(host.strip("[]"))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
