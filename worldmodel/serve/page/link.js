// The socket: hello, messages, pings, and coming back by itself after a drop.
import { BAD_TOKEN, FINAL, VERSION } from "./wire.js";

const FIRST_WAIT = 250, LONGEST_WAIT = 8000, PING_EVERY = 2000, SILENT = 7000;

// `on` has open(), message(object), frame(ArrayBuffer), dropped(seconds), ended(sentence, offer).
export class Link {
  constructor(tokens, on) {
    this.tokens = tokens;
    this.on = on;
    this.wait = FIRST_WAIT;
    this.refused = 0;
    this.sentence = "";
    setInterval(() => this.#ping(), PING_EVERY);
  }

  async connect() {
    clearTimeout(this.timer);
    let token;
    try {
      token = await this.tokens.get();
    } catch {
      return this.#later();
    }
    const url = new URL("play/socket", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.heard = performance.now();
    this.rtt = null;
    socket.onopen = () => socket.send(JSON.stringify({ t: "hello", v: VERSION, token }));
    socket.onmessage = (event) => this.#heard(event.data);
    socket.onclose = (event) => socket === this.socket && this.#closed(event);
  }

  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  leave() {
    this.send({ t: "bye" });
  }

  #heard(data) {
    this.heard = performance.now();
    if (typeof data !== "string") return this.on.frame(data);
    const message = JSON.parse(data);
    if (message.t === "pong") {
      const rtt = performance.now() - message.at;
      this.rtt = this.rtt === null ? rtt : Math.min(this.rtt, rtt);
      return;
    }
    if (message.t === "error" && message.fatal) this.sentence = message.say;
    if (message.t !== "error") {
      this.wait = FIRST_WAIT;
      this.refused = 0;
    }
    this.on.message(message);
  }

  #closed(event) {
    this.socket = null;
    const said = this.sentence || event.reason;
    this.sentence = "";
    if (event.code === BAD_TOKEN && this.refused++ < 2) {
      this.tokens.forget();
      return this.connect();
    }
    if (event.code === BAD_TOKEN) return this.on.ended(said, "Reload the page");
    if (event.code in FINAL) return this.on.ended(said, FINAL[event.code]);
    this.#later();
  }

  #later() {
    const wait = this.wait * (0.75 + Math.random() / 2);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    this.on.dropped(wait / 1000);
    this.timer = setTimeout(() => this.connect(), wait);
  }

  #ping() {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    if (performance.now() - this.heard > SILENT) {
      const socket = this.socket;
      this.#closed({ code: 1006, reason: "" });
      socket.close();
      return;
    }
    this.send({ t: "ping", at: performance.now(), rtt: this.rtt });
  }
}

// The token comes with the page, and anew from the server when that one is refused.
export class Tokens {
  constructor(props, watch, server) {
    this.server = server;
    this.token = props.value || null;
    this.arrived = new Promise((resolve) => {
      watch("value", () => resolve((this.token ||= props.value)));
    });
    this.first = true;
  }

  async get() {
    if (this.token) return this.token;
    if (this.first) {
      this.first = false;
      const late = new Promise((resolve) => setTimeout(resolve, 3000));
      await Promise.race([this.arrived, late]);
    }
    return (this.token ||= await this.server.fresh_token());
  }

  forget() {
    this.token = null;
    this.first = false;
  }
}
