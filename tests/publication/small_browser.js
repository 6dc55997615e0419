// As much of a browser as the search page's script uses; says at the end what the page shows for each that was typed.
const given = /* given */;

const element = (tag) => ({
  tag, children: [], attributes: {}, listeners: {}, textContent: "", hidden: false,
  append(...more) { this.children.push(...more); },
  replaceChildren() { this.children = []; },
  setAttribute(name, value) { this.attributes[name] = value; },
  addEventListener(name, act) { this.listeners[name] = act; },
});
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

const visit = async (typed) => {
  const page = { form: element("form"), ol: element("ol"), output: element("output"), "button.more": element("button") };
  page.form.elements = { q: { value: "" } };
  page.form.dataset = { months: given.months };
  page["button.more"].hidden = true;
  const read = [];
  const document = { querySelector: (name) => page[name], createElement: element };
  const location = { hash: typed ? `#${new URLSearchParams({ q: typed })}` : "" };
  const addEventListener = () => {};
  const fetch = async (path) => {
    read.push(path);
    return path in given.indexes ? { ok: true, json: async () => given.indexes[path] } : { ok: false, status: 404 };
  };

  /* script */

  await settled();
  for (let click = 0; click < given.clicks; click += 1) {
    page["button.more"].listeners.click();
    await settled();
  }
  const results = page.ol.children.map(({ children: [heading, facts, summary] }) => ({
    title: heading.children[0].textContent,
    href: heading.children[0].attributes.href,
    facts: facts.children.map((fact) => fact.textContent),
    summary: summary.textContent,
  }));
  return { said: page.output.textContent, results, more: !page["button.more"].hidden, read };
};

Promise.all(given.typed.map(visit)).then((shown) => console.log(JSON.stringify(shown)));
