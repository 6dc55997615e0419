// Attaching files to the request form: each goes straight to the storage and is checked before its id joins the form.
"use strict";

{
  const box = document.querySelector("[data-attachments]");
  const form = box.closest("form");
  const chooser = box.querySelector("input[type=file]");
  const list = box.querySelector("[data-files]");
  const told = box.querySelector("[data-told]");
  const types = JSON.parse(box.dataset.types);
  const most = Number(box.dataset.attachments);
  const TRIES = 3, BEFORE_ASKING = 15000, PATIENCE = 120000;
  let busy = 0;

  // A refusal in words of the reader's, as the API tells it.
  class Refused extends Error {}

  const wait = (time) => new Promise((resolve) => { setTimeout(resolve, time); });

  // What fails on the way is sent again; what was answered is not.
  async function sent(address, options) {
    for (let tried = 1; ; tried += 1) {
      try {
        const answer = await fetch(address, options);
        if (answer.status < 500 || tried === TRIES) return answer;
      } catch (error) {
        if (tried === TRIES) throw error;
      }
      await wait(1000 * 2 ** tried);
    }
  }

  async function api(method, path, body) {
    const options = { method, headers: { Accept: "application/json", "Content-Type": "application/json" } };
    if (method === "POST") options.body = JSON.stringify(body);
    const answer = await sent(`/api/v1/attachments${path}`, options);
    const said = await answer.json();
    if (!answer.ok) throw new Refused(said.errors?.map((each) => each.message).join(" ") || said.detail);
    return said;
  }

  async function digest(file) {
    const hash = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  async function post(upload, file) {
    const data = new FormData();
    for (const [name, value] of Object.entries(upload.fields)) data.append(name, value);
    data.append("file", file);
    const answer = await sent(upload.url, { method: "POST", body: data, credentials: "omit" });
    if (!answer.ok) throw new Refused(box.dataset.failed);
  }

  // The upload once its check is done; as it stands when that takes longer than anybody waits.
  async function checked(id) {
    const began = performance.now();
    let asked = false;
    for (let pause = 500; ; pause = Math.min(pause * 1.5, 5000)) {
      await wait(pause);
      const upload = await api("GET", `/${id}`);
      const passed = performance.now() - began;
      if (upload.state !== "awaiting_upload" || passed > PATIENCE) return upload;
      if (!asked && passed > BEFORE_ASKING) {
        asked = true;
        await api("POST", `/${id}/check`, {});
      }
    }
  }

  function size(bytes) {
    const [unit, factor] = bytes >= 1e6 ? ["MB", 1e6] : bytes >= 1e3 ? ["KB", 1e3] : ["B", 1];
    return `${factor === 1 ? bytes : (bytes / factor).toFixed(1).replace(/\.0$/, "")} ${unit}`;
  }

  function add(upload) {
    const row = box.querySelector("template").content.firstElementChild.cloneNode(true);
    const kept = row.querySelector("input");
    kept.name = "attachments";
    kept.value = upload.id;
    row.querySelector("strong").textContent = upload.name;
    row.querySelector(".muted").textContent = `${extension(upload.name).toUpperCase()} · ${size(upload.size)}`;
    list.append(row);
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function extension(name) {
    return name.slice(name.lastIndexOf(".") + 1).toLowerCase();
  }

  function tell(line, text, fault = false) {
    line.className = fault ? "fault" : "hint";
    line.textContent = text;
  }

  async function attach(file) {
    const line = document.createElement("p");
    told.append(line);
    const say = (text, fault) => tell(line, `${file.name} · ${text}`, fault);
    try {
      if (list.querySelectorAll("input:checked").length >= most) throw new Refused(box.dataset.many);
      const type = types[extension(file.name)];
      if (!type) throw new Refused(box.dataset.kind);
      say(box.dataset.reading);
      const about = { name: file.name, media_type: type, size: file.size, sha256: await digest(file) };
      const begun = await api("POST", "", { department: form.elements.department.value, ...about });
      say(box.dataset.sending);
      await post(begun.upload, file);
      say(box.dataset.checking);
      const upload = await checked(begun.id);
      if (upload.state === "refused") throw new Refused(upload.message);
      add(upload);
      say(upload.state === "ready" ? box.dataset.ready : box.dataset.slow);
    } catch (error) {
      say(error instanceof Refused ? error.message : box.dataset.failed, true);
    }
  }

  async function attachAll(files) {
    for (const file of files) await attach(file);
  }

  // One after the other, in the order in which they were chosen.
  let before = Promise.resolve();
  chooser.addEventListener("change", () => {
    const files = [...chooser.files];
    chooser.value = "";
    if (!busy) told.replaceChildren();
    if (form.elements.department.value === "") {
      tell(told.appendChild(document.createElement("p")), box.dataset.first, true);
      form.elements.department.focus();
      return;
    }
    busy += 1;
    before = before.then(() => attachAll(files)).finally(() => { busy -= 1; });
  });

  form.addEventListener("submit", (event) => {
    if (!busy) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    tell(told.appendChild(document.createElement("p")), box.dataset.busy, true);
    box.focus();
  }, { capture: true });

  // A page that did not come over https cannot make digests: then there is nothing to choose with.
  box.querySelector("[data-choose]").hidden = !crypto.subtle;
}
