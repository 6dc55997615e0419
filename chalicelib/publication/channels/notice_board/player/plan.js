// What a screen plays at an instant, from the playlist alone. No page, no network, no clock.

const URL_OF_A_SLIDE = /^[a-z0-9-]+\/[0-9]+\/slide\.png$/;
const DIGEST = /^[0-9a-f]{64}$/;

// A playlist from its text. Throws what is wrong with it: a screen then keeps to the one that it has.
export function read(text) {
  const list = JSON.parse(text);
  if (list.version !== 1) throw new Error(`version ${list.version}`);
  const until = instant(list.valid_until);
  const items = list.items.map((each) => {
    if (!URL_OF_A_SLIDE.test(each.url) || !DIGEST.test(each.sha256)) throw new Error(`no slide: ${each.url}`);
    return {
      id: each.id,
      url: each.url,
      sha256: each.sha256,
      key: `${each.url}?${each.sha256}`,
      start: instant(each.start),
      end: instant(each.end),
      lasts: Math.max(1, Number(each.duration_s)) * 1000,
    };
  });
  return { until, items };
}

// What may be shown now, in its order: nothing that has not begun, has ended, or stands in a list that is too old.
export function playable(list, now) {
  if (list === null || now >= list.until) return [];
  return list.items.filter((each) => each.start <= now && now < each.end);
}

// What comes after the slide with this key, the first again after the last.
export function following(items, key) {
  if (items.length === 0) return null;
  return items[(items.findIndex((each) => each.key === key) + 1) % items.length];
}

function instant(text) {
  const read = Date.parse(text);
  if (Number.isNaN(read)) throw new Error(`no instant: ${text}`);
  return read;
}
