"""What one player may use: places, times, sizes and rates."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Every cap of the server in one place. Times in seconds, sizes in bytes."""

    players: int = 2
    waiting: int = 32
    token_seconds: float = 3600.0
    hello_seconds: float = 10.0
    silent_seconds: float = 30.0  # the page pings every two seconds
    grace_seconds: float = 20.0  # a dropped player's world waits this long
    idle_seconds: float = 900.0
    total_seconds: float = 4 * 3600.0
    message_bytes: int = 2048
    messages_per_second: float = 240.0
    picture_bytes: int = 8 << 20
    picture_pixels: int = 40_000_000
    recording_seconds: float = 600.0
    recordings_kept: int = 3
    rewind_snapshots: int = 6
    rewind_seconds: float = 2.0  # between two snapshots
