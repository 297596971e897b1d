// What is held down: keyboard, touch and gamepad together, in the order pressed.
const MOST = 16;

// `changed(codes, time, pressed)` gets the whole held set at every change of it.
export class Held {
  constructor(changed) {
    this.changed = changed;
    this.sources = new Map(); // code -> set of sources; a Map keeps the order of insertion
  }

  get codes() {
    return [...this.sources.keys()].slice(0, MOST);
  }

  press(code, source, time) {
    const held = this.sources.get(code);
    if (held) return void held.add(source);
    this.sources.set(code, new Set([source]));
    this.changed(this.codes, time, true);
  }

  release(code, source, time) {
    const held = this.sources.get(code);
    if (!held?.delete(source) || held.size) return;
    this.sources.delete(code);
    this.changed(this.codes, time, false);
  }

  releaseSource(source, time) {
    for (const code of [...this.sources.keys()]) this.release(code, source, time);
  }

  releaseAll() {
    if (!this.sources.size) return;
    this.sources.clear();
    this.changed([], performance.now(), false);
  }
}

// Physical keys. `has(code)` says whether the world knows a key; `shortcut(code)` tries a command.
export function listenToKeys(held, has, shortcut) {
  const typing = (event) => /^(INPUT|TEXTAREA|SELECT)$/.test(event.target?.tagName ?? "");
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return held.releaseAll();
    if (typing(event)) return;
    if (has(event.code)) {
      event.preventDefault();
      if (!event.repeat) held.press(event.code, "keyboard", event.timeStamp);
    } else if (!event.repeat && shortcut(event.code)) {
      event.preventDefault();
    }
  });
  addEventListener("keyup", (event) => held.release(event.code, "keyboard", event.timeStamp));
  addEventListener("blur", () => held.releaseAll());
  document.addEventListener("visibilitychange", () => document.hidden && held.releaseAll());
}

// Fingers (and the mouse) on the caps inside `pads`; sliding from cap to cap works.
export function listenToPads(held, pads) {
  const at = (event) => document.elementFromPoint(event.clientX, event.clientY)?.closest?.(".cap")?.dataset.code;
  const under = new Map(); // pointer -> code
  const move = (event, code) => {
    const source = "pointer" + event.pointerId, before = under.get(event.pointerId);
    if (code === before) return;
    if (before) held.release(before, source, event.timeStamp);
    under.set(event.pointerId, code);
    if (code) held.press(code, source, event.timeStamp);
  };
  const up = (event) => {
    if (!under.has(event.pointerId)) return;
    move(event, undefined);
    under.delete(event.pointerId);
  };
  pads.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    if (event.target.hasPointerCapture?.(event.pointerId)) event.target.releasePointerCapture(event.pointerId);
    move(event, at(event));
  });
  addEventListener("pointermove", (event) => under.has(event.pointerId) && move(event, at(event)));
  addEventListener("pointerup", up);
  addEventListener("pointercancel", up);
  pads.addEventListener("contextmenu", (event) => event.preventDefault());
}

// A gamepad: left stick or cross to walk, right stick to turn, buttons for the rest.
export function pollGamepad(held, codeOf, others) {
  const pad = navigator.getGamepads?.().find?.((p) => p?.connected);
  if (!pad) return;
  const pushed = (i) => pad.buttons[i]?.pressed;
  const [x = 0, y = 0, look = 0] = pad.axes;
  const wanted = {
    forward: y < -0.4 || pushed(12), backward: y > 0.4 || pushed(13),
    strafe_left: x < -0.4 || pushed(14), strafe_right: x > 0.4 || pushed(15),
    turn_left: look < -0.3 || pushed(4), turn_right: look > 0.3 || pushed(5),
  };
  others.forEach((button, i) => (wanted[button] = pushed(i)));
  for (const [button, on] of Object.entries(wanted)) {
    const code = codeOf(button);
    if (code) held[on ? "press" : "release"](code, "gamepad", performance.now());
  }
}
