"use strict";
// What is chosen is in the page's address: each asset and each column has a link that can be sent on.
const assets = JSON.parse(document.getElementById("columns").textContent);
const madeInto = assets.map(([, columns]) => columns.map(() => []));
const byName = new Map();
assets.forEach(([name, columns], a) => {
  byName.set(name, [a, null]);
  columns.forEach(([column, from], c) => {
    if (!byName.has(`${name}.${column}`)) byName.set(`${name}.${column}`, [a, c]);
    from.forEach(([fromAsset, fromColumn]) => madeInto[fromAsset][fromColumn].push([a, c]));
  });
});
const above = ([a, c]) => assets[a][1][c][1];
const below = ([a, c]) => madeInto[a][c];
const nameOf = ([a, c]) => (c === null ? assets[a][0] : `${assets[a][0]}.${assets[a][1][c][0]}`);

function make(tag, content, attributes = {}) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...content);
  return element;
}

const link = (place, text = nameOf(place)) =>
  make("a", [text], { href: `#${encodeURIComponent(nameOf(place))}` });

// All that can be reached from a column, with the edges between assets that lead there.
function reached(start, next, upward) {
  const nodes = new Set([start[0]]), edges = new Set(), seen = new Set([start.join()]);
  const waiting = [start];
  while (waiting.length) {
    const place = waiting.pop();
    for (const other of next(place)) {
      nodes.add(other[0]);
      edges.add(upward ? `${other[0]}-${place[0]}` : `${place[0]}-${other[0]}`);
      if (!seen.has(other.join())) {
        seen.add(other.join());
        waiting.push(other);
      }
    }
  }
  return { nodes, edges };
}

function tree(place, next, seen = new Set()) {
  const others = next(place);
  if (!others.length) return [];
  if (seen.has(place.join())) return [" …"];
  seen.add(place.join());
  return [make("ul", others.map((other) => make("li", [link(other), ...tree(other, next, seen)])))];
}

function show(title, ...content) {
  const panel = document.getElementById("way");
  panel.replaceChildren(make("h2", [title]), ...content);
}

function mark(nodes, edges, chosen) {
  const svg = document.querySelector("svg");
  svg.classList.toggle("picked", nodes.size > 0);
  for (const node of svg.querySelectorAll("[data-node]")) {
    const number = Number(node.dataset.node);
    node.classList.toggle("on", nodes.has(number));
    node.classList.toggle("chosen", number === chosen);
    if (number === chosen) node.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  for (const edge of svg.querySelectorAll("[data-edge]")) {
    edge.classList.toggle("on", edges.has(edge.dataset.edge));
  }
}

function showColumn(place) {
  const up = reached(place, above, true), down = reached(place, below, false);
  mark(new Set([...up.nodes, ...down.nodes]), new Set([...up.edges, ...down.edges]), place[0]);
  const part = (title, next, none) => {
    const found = tree(place, next);
    return make("section", [make("h3", [title]), ...(found.length ? found : [make("p", [none])])]);
  };
  const asset = make("p", ["A column of ", link([place[0], null]), "."]);
  const ways = make("div", [
    part("Made of", above, "Nothing that is known."),
    part("Made into", below, "Nothing that is known."),
  ], { class: "ways" });
  show(nameOf(place), asset, ways);
}

function showAsset(a) {
  mark(new Set(), new Set(), a);
  const columns = assets[a][1].map(([column], c) => make("li", [link([a, c], column)]));
  show(nameOf([a, null]), columns.length
    ? make("ul", columns, { class: "columns" })
    : make("p", ["None of its columns is known."]));
}

function choose() {
  const place = byName.get(decodeURIComponent(location.hash.slice(1)));
  if (!place) {
    mark(new Set(), new Set(), null);
    show("Columns", make("p", ["Choose an asset in the picture, or look for a column."]));
  } else if (place[1] === null) showAsset(place[0]);
  else showColumn(place);
}

const most = 40;
document.getElementById("search").addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  const found = wanted ? [...byName].filter(([name]) => name.toLowerCase().includes(wanted)) : [];
  const listed = found.slice(0, most).map(([, place]) => make("li", [link(place)]));
  if (found.length > most) listed.push(make("li", [`and ${found.length - most} more`]));
  document.getElementById("found").replaceChildren(...listed);
});
window.addEventListener("hashchange", choose);
choose();
