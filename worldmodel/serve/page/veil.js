// What lies over the picture when nobody is playing: one title, one sentence, perhaps a button.
export class Veil {
  constructor(app) {
    this.app = app;
    this.heading = app.querySelector(".card h2");
    this.text = app.querySelector(".card p");
    this.button = app.querySelector(".card .again");
  }

  show(phase, heading, text, offer = null, act = null) {
    this.app.dataset.phase = phase;
    this.heading.textContent = heading;
    this.text.textContent = text;
    this.button.hidden = !offer;
    this.button.textContent = offer ?? "";
    this.button.onclick = act;
  }

  connecting() {
    this.show("connecting", "Connecting", "");
  }

  loading(message) {
    const time = message.seconds >= 1 ? " · " + message.seconds.toFixed(0) + " s" : "";
    this.show("loading", "Loading " + message.title, message.note + time);
  }

  queue(message) {
    const next = message.position === 1 ? "You are next" : "You are number " + message.position + " in line";
    this.show("queue", "Every place is taken", next + "; the world starts by itself when a place is free.");
  }

  dropped(seconds) {
    const next = seconds < 1 ? "Trying again…" : "Trying again in " + Math.round(seconds) + " s.";
    this.show("dropped", "The connection dropped", next + " Your world is kept for a while.");
  }

  ended(sentence, offer, act) {
    this.show("ended", "Not playing", sentence || "The server ended this visit.", offer, act);
  }
}

export function toaster(box) {
  let timer;
  return (text) => {
    box.textContent = text;
    box.classList.add("on");
    clearTimeout(timer);
    timer = setTimeout(() => box.classList.remove("on"), 6000);
  };
}
