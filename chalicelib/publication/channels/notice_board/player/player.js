// Plays the playlist beside this page on the whole screen, and goes on without a network with what it has.
//
// A slide is shown only once all of it is here and has the SHA-256 that the playlist says. Until there is one, and
// whenever nothing may be shown, there is the default slide: the screen is never empty.

import { following, playable, read } from "./plan.js";

const PLAYLIST = "playlist.json";
const KEPT = "board-1";
const ASK_EVERY = 60_000;
const LOOK_EVERY = 500;

const images = [...document.querySelectorAll("img")];
let list = null;
let here = new Set(); // the keys of slides that are kept and checked
let shown = null;
let since = 0;
let looking = false;

async function begin() {
  const kept = await caches.open(KEPT);
  for (const request of await kept.keys()) here.add(relative(request.url));
  try {
    const last = await kept.match(PLAYLIST);
    if (last) list = read(await last.text());
  } catch (error) {
    console.warn(error);
  }
  await look();
  setInterval(look, LOOK_EVERY);
  await ask();
  setInterval(ask, ASK_EVERY);
}

// Ask for the playlist and fetch what it names. Whatever goes wrong, the screen goes on with what it has.
async function ask() {
  try {
    const answer = await fetch(PLAYLIST, { cache: "no-store" });
    if (!answer.ok) return;
    const text = await answer.text();
    const fresh = read(text);
    const kept = await caches.open(KEPT);
    await kept.put(PLAYLIST, new Response(text, { headers: { "Content-Type": "application/json" } }));
    list = fresh;
    await Promise.allSettled(fresh.items.filter((each) => !here.has(each.key)).map((each) => keep(kept, each)));
    await forget(kept, fresh);
  } catch (error) {
    console.warn(error);
  }
}

async function keep(kept, item) {
  const answer = await fetch(item.url, { cache: "no-cache" });
  if (!answer.ok) throw new Error(`${item.url}: ${answer.status}`);
  const bytes = await answer.arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const found = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== item.sha256) throw new Error(`${item.url} is not what the playlist names`);
  await kept.put(item.key, new Response(bytes, { headers: { "Content-Type": "image/png" } }));
  here.add(item.key);
}

async function forget(kept, fresh) {
  const named = new Set(fresh.items.map((each) => each.key));
  for (const key of [...here]) {
    if (key !== PLAYLIST && !named.has(key)) {
      here.delete(key);
      await kept.delete(key);
    }
  }
}

// Look whether something else is to be shown now.
async function look() {
  if (looking) return;
  looking = true;
  try {
    const now = Date.now();
    const items = playable(list, now).filter((each) => here.has(each.key));
    const stays = shown !== null && items.some((each) => each.key === shown.key);
    if (stays && now < since + shown.lasts) return;
    const item = following(items, shown === null ? null : shown.key);
    if (item === null) showDefault();
    else if (!stays || item.key !== shown.key) await show(item);
    since = now;
  } catch (error) {
    console.warn(error);
    if (shown !== null) here.delete(shown.key);
    showDefault();
  } finally {
    looking = false;
  }
}

async function show(item) {
  const kept = await caches.open(KEPT);
  const slide = await kept.match(item.key);
  if (!slide) {
    here.delete(item.key);
    return;
  }
  const next = images.find((each) => !each.classList.contains("shown"));
  const before = images.find((each) => each !== next);
  const address = URL.createObjectURL(await slide.blob());
  next.src = address;
  try {
    await next.decode();
  } catch (error) {
    here.delete(item.key);
    throw error;
  } finally {
    URL.revokeObjectURL(address);
  }
  next.hidden = false;
  next.classList.add("shown");
  before.classList.remove("shown");
  shown = item;
  document.body.dataset.shows = item.id;
}

function showDefault() {
  for (const each of images) each.classList.remove("shown");
  shown = null;
  document.body.dataset.shows = "default";
}

function relative(address) {
  return address.slice(new URL("./", location.href).href.length);
}

if ("serviceWorker" in navigator) navigator.serviceWorker.register("worker.js").catch(console.warn);
if ("wakeLock" in navigator) {
  const stayAwake = () => navigator.wakeLock.request("screen").catch(() => null);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && stayAwake());
  stayAwake();
}
begin();
