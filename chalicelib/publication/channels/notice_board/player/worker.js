// Lets the page itself start without a network. Playlist and slides are the page's own business.

const SHELL = "board-page";
const FILES = ["./", "index.html", "player.js", "plan.js", "player.css"];
const ADDRESSES = new Set(FILES.map((each) => new URL(each, location.href).href));

self.addEventListener("install", (event) => {
  const fresh = FILES.map((each) => new Request(each, { cache: "reload" }));
  event.waitUntil(caches.open(SHELL).then((kept) => kept.addAll(fresh)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  if (event.request.method === "GET" && ADDRESSES.has(event.request.url)) event.respondWith(answer(event.request));
});

async function answer(request) {
  const kept = await caches.open(SHELL);
  try {
    const fresh = await fetch(request);
    if (!fresh.ok) throw new Error(`${request.url}: ${fresh.status}`);
    await kept.put(request.url, fresh.clone());
    return fresh;
  } catch (error) {
    return (await kept.match(request.url)) ?? Response.error();
  }
}
