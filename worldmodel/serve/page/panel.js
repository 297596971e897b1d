// The side panel: worlds, scenes, seed, settings, recordings. Shows the server's state.
export class Panel {
  // `ask(message)` sends a command; `fetchRecording(name, kind)` downloads one.
  constructor(app, ask, fetchRecording) {
    this.app = app;
    this.ask = ask;
    this.fetchRecording = fetchRecording;
    this.find = (selector) => app.querySelector(selector);
    this.seed = this.find(".seed input");
    this.sliders = { steps: this.find("#wm-steps"), guidance: this.find("#wm-guidance") };
    this.#listen();
  }

  #listen() {
    this.find(".world").addEventListener("change", (event) => {
      this.ask({ t: "start", world: event.target.value, scene: null, seed: null });
      event.target.blur();
    });
    this.find(".seed").addEventListener("submit", (event) => {
      event.preventDefault();
      const seed = this.seed.value === "" ? null : Number(this.seed.value);
      this.ask({ t: "start", world: null, scene: null, seed });
      this.seed.blur();
    });
    for (const [name, slider] of Object.entries(this.sliders)) {
      slider.addEventListener("input", () => {
        this.#label(slider);
        this.ask({ t: "settings", steps: null, guidance: null, [name]: Number(slider.value) });
      });
      slider.addEventListener("pointerup", () => slider.blur());
    }
  }

  // A world was entered: its scenes and, when there are several, the worlds.
  ready(message) {
    this.title = message.title;
    const worlds = this.find(".world");
    worlds.replaceChildren(...message.worlds.map((world) => new Option(world.title, world.name)));
    worlds.value = message.world;
    worlds.hidden = message.worlds.length < 2;
    this.find(".head .title").textContent = message.worlds.length < 2 ? message.title : "";
    this.find(".scenes").replaceChildren(...message.scenes.map((scene) => this.#card(scene)));
    this.find(".stage").style.setProperty("--shape", message.width + " / " + message.height);
  }

  ownPicture(url) {
    this.find(".scenes [data-scene=own-picture]")?.remove();
    this.find(".scenes").prepend(this.#card({ name: "own-picture", title: "Your picture", picture: url }));
  }

  state(message) {
    for (const card of this.app.querySelectorAll(".scenes button")) {
      card.classList.toggle("on", card.dataset.scene === message.scene);
    }
    if (document.activeElement !== this.seed) this.seed.value = message.seed;
    for (const [name, slider] of Object.entries(this.sliders)) {
      if (!slider.matches(":active")) slider.value = message.settings[name];
      this.#label(slider);
    }
    this.find("[data-do=rewind]").disabled = !message.can_rewind;
    this.#recordings(message);
  }

  #label(slider) {
    const whole = slider.step === "1";
    slider.nextElementSibling.textContent = whole ? slider.value : Number(slider.value).toFixed(1);
  }

  #card(scene) {
    const card = document.createElement("button");
    card.type = "button";
    card.dataset.scene = scene.name;
    card.title = scene.title;
    const picture = new Image();
    picture.src = scene.picture;
    picture.alt = "";
    const title = document.createElement("span");
    title.textContent = scene.title;
    card.append(picture, title);
    card.addEventListener("click", () => {
      this.ask({ t: "start", world: null, scene: scene.name, seed: null });
      this.app.dataset.sheet = "closed";
      card.blur();
    });
    return card;
  }

  #recordings(message) {
    const rows = message.recordings.map((recording, i) => this.#recording(recording, i)).reverse();
    if (message.finishing) {
      const row = document.createElement("li");
      row.innerHTML = "<span>Writing the film…</span>";
      rows.unshift(row);
    }
    this.find(".takes ul").replaceChildren(...rows);
    this.find(".takes .none").hidden = rows.length > 0;
  }

  #recording(recording, i) {
    const row = document.createElement("li");
    const label = document.createElement("span");
    label.textContent = "Take " + (i + 1) + " · " + recording.seconds.toFixed(1) + " s";
    label.title = recording.name;
    row.append(label, this.#download(recording, "mp4", "Film"), this.#download(recording, "zip", "Episode"));
    return row;
  }

  #download(recording, kind, text) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.kind = kind;
    button.textContent = text;
    button.title = recording.name + "." + kind;
    button.addEventListener("click", () => this.fetchRecording(recording.name, kind));
    return button;
  }
}
