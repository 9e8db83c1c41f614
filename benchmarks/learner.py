"""One learner without a browser: opens a page, presses Train and follows the run, in Streamlit's own messages over a websocket.

Says what a browser would say and keeps time: from asking until the server has said that the page is finished.
"""

import asyncio
import re
import time
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import AsyncIterator
from concurrent.futures import Executor

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect

PATIENCE = 60  # seconds after which a page that is not finished is a fault
MOMENT = re.compile(r"\*\*Latent map\*\*.* after ([\d.]+) epochs")
STATUS = re.compile(r"\*\*(Queued|Waiting for its turn|Running|Paused|Stopped|Done|Failed)\*\* · ")
ENDED = ("Stopped", "Done", "Failed")


class Fault(Exception):
    """What a learner would have seen go wrong."""


class Learner:
    """See the module. Times are in seconds by time.monotonic()."""

    def __init__(self, url: str, threads: Executor):
        self.took: dict[str, list[float]] = defaultdict(list)  # "open", "press", "follow" -> seconds each
        self.first_map: float | None = None  # seconds from pressing until a map of something learned
        self.formed: float | None = None  # and until the training was done
        self._url, self._threads = url, threads
        self._address = urllib.parse.urlsplit(url)
        self._buttons: dict[str, str] = {}  # key -> the id that Streamlit gave it
        self._clock: dict[str, float] = {}  # fragment -> seconds between its runs
        self._cached: set[str] = set()
        self._status, self._moment = "", 0.0

    async def visit(self, page: str) -> None:
        """Open a page, and leave."""
        async for _ in self._opened(page):
            pass

    async def train(self, seconds: float, stay: asyncio.Event) -> None:
        """Open Train, press the button, follow the run to its end for at most so many seconds, stay until the class is over.

        Raises Fault.
        """
        async for socket in self._opened("/train"):
            if "train_start" not in self._buttons:
                raise Fault("Train has no button that trains.")
            pressed = time.monotonic()
            await self._run(socket, "press", press=self._buttons["train_start"])
            while self.formed is None:
                if time.monotonic() - pressed > seconds:
                    raise Fault(f"Not trained after {seconds:.0f} s: {self._status or 'nothing was said'}.")
                for fragment, interval in list(self._clock.items()) or [("", 1.0)]:
                    await asyncio.sleep(interval)
                    await self._run(socket, "follow", fragment=fragment)
                if self._moment > 0 and self.first_map is None:
                    self.first_map = time.monotonic() - pressed
                if self._status == "Failed":
                    raise Fault("The training failed.")
                if self._status in ENDED:
                    self.formed = time.monotonic() - pressed
            await stay.wait()

    async def _opened(self, page: str) -> AsyncIterator[ClientConnection]:
        asked = time.monotonic()
        cookie = await asyncio.get_running_loop().run_in_executor(self._threads, self._fetch, page)
        socket = f"ws://{self._address.netloc}/_stcore/stream"
        headers = {"Cookie": cookie}
        async with connect(socket, additional_headers=headers, subprotocols=["streamlit"], max_size=None) as connection:
            self._page = page
            await self._run(connection, "open", since=asked)
            yield connection

    def _fetch(self, page: str) -> str:
        """Get the page itself; the cookies that came with it."""
        with urllib.request.urlopen(self._url + page, timeout=PATIENCE) as answer:
            return "; ".join(cookie.partition(";")[0] for cookie in answer.headers.get_all("Set-Cookie") or [])

    async def _run(self, socket, what: str, press: str = "", fragment: str = "", since: float | None = None) -> None:
        """Ask for a run of the page, or of a fragment of it, and take what it says until it is finished."""
        began = time.monotonic() if since is None else since
        state = ClientState(page_name=self._page.strip("/"), fragment_id=fragment, is_auto_rerun=bool(fragment))
        state.cached_message_hashes.extend(self._cached)
        if press:
            state.widget_states.widgets.append(WidgetState(id=press, trigger_value=True))
        await socket.send(BackMsg(rerun_script=state).SerializeToString())
        try:
            async with asyncio.timeout(PATIENCE):
                while not self._take(ForwardMsg.FromString(await socket.recv())):
                    pass
        except TimeoutError:
            raise Fault(f"{self._page} was not finished after {PATIENCE} s.") from None
        self.took[what].append(time.monotonic() - began)

    def _take(self, message: ForwardMsg) -> bool:
        """Read one message; whether it says that the page is finished."""
        kind = message.WhichOneof("type")
        if message.metadata.cacheable:
            self._cached.add(message.hash)
        if kind == "new_session" and not message.metadata.run.fragment_ids:
            self._clock.clear()  # the whole page is drawn anew
        elif kind == "auto_rerun":
            self._clock[message.auto_rerun.fragment_id] = message.auto_rerun.interval
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self._clock.pop(fragment, None)
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._see(message.delta.new_element)
        elif kind == "script_finished":
            if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                raise Fault(f"{self._page} does not run.")
            return message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN
        return False

    def _see(self, element) -> None:
        kind = element.WhichOneof("type")
        if kind == "exception":
            raise Fault(f"{self._page} shows an error: {element.exception.type}: {element.exception.message}")
        if kind == "button":
            self._buttons[element.button.id.rpartition("-")[2]] = element.button.id
        elif kind == "markdown":
            if found := STATUS.match(element.markdown.body):
                self._status = found[1]
            if found := MOMENT.match(element.markdown.body):
                self._moment = float(found[1])
