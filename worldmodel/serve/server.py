"""The routes that the page talks to: the socket, a picture in, recordings out."""

import asyncio
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from worldmodel.serve.connection import Connection, Gone
from worldmodel.serve.limits import Limits
from worldmodel.serve.lobby import Lobby
from worldmodel.serve.loop import EngineLoop
from worldmodel.serve.pictures import PictureError, decode_picture
from worldmodel.serve.protocol import (
    CLOSE_NONSENSE,
    CLOSE_ORIGIN,
    CLOSE_TOKEN,
    CLOSE_VERSION,
    VERSION,
    ProtocolError,
)
from worldmodel.serve.session import Services, Session
from worldmodel.serve.tokens import Mint, TokenError
from worldmodel.serve.worlds import Library

PAGE = Path(__file__).with_name("page")
PREFIX = "/play"
MEDIA = {"mp4": "video/mp4", "zip": "application/zip"}


class PlayServer:
    """All sessions of one process, and the routes to them.

    `origins` are pages allowed besides the server's own (`https://example.org`).
    """

    def __init__(self, library: Library, limits: Limits, origins: tuple[str, ...] = ()) -> None:
        self.mint = Mint(limits.token_seconds)
        self.sessions: dict[str, Session] = {}
        self._limits = limits
        self._origins = origins
        self._folder = tempfile.TemporaryDirectory(prefix="worldmodel-")
        self.services = Services(
            limits=limits,
            lobby=Lobby(limits.players, limits.waiting),
            library=library,
            loop=EngineLoop(library.backend.step_together),
            worker=ThreadPoolExecutor(1, thread_name_prefix="recordings"),
            folder=Path(self._folder.name),
        )

    @property
    def routes(self) -> list[BaseRoute]:
        """For `launch(app_kwargs={"routes": ...})`, or any Starlette application."""
        return [
            WebSocketRoute(f"{PREFIX}/socket", self.socket),
            Route(f"{PREFIX}/picture", self.picture, methods=["POST"]),
            Route(f"{PREFIX}/recording/{{name}}.{{kind}}", self.recording),
            Mount(f"{PREFIX}/page", _Modules(directory=PAGE)),
        ]

    def close(self) -> None:
        """Stop the threads and delete what was recorded."""
        self.services.library.close()
        self.services.loop.close()
        self.services.worker.shutdown(wait=True, cancel_futures=True)
        self._folder.cleanup()

    # ---- the socket

    async def socket(self, socket: WebSocket) -> None:
        """One player's WebSocket from hello to its end."""
        connection = Connection(socket, self._limits)
        await connection.open()
        try:
            self._check_origin(socket)
            session = await self._hello(connection)
            await session.serve(connection)
        except ProtocolError as error:
            await connection.close(error.code, str(error))
        except Gone:
            connection.drop()

    def _check_origin(self, socket: WebSocket) -> None:
        origin = socket.headers.get("origin")
        if origin is None or origin in self._origins:  # only browsers send one, and they always do
            return
        if urlsplit(origin).netloc != socket.headers.get("host"):
            raise ProtocolError(
                f"A page of {origin[:80]} may not play here; open the server's own page.",
                CLOSE_ORIGIN,
            )

    async def _hello(self, connection: Connection) -> Session:
        hello = await connection.receive(self._limits.hello_seconds)
        if hello["t"] != "hello":
            raise ProtocolError("The first message must be hello.", CLOSE_NONSENSE)
        if hello["v"] != VERSION:
            raise ProtocolError(
                f"This page speaks version {hello['v']} and the server version {VERSION}; "
                "reload the page.",
                CLOSE_VERSION,
            )
        try:
            name = self.mint.check(hello["token"], allow_expired=True).session
            if name not in self.sessions:
                self.mint.check(hello["token"])
        except TokenError as error:
            raise ProtocolError(str(error), CLOSE_TOKEN) from None
        if name not in self.sessions:
            self.sessions[name] = Session(self.services, lambda: self.sessions.pop(name, None))
        return self.sessions[name]

    # ---- files

    def _session(self, request: Request) -> Session | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            name = self.mint.check(token if scheme == "Bearer" else "", allow_expired=True).session
        except TokenError:
            return None
        return self.sessions.get(name)

    async def picture(self, request: Request) -> Response:
        """A player's own picture: the body is the file; it becomes the scene he is in."""
        session = self._session(request)
        if session is None or session.play is None:
            return _sentence(401, "Only someone who is playing can send a picture.")
        try:
            data = await self._body(request)
            frame = await asyncio.to_thread(decode_picture, data, self._limits.picture_pixels)
        except PictureError as error:
            return _sentence(422, str(error))
        except ClientDisconnect:
            return Response(status_code=400)
        session.command({"t": "own-picture", "frame": frame})
        return JSONResponse({"ok": True})

    async def _body(self, request: Request) -> bytes:
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > self._limits.picture_bytes:
                most = self._limits.picture_bytes / (1 << 20)
                raise PictureError(f"The picture's file is larger than {most:.0f} MB; shrink it.")
        return bytes(data)

    async def recording(self, request: Request) -> Response:
        """A finished recording: `.mp4` to show, `.zip` the episode in the training format."""
        session = self._session(request)
        if session is None:
            return _sentence(401, "Only the player who recorded this can fetch it.")
        name, kind = request.path_params["name"], request.path_params["kind"]
        path = session.shelf.find(name, kind)
        if path is None or not path.is_file():
            return _sentence(404, "There is no such recording (any more).")
        return FileResponse(path, media_type=MEDIA[kind], filename=path.name)


class _Modules(StaticFiles):
    """The page's scripts, always asked for anew so that an update is never half seen."""

    def file_response(self, *args, **kwargs) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "no-cache"
        return response


def _sentence(status: int, text: str) -> Response:
    return JSONResponse({"say": text}, status_code=status)
