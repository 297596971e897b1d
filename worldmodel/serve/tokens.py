"""Session tokens: a random name and an expiry, signed with a key of this process."""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from worldmodel.errors import UserError


class TokenError(UserError):
    """The token is forged, damaged or expired."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """A verified token. `session` is its name; `expires` is in Unix seconds."""

    session: str
    expires: float


class Mint:
    """Mints and checks tokens `session.expires.signature` (HMAC-SHA256, RFC 2104).

    The key is random and lives as long as the process: after a restart every page
    fetches a new token.
    """

    def __init__(self, lifetime: float, clock: Callable[[], float] = time.time) -> None:
        self._key = secrets.token_bytes(32)
        self._lifetime = lifetime
        self._clock = clock

    def mint(self) -> str:
        """A fresh token for one session."""
        body = f"{secrets.token_hex(12)}.{int(self._clock() + self._lifetime)}"
        return f"{body}.{self._sign(body)}"

    def check(self, text: str, allow_expired: bool = False) -> Token:
        """The token, or TokenError. A session that still lives may use an expired one."""
        session, _, rest = text.partition(".")
        expires, _, signature = rest.partition(".")
        if not hmac.compare_digest(_bytes(signature), _bytes(self._sign(f"{session}.{expires}"))):
            raise TokenError("This page's pass is not from this server; reload the page.")
        token = Token(session=session, expires=float(expires))
        if token.expires <= self._clock() and not allow_expired:
            raise TokenError("This page's pass has expired; reload the page.")
        return token

    def _sign(self, body: str) -> str:
        digest = hmac.new(self._key, _bytes(body), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
