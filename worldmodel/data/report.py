"""What a collection holds, in figures: how often each button is down, and how much moves."""

import numpy as np

from worldmodel.data.clips import FrameStore, labelled


def button_shares(store: FrameStore) -> dict[str, float]:
    """Return the share of frames (0 to 1) with each button down, and with none ("none"), of those
    whose actions are known."""
    buttons = np.asarray(store.controls[:, : len(store.space.buttons)])
    known = ~np.isnan(buttons).any(1)
    buttons = buttons[known] > 0.5
    if not len(buttons):
        return dict.fromkeys((*store.space.buttons, "none"), 0.0)
    shares = dict(zip(store.space.buttons, buttons.mean(0).tolist(), strict=True))
    return {**shares, "none": float((~buttons.any(1)).mean())}


def describe(store: FrameStore) -> str:
    """Return a line for the terminal: frames, players, buttons, still frames."""
    players = sorted({span.player for span in store.episodes})
    frames = {p: sum(s.stop - s.start for s in store.episodes if s.player == p) for p in players}
    by_player = ", ".join(f"{name} {count / len(store):.0%}" for name, count in frames.items())
    by_button = ", ".join(f"{name} {share:.1%}" for name, share in button_shares(store).items())
    rows = sum(span.stop - span.start for span in labelled(store.episodes))
    unknown = f"; actions unknown: {1 - rows / len(store):.0%}" if rows < len(store) else ""
    still = float((np.asarray(store.motion) < 0.5).mean())
    return (
        f"{store.folder}: {len(store):,} frames in {len(store.episodes)} episodes "
        f"({by_player}); buttons down: {by_button}; unchanged frames: {still:.1%}{unknown}"
    )
