// Looks up what was typed, month by month, newest first. What was typed stays here: it is in the address after the #, which
// no browser sends.
(() => {
  "use strict";
  const STEP = 12;
  const PAIRED = "[\\u2e80-\\u2fff\\u3005-\\u3007\\u3021-\\u3029\\u3031-\\u3035\\u3038-\\u303c\\u3040-\\u9fff\\uac00-\\ud7af\\uf900-\\ufaff\\u{20000}-\\u{3ffff}]";
  const RUN = new RegExp(`(${PAIRED}+)|(?:(?!${PAIRED})[\\p{L}\\p{N}])+`, "gu");
  const form = document.querySelector("form");
  const field = form.elements.q;
  const list = document.querySelector("ol");
  const said = document.querySelector("output");
  const more = document.querySelector("button.more");
  const months = form.dataset.months.split(" ").filter(Boolean);
  let search = null;

  const folded = (text) => text.normalize("NFKC").toLowerCase();

  // Each run with what an item must have for it: all its pairs, one character of some term, or a word that begins so.
  const runsOf = (text) =>
    Array.from(folded(text).matchAll(RUN), ([run, paired]) => {
      const letters = Array.from(run);
      if (!paired) return { run, fits: (term) => term.startsWith(run) };
      if (letters.length === 1) return { run, fits: (term) => term.includes(run) };
      return { run, pairs: letters.slice(1).map((letter, at) => letters[at] + letter) };
    });

  const having = (index, { fits, pairs }) =>
    pairs
      ? pairs.map((pair) => new Set(Object.hasOwn(index.terms, pair) ? index.terms[pair] : []))
      : [new Set(Object.keys(index.terms).filter(fits).flatMap((term) => index.terms[term]))];

  const hitsIn = (index, runs) => {
    const sets = runs.flatMap((run) => having(index, run));
    return index.items.filter(
      (item, number) =>
        sets.every((set) => set.has(number)) &&
        runs.every(({ run }) => item.slice(1, 7).some((text) => folded(text).includes(run))),
    );
  };

  const element = (tag, text, attributes = {}) => {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };

  const day = (date) => {
    const [year, month, ofMonth] = date.split("-").map(Number);
    return `${year}年${month}月${ofMonth}日`;
  };

  const shown = ([path, title, date, summary, category, department, , marks]) => {
    const item = element("li", "");
    const heading = element("h2", "");
    const facts = element("p", "", { class: "facts" });
    heading.append(element("a", title, { href: `../${path}` }));
    facts.append(element("time", day(date), { datetime: date }), element("span", category), element("span", department));
    facts.append(...marks.map((mark) => element("span", mark, { class: "mark" })));
    item.append(heading, facts, element("p", summary, { class: "summary" }));
    return item;
  };

  const read = async (month) => {
    const answer = await fetch(`${month}.json`, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  };

  // One step further back; goes on by itself only while nothing has been found.
  const goOn = async (mine) => {
    more.hidden = true;
    said.textContent = "正在检索……";
    try {
      const before = mine.found;
      while (mine.next < months.length && mine.found === before) {
        const indexes = await Promise.all(months.slice(mine.next, mine.next + STEP).map(read));
        if (search !== mine) return;
        mine.next += indexes.length;
        for (const hit of indexes.flatMap((index) => hitsIn(index, mine.runs))) {
          mine.found += 1;
          list.append(shown(hit));
        }
      }
    } catch {
      if (search === mine) said.textContent = "检索暂时不可用，请稍后再试。";
      return;
    }
    const left = mine.next < months.length;
    const since = left ? `（${months[mine.next - 1].replace("-", " 年 ")} 月以来）` : "";
    more.hidden = !left;
    said.textContent = mine.found
      ? `找到 ${mine.found} 条${since}。`
      : "没有找到相关信息，请换一个词。";
  };

  const begin = () => {
    const typed = new URLSearchParams(location.hash.slice(1)).get("q") ?? "";
    field.value = typed;
    list.replaceChildren();
    more.hidden = true;
    search = { runs: runsOf(typed), next: 0, found: 0 };
    said.textContent = "";
    if (search.runs.length) goOn(search);
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const hash = `#${new URLSearchParams({ q: field.value })}`;
    if (hash === location.hash) begin();
    else location.hash = hash;
  });
  more.addEventListener("click", () => goOn(search));
  addEventListener("hashchange", begin);
  begin();
})();
