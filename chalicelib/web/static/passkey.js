// Asks the person's passkey, and puts what it says into the form that is then sent as usual.
"use strict";

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const named = (list) => (list || []).map((each) => ({ ...each, id: bytes(each.id) }));

const kinds = {
  confirm: { address: "/api/v1/me/passkeys/options", said: () => ({ purpose: "confirm" }), ask: sign },
  enrol: { address: "/api/v1/me/passkeys/options", said: () => ({ purpose: "enrol" }), ask: make },
  opinion: { address: "/api/v1/review-links/challenge", said: opinion, ask: sign },
};

async function sign(options) {
  const made = await navigator.credentials.get({ publicKey: {
    ...options, challenge: bytes(options.challenge), allowCredentials: named(options.allowCredentials),
  } });
  return { id: made.id, rawId: made.id, type: made.type, response: {
    authenticatorData: text(made.response.authenticatorData),
    clientDataJSON: text(made.response.clientDataJSON),
    signature: text(made.response.signature),
  } };
}

async function make(options) {
  const made = await navigator.credentials.create({ publicKey: {
    ...options, challenge: bytes(options.challenge), user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: named(options.excludeCredentials),
  } });
  return { id: made.id, rawId: made.id, type: made.type, response: {
    attestationObject: text(made.response.attestationObject),
    clientDataJSON: text(made.response.clientDataJSON),
  } };
}

function opinion(form) {
  const filled = new FormData(form);
  const checklist = {};
  for (const [name, value] of filled) {
    if (name.startsWith("item-")) checklist[name.slice(5)] = value === "yes";
  }
  const said = { handle: filled.get("handle"), content_digest: filled.get("content_digest"), checklist,
    comment: filled.get("comment").replace(/\r\n?/g, "\n") };
  if (filled.get("decision")) said.decision = filled.get("decision");
  return said;
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const button = form.querySelector("[data-passkey-button]");
  const fault = form.querySelector("[data-passkey-fault]");
  if (!button || !window.PublicKeyCredential) continue;
  const kind = kinds[form.dataset.passkey];
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    fault.hidden = true;
    form.elements.passkey.value = "";
    try {
      const answer = await fetch(kind.address, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(kind.said(form)),
      });
      if (answer.ok) {
        form.elements.passkey.value = JSON.stringify(await kind.ask((await answer.json()).options));
      }
      form.submit(); // without what the passkey says, too: the page then shows what is wrong
    } catch (error) {
      fault.textContent = form.dataset.failed;
      fault.hidden = false;
      button.disabled = false;
    }
  });
}
