// Key caps: what to press, what is pressed, and what the model was told; also the touch controls.
const NAMES = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", Space: "space", ShiftLeft: "shift", ControlLeft: "ctrl", Enter: "enter" };
const GLYPHS = { forward: "▲", backward: "▼", strafe_left: "◀", strafe_right: "▶", turn_left: "↺", turn_right: "↻", up: "▲", down: "▼", left: "◀", right: "▶", attack: "✦", jump: "⤒", use: "✋" };
const WALK = { strafe_left: "2 / 1", left: "2 / 1", forward: "1 / 2", up: "1 / 2", backward: "2 / 2", down: "2 / 2", strafe_right: "2 / 3", right: "2 / 3" };
const TURN = { turn_left: "1 / 1", turn_right: "1 / 2" };

export const keyName = (code) => NAMES[code] ?? code.replace(/^(Key|Digit)/, "");

export class Caps {
  constructor(pads) {
    this.pads = pads;
    this.controls = { buttons: [], keymap: {} };
  }

  // Lay the caps out for a world's controls {buttons, keymap, ...}.
  build(controls) {
    this.controls = controls;
    this.keys = {};
    for (const [code, button] of Object.entries(controls.keymap)) (this.keys[button] ??= []).push(code);
    this.others = controls.buttons.filter((button) => !WALK[button] && !TURN[button] && this.keys[button]);
    this.pads.replaceChildren(
      this.#cluster("walk", Object.entries(WALK)),
      this.#cluster("others", this.others.map((button, i) => [button, "1 / " + (i + 1)])),
      this.#cluster("turn", Object.entries(TURN)),
    );
    for (const empty of this.pads.querySelectorAll(".cluster:empty")) empty.remove();
  }

  has(code) {
    return code in this.controls.keymap;
  }

  codeOf(button) {
    return this.keys?.[button]?.[0];
  }

  hold(codes) {
    const buttons = new Set(codes.map((code) => this.controls.keymap[code]));
    for (const cap of this.pads.querySelectorAll(".cap")) cap.classList.toggle("down", buttons.has(cap.dataset.button));
  }

  // `bits`: bit i is set when the model was told of button i.
  told(bits) {
    if (bits === this.bits) return;
    this.bits = bits;
    for (const cap of this.pads.querySelectorAll(".cap")) {
      cap.classList.toggle("told", Boolean((bits >> this.controls.buttons.indexOf(cap.dataset.button)) & 1));
    }
  }

  // One line of help: "W S walk · ..." from the world's own key map.
  help() {
    const line = [];
    for (const [button, codes] of Object.entries(this.keys)) {
      line.push(codes.map((code) => "<kbd>" + keyName(code) + "</kbd>").join(" ") + " " + button.replaceAll("_", " "));
    }
    return line.join(" &nbsp;·&nbsp; ");
  }

  #cluster(name, places) {
    const cluster = document.createElement("div");
    cluster.className = "cluster " + name;
    for (const [button, place] of places) if (this.keys[button]) cluster.append(this.#cap(button, place));
    return cluster;
  }

  #cap(button, place) {
    const [main, second] = this.keys[button];
    const cap = document.createElement("div");
    cap.className = "cap";
    cap.dataset.code = main;
    cap.dataset.button = button;
    cap.title = button.replaceAll("_", " ");
    cap.style.gridArea = place;
    cap.innerHTML = "<span class='key'></span><small></small><span class='glyph'></span>";
    cap.querySelector(".key").textContent = keyName(main);
    cap.querySelector("small").textContent = second ? keyName(second) : "";
    cap.querySelector(".glyph").textContent = GLYPHS[button] ?? button.slice(0, 5);
    return cap;
  }
}
