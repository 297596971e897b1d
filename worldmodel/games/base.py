"""What a world is to everybody else: the controls it takes and the Game interface."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, Self

import numpy as np

from worldmodel.errors import UserError


@dataclass(frozen=True, kw_only=True)
class ControlSpace:
    """The buttons and axes of a world, and the keyboard keys that press them.

    A control is a float32 vector [k]: one entry of 0 or 1 for each button, then one for each axis
    in the game's own units. `keymap` goes from W3C `KeyboardEvent.code` names to button names;
    `opposites` are pairs of buttons that are never down together.
    """

    buttons: tuple[str, ...]
    axes: tuple[str, ...] = ()
    keymap: Mapping[str, str] = field(default_factory=dict)
    opposites: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        named = {*self.keymap.values(), *(b for pair in self.opposites for b in pair)}
        unknown = named - set(self.buttons)
        if unknown:
            raise UserError(
                f"The controls name the buttons {sorted(unknown)}, but this world has only "
                f"{list(self.buttons)}; correct the key map or the opposites."
            )

    @property
    def size(self) -> int:
        """Length k of a control vector."""
        return len(self.buttons) + len(self.axes)

    def vector(
        self, buttons: Iterable[str] = (), axes: Mapping[str, float] | None = None
    ) -> np.ndarray:
        """Return the control, float32 [k], with these buttons down; raise UserError for a name
        that this world lacks."""
        control = np.zeros(self.size, np.float32)
        for name in buttons:
            control[self._index(self.buttons, name)] = 1.0
        for name, value in (axes or {}).items():
            control[len(self.buttons) + self._index(self.axes, name)] = value
        return control

    def from_keys(self, codes: Iterable[str]) -> np.ndarray:
        """Return the control, float32 [k], of held keys given in the order they were pressed.

        Of opposite buttons the last pressed wins; keys without a button are ignored.
        """
        held: dict[str, None] = {}
        for code in codes:
            button = self.keymap.get(code)
            if button is not None:
                for opposite in self._opposites_of(button):
                    held.pop(opposite, None)
                held[button] = None
        return self.vector(held)

    def pressed(self, control: np.ndarray) -> tuple[str, ...]:
        """Return the names of the buttons that are down in a control [k]."""
        values = control[: len(self.buttons)]
        return tuple(name for name, value in zip(self.buttons, values, strict=True) if value > 0.5)

    def keys_for(self, control: np.ndarray) -> tuple[str, ...]:
        """Return the first key of each button that is down in a control [k]."""
        first = {button: code for code, button in reversed(self.keymap.items())}
        return tuple(first[button] for button in self.pressed(control) if button in first)

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and dictionaries."""
        return {**asdict(self), "keymap": dict(self.keymap)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Rebuild what `to_json` returned; raise UserError when a part is missing."""
        try:
            return cls(
                buttons=tuple(record["buttons"]),
                axes=tuple(record["axes"]),
                keymap=dict(record["keymap"]),
                opposites=tuple((a, b) for a, b in record["opposites"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(
                f"A control space needs buttons, axes, keymap and opposites, but this one is "
                f"damaged ({error!r}); restore the file that it was read from."
            ) from error

    def _opposites_of(self, button: str) -> tuple[str, ...]:
        return tuple(b if a == button else a for a, b in self.opposites if button in (a, b))

    @staticmethod
    def _index(names: tuple[str, ...], name: str) -> int:
        if name not in names:
            raise UserError(f"There is no control {name!r} in this world; it has {list(names)}.")
        return names.index(name)


class Game(Protocol):
    """A world, real or dreamed, that turns controls into frames.

    `size` is (height, width) in pixels. The same seed followed by the same controls gives the
    same frames, whatever was played before.
    """

    name: str
    controls: ControlSpace
    fps: float
    size: tuple[int, int]
    licence: str
    done: bool

    def reset(self, seed: int) -> np.ndarray:
        """Begin an episode and return its first frame, uint8 [h w 3]."""
        ...

    def step(self, controls: np.ndarray) -> np.ndarray:
        """Apply a control, float32 [k], and return the frame it produced, uint8 [h w 3].

        When the episode ends in this step, `done` becomes true and the last frame is returned
        again; only `reset` may follow.
        """
        ...

    def close(self) -> None:
        """Free the game's process and memory; calling it twice is harmless."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...
