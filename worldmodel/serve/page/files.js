// Pictures to the server and recordings from it, both over HTTP with the session's token.
const LARGEST = 1024;

const bearer = async (tokens) => ({ authorization: "Bearer " + (await tokens.get()) });

// Send a picture; resolves to nothing, or throws an Error whose message is one sentence.
export async function sendPicture(tokens, file, mostBytes) {
  const body = await shrink(file);
  if (body.size > mostBytes) throw new Error("The picture's file is larger than " + (mostBytes >> 20) + " MB; shrink it.");
  const url = new URL("play/picture", document.baseURI);
  const answer = await fetch(url, { method: "POST", body, headers: await bearer(tokens) });
  if (!answer.ok) throw new Error((await answer.json()).say);
}

// A photograph of a phone is many times larger than any world: send it at most 1024 pixels wide.
// What the browser cannot decode goes as it is, and the server says why it cannot be used.
async function shrink(file) {
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, LARGEST / Math.max(picture.width, picture.height));
    if (scale === 1) return file;
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(picture.width * scale);
    canvas.height = Math.round(picture.height * scale);
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve) => canvas.toBlob((blob) => resolve(blob ?? file), "image/jpeg", 0.92));
  } catch {
    return file;
  }
}

export async function saveRecording(tokens, name, kind) {
  const url = new URL("play/recording/" + encodeURIComponent(name) + "." + kind, document.baseURI);
  const answer = await fetch(url, { headers: await bearer(tokens) });
  if (!answer.ok) throw new Error((await answer.json()).say);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = name + "." + kind;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// Dropped on the page, pasted, or chosen: `picked(file)` gets the first file.
export function listenForPictures(app, picked) {
  const input = app.querySelector(".own input");
  input.addEventListener("change", () => {
    if (input.files.length) picked(input.files[0]);
    input.value = "";
    input.blur();
  });
  const show = (on) => (app.dataset.drop = on ? "yes" : "no");
  addEventListener("dragover", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    show(true);
  });
  addEventListener("dragleave", (event) => event.relatedTarget === null && show(false));
  addEventListener("drop", (event) => {
    event.preventDefault();
    show(false);
    if (event.dataTransfer.files.length) picked(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files][0];
    if (file) picked(file);
  });
}
