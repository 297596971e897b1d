// The page: wires keys, screen, panel and link together. Called once by gr.HTML.
import { Caps } from "./caps.js";
import { listenForPictures, saveRecording, sendPicture } from "./files.js";
import { Held, listenToKeys, listenToPads, pollGamepad } from "./held.js";
import { Link, Tokens } from "./link.js";
import { Meter } from "./meter.js";
import { Panel } from "./panel.js";
import { Screen } from "./screen.js";
import { toaster, Veil } from "./veil.js";
import { FIRST } from "./wire.js";

const SHORTCUTS = { KeyP: "pause", Period: "step", Backspace: "rewind", KeyR: "reset", KeyF: "fullscreen" };
const HUD_EVERY = 250;

export function start(element, props, server, watch) {
  const page = new Page(element.querySelector(".wm-app"), new Tokens(props, watch, server));
  window.worldmodel = page; // for the console and the tests
  page.link.connect();
}

class Page {
  constructor(app, tokens) {
    this.app = app;
    this.tokens = tokens;
    this.seq = 0;
    this.drawn = 0;
    this.last = null; // the header of the frame on the screen
    this.limits = { picture_bytes: Infinity };
    this.veil = new Veil(app);
    this.toast = toaster(app.querySelector(".toast"));
    this.meter = new Meter();
    this.caps = new Caps(app.querySelector(".pads"));
    this.held = new Held((codes, time, pressed) => this.#inputs(codes, time, pressed));
    this.link = new Link(tokens, {
      message: (message) => this.#message(message),
      frame: (buffer) => this.screen.take(buffer),
      dropped: (seconds) => this.#dropped(seconds),
      ended: (sentence, offer) => this.#ended(sentence, offer),
    });
    this.screen = new Screen(
      app.querySelector("canvas"),
      (frame, now) => this.#drew(frame, now),
      (serial) => this.link.send({ t: "ack", f: serial }),
    );
    this.panel = new Panel(app, (message) => this.link.send(message), (...what) => this.#save(...what));
    this.#listen();
  }

  get phase() {
    return this.app.dataset.phase;
  }

  #listen() {
    listenToKeys(this.held, (code) => this.caps.has(code), (code) => this.#shortcut(code));
    listenToPads(this.held, this.app.querySelector(".pads"));
    listenForPictures(this.app, (file) => this.#picture(file));
    for (const button of this.app.querySelectorAll("[data-do]")) {
      button.addEventListener("click", () => {
        this.act(button.dataset.do);
        button.blur();
      });
    }
    addEventListener("pagehide", () => this.link.leave());
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    this.#mouse(this.app.querySelector("canvas"));
    setInterval(() => this.#hud(), HUD_EVERY);
    this.scaling(localStorage.getItem("worldmodel-scaling") ?? "crisp");
    const poll = () => {
      if (this.phase === "playing") pollGamepad(this.held, (b) => this.caps.codeOf(b), this.caps.others);
      requestAnimationFrame(poll);
    };
    addEventListener("gamepadconnected", () => requestAnimationFrame(poll), { once: true });
  }

  // Worlds with a look axis follow the mouse after a click on the picture, once per picture.
  #mouse(canvas) {
    let dx = 0, dy = 0, asked = false;
    const flush = () => {
      asked = false;
      this.link.send({ t: "mouse", dx, dy });
      dx = dy = 0;
    };
    canvas.addEventListener("click", () => this.caps.controls.axes?.length && canvas.requestPointerLock?.());
    document.addEventListener("mousemove", (event) => {
      if (document.pointerLockElement !== canvas) return;
      dx += event.movementX;
      dy += event.movementY;
      if (!asked) requestAnimationFrame(flush);
      asked = true;
    });
  }

  #shortcut(code) {
    if (SHORTCUTS[code]) this.act(SHORTCUTS[code]);
    return code in SHORTCUTS;
  }

  act(name) {
    const { link, app } = this;
    const actions = {
      pause: () => link.send({ t: "pause", on: this.phase !== "paused" }),
      step: () => link.send({ t: "step" }),
      rewind: () => link.send({ t: "rewind" }),
      reset: () => link.send({ t: "reset" }),
      record: () => link.send({ t: "record", on: app.dataset.recording !== "yes" }),
      dice: () => link.send({ t: "start", world: null, scene: null, seed: null }),
      scaling: () => this.scaling(app.dataset.scaling === "crisp" ? "smooth" : "crisp"),
      sheet: () => (app.dataset.sheet = app.dataset.sheet === "open" ? "closed" : "open"),
      fullscreen: () => (document.fullscreenElement ? document.exitFullscreen() : app.requestFullscreen?.()),
    };
    actions[name]();
  }

  scaling(kind) {
    this.app.dataset.scaling = kind;
    localStorage.setItem("worldmodel-scaling", kind);
  }

  #inputs(codes, time, pressed) {
    this.caps.hold(codes);
    const sent = this.link.send({ t: "in", seq: ++this.seq, keys: codes });
    if (sent && pressed && this.phase === "playing") this.meter.pressed(this.seq, time);
  }

  #message(message) {
    this.app.dataset.link = "open";
    if (message.t === "ready") this.#ready(message);
    else if (message.t === "queue") this.veil.queue(message);
    else if (message.t === "state" && message.phase === "loading") this.veil.loading(message);
    else if (message.t === "state") this.#state(message);
    else if (message.t === "error" && !message.fatal) this.toast(message.say);
  }

  #ready(message) {
    this.limits = message;
    this.meter.clear();
    this.caps.build(message.controls);
    this.panel.ready(message);
    this.app.querySelector(".help").innerHTML =
      this.caps.help() + " &nbsp;·&nbsp; <kbd>P</kbd> pause &nbsp;·&nbsp; <kbd>.</kbd> step &nbsp;·&nbsp; <kbd>R</kbd> reset";
    if (this.own && message.world === this.own.world) this.panel.ownPicture(this.own.url);
    if (this.held.codes.length) this.#inputs(this.held.codes, performance.now(), false);
  }

  #state(message) {
    if (message.phase !== "playing" || this.phase !== "playing") this.meter.forget();
    const { app } = this;
    if (message.recording && app.dataset.recording !== "yes") this.recordingSince = performance.now();
    app.dataset.recording = message.recording ? "yes" : "no";
    app.dataset.phase = message.phase;
    this.#trained(message);
    this.world = message.world;
    this.panel.state(message);
    this.app.querySelector(".takes").scrollIntoView?.({ block: "nearest" });
  }

  // Worlds that are still being trained say how far they are, and when a newer one takes over.
  #trained(message) {
    const step = message.trained == null ? "" : "training step " + message.trained.toLocaleString("en");
    const label = this.app.querySelector(".trained");
    if (step && label.textContent && label.textContent !== step && message.world === this.world) {
      this.toast("A newer checkpoint: now playing " + step + ".");
    }
    label.textContent = step;
  }

  #drew(frame, now) {
    this.drawn += 1;
    this.last = frame;
    this.meter.drew(frame, now);
    this.caps.told(frame.flags & FIRST ? 0 : frame.buttons);
  }

  #dropped(seconds) {
    this.app.dataset.link = "closed";
    this.held.releaseAll();
    this.meter.forget();
    if (this.drawn) this.veil.dropped(seconds);
    else this.veil.connecting();
  }

  #ended(sentence, offer) {
    this.app.dataset.link = "closed";
    this.held.releaseAll();
    const act = () => {
      if (offer === "Reload the page") return location.reload();
      this.veil.connecting();
      this.link.connect();
    };
    this.veil.ended(sentence, offer, act);
  }

  async #picture(file) {
    try {
      const url = URL.createObjectURL(file);
      await sendPicture(this.tokens, file, this.limits.picture_bytes);
      this.own = { url, world: this.world };
      this.panel.ownPicture(url);
      this.app.dataset.sheet = "closed";
    } catch (error) {
      this.toast(error.message);
    }
  }

  async #save(name, kind) {
    try {
      await saveRecording(this.tokens, name, kind);
    } catch (error) {
      this.toast(error.message);
    }
  }

  #hud() {
    const now = performance.now(), show = (name, value) => {
      this.app.querySelector("[data-hud=" + name + "]").textContent = value ?? "–";
    };
    const round = (value) => (value === null ? null : value < 10 ? value.toFixed(1) : value.toFixed(0));
    show("fps", this.phase === "playing" ? this.meter.fps(now) : null);
    show("p50", round(this.meter.latency(0.5)));
    show("p95", round(this.meter.latency(0.95)));
    show("model", round(this.meter.modelMs()));
    show("frame", this.last?.frame);
    if (this.app.dataset.recording === "yes") {
      const seconds = Math.floor((now - this.recordingSince) / 1000);
      const clock = Math.floor(seconds / 60) + ":" + String(seconds % 60).padStart(2, "0");
      this.app.querySelector(".rec-badge b").textContent = clock;
    }
  }
}
