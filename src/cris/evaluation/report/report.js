"use strict";
const data = (id) => JSON.parse(document.getElementById(id).textContent);
const views = data("views-data"), { columns, rows: values } = data("table-data");
const rows = values.map((row) => Object.fromEntries(columns.map((name, place) => [name, row[place]])));
const hasAmbiguity = rows.some((row) => row.ambiguity !== null);
const AT_ONCE = 24, PAGE = 20;
const SHOWN = [
  ["iou", "IoU"], ["sentence", "sentence"], ["failure", "failure"], ["kind", "kind"], ["category", "category"],
  ["score", "score", "the model’s own"], ["ambiguity", "ambiguity", "how likely the sentence fits several things"],
  ["best_other_iou", "other’s IoU", "highest IoU of the mask with an object that is not meant"],
  ["area", "area", "of the target, as share of the image"], ["words", "words", "in the sentence"],
  ["distractors", "alike", "other objects of the target’s category"], ["picture", "image"],
].filter(([name]) => name !== "ambiguity" || hasAmbiguity);
const TEXT = new Set(["sentence", "failure", "kind", "category", "picture"]);
const find = (id) => document.getElementById(id);
const filters = find("filters"), state = { view: null, sort: "sample", descending: false, page: 0, cards: AT_ONCE };

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function shown(name, value) {
  if (value === null) return "–";
  if (name === "area") return `${(100 * value).toFixed(1)} %`;
  if (["iou", "score", "ambiguity", "best_other_iou"].includes(name)) return value.toFixed(3);
  return String(value).replaceAll("_", " ");
}

function matching() {
  const text = filters.text.value.trim().toLowerCase(), { failure, kind, category } = filters;
  const low = filters.low.value === "" ? 0 : Number(filters.low.value);
  const high = filters.high.value === "" ? 1 : Number(filters.high.value);
  const found = rows.filter((row) =>
    (!text || row.sentence.toLowerCase().includes(text) || row.picture.toLowerCase().includes(text))
    && (!failure.value || (failure.value === "any" ? row.failure !== null : (row.failure ?? "none") === failure.value))
    && (!kind.value || row.kind === kind.value)
    && (!category.value || (row.category ?? "–") === category.value)
    && row.iou >= low && row.iou <= high);
  const sign = state.descending ? -1 : 1, name = state.sort;
  return found.sort((a, b) => {
    if (a[name] === null || b[name] === null) return (a[name] === null) - (b[name] === null);
    const order = typeof a[name] === "string" ? a[name].localeCompare(b[name]) : a[name] - b[name];
    return sign * order || a.sample - b.sample;
  });
}

function stack(row) {
  const image = element("img", { src: `pictures/${row.picture_id}.webp`, alt: row.picture, loading: "lazy" });
  const layer = element("img", { className: "layer", src: `layers/${row.sample}.png`, alt: "", loading: "lazy" });
  return [image, layer];
}

function card(row) {
  const facts = element("span", { className: "facts" }, element("span", {}, "IoU ", element("b", {}, shown("iou", row.iou))),
    element("span", {}, `score ${shown("score", row.score)}`));
  if (hasAmbiguity) facts.append(element("span", {}, `ambiguity ${shown("ambiguity", row.ambiguity)}`));
  if (row.failure) facts.append(element("span", { className: "kind-of-failure" }, row.failure));
  else if (row.area === 0) facts.append(element("span", {}, "rightly nothing"));
  const made = element("button", { type: "button", className: "card" }, element("span", { className: "stack" }, ...stack(row)),
    element("span", { className: "words" }, `“${row.sentence}”`), facts);
  made.addEventListener("click", () => enlarge(row));
  return made;
}

function enlarge(row) {
  const dialog = find("large"), facts = dialog.querySelector("dl");
  dialog.querySelector("h2").textContent = `“${row.sentence}”`;
  dialog.querySelector(".stack").replaceChildren(...(row.is_drawn ? stack(row) : []));
  facts.replaceChildren(...SHOWN.filter(([name]) => name !== "sentence").flatMap(([name, title]) => [element("dt", {}, title), element("dd", {}, shown(name, row[name]))]));
  dialog.showModal();
}

function tableRow(row) {
  const made = element("tr", { className: row.is_drawn ? "drawn" : "" },
    ...SHOWN.map(([name]) => element("td", { className: TEXT.has(name) ? `text ${name}` : "", title: name === "picture" ? row.picture : "" }, shown(name, row[name]))));
  if (row.is_drawn) made.addEventListener("click", () => enlarge(row));
  return made;
}

function draw() {
  const found = matching(), pictured = found.filter((row) => row.is_drawn);
  const mean = found.reduce((sum, row) => sum + row.iou, 0) / (found.length || 1);
  find("told").textContent = found.length
    ? `${found.length.toLocaleString("en")} samples, mean IoU ${mean.toFixed(3)}; ${pictured.length.toLocaleString("en")} with images`
    : "No sample is like that: clear the filters.";
  find("gallery").replaceChildren(...pictured.slice(0, state.cards).map(card));
  find("more").hidden = pictured.length <= state.cards;
  document.querySelectorAll("#table th").forEach((cell) => {
    if (cell.dataset.name === state.sort) cell.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  });
  const pages = Math.max(1, Math.ceil(found.length / PAGE));
  state.page = Math.min(state.page, pages - 1);
  document.querySelector("#table tbody").replaceChildren(
    ...found.slice(state.page * PAGE, (state.page + 1) * PAGE).map(tableRow));
  const step = (by, name) => element("button", { type: "button", disabled: state.page + by < 0 || state.page + by >= pages,
    onclick: () => { state.page += by; draw(); } }, name);
  find("pages").replaceChildren(step(-1, "Previous"), element("span", {}, `page ${state.page + 1} of ${pages}`), step(1, "Next"));
  document.querySelectorAll("#views button").forEach((one) => one.setAttribute("aria-pressed", one.dataset.view === state.view));
  find("meaning").textContent = views.find((one) => one.name === state.view)?.meaning ?? "";
}

function begin(changes) {
  Object.assign(state, { page: 0, cards: AT_ONCE }, changes);
  draw();
}

function open(name) {
  const view = views.find((one) => one.name === name);
  for (const field of filters.elements) if (field.name) field.value = "";
  for (const [filter, value] of Object.entries(view.filters)) filters.elements[filter].value = value;
  begin({ view: name, sort: view.sort, descending: view.descending });
}

function fill(select, names, extra = []) {
  select.append(new Option("all", ""), ...extra.map((one) => new Option(...one)),
    ...names.map((name) => new Option(name.replaceAll("_", " "), name)));
}

const distinct = (name) => [...new Set(rows.map((row) => row[name] ?? "–"))].sort();
fill(filters.failure, distinct("failure").filter((name) => name !== "–"), [["any miss", "any"], ["nothing", "none"]]);
fill(filters.kind, distinct("kind"));
fill(filters.category, distinct("category"));
find("views").append(...views.map(({ name }) => {
  const made = element("button", { type: "button", onclick: () => open(name) }, name);
  made.dataset.view = name;
  return made;
}));
document.querySelectorAll(".failures button").forEach((one) => one.addEventListener("click", () => {
  open(one.dataset.view);
  find("views").scrollIntoView({ behavior: "smooth" });
}));
document.querySelector("#table thead tr").append(...SHOWN.map(([name, title, meaning = ""]) => {
  const sort = () => begin({ sort: name, descending: state.sort === name ? !state.descending : !TEXT.has(name), view: null });
  const cell = element("th", { scope: "col", className: TEXT.has(name) ? "text" : "" }, element("button", { type: "button", title: meaning, onclick: sort }, title));
  cell.dataset.name = name;
  return cell;
}));
filters.addEventListener("input", () => begin({ view: null }));
filters.addEventListener("reset", () => setTimeout(() => begin({ view: null })));
filters.addEventListener("submit", (event) => event.preventDefault());
find("more").addEventListener("click", () => { state.cards += AT_ONCE; draw(); });
find("masks").addEventListener("change", (event) => document.body.classList.toggle("unmasked", !event.target.checked));
open(views.some((one) => one.name === "worst") ? "worst" : views[0].name);
