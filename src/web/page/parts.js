// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What several sections have: tags, facts, links, tables.
import { h } from "./elements.js";
import { number } from "./words.js";

export const tag = (word, kind) => h("span", { class: `tag ${kind || word}` }, word);
export const facts = rows => h("dl", { class: "facts" },
	rows.filter(row => row && row[1] !== null && row[1] !== undefined)
		.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));

const quote = value => /[\s"]/.test(value) ? `"${String(value).replaceAll('"', "")}"` : value;
const filters = object => Object.entries(object).filter(([, v]) => v !== null && v !== undefined)
	.map(([k, v]) => `${k}=${quote(v)}`).join(" ");
export const searchLink = (object, ...text) => h("a", { href: "#search=" + encodeURIComponent(filters(object)) }, ...text);
// A refused SYN, say, has ends but no socket.
export const socketLink = (id, text) => id ? h("a", { href: "#socket=" + encodeURIComponent(id), class: "flow" }, text || id) :
	h("span", { class: "flow" }, text);
export const ruleLink = rule => h("a", { href: `/rules/${encodeURIComponent(rule)}?format=text` }, rule);
export const copy = path => navigator.clipboard && h("button", { type: "button", "data-copy": `curl '${location.origin}${path}'` },
	"Copy as curl");

// A table whose cells are [content, class]; the first one heads its row. The class opt goes on narrow screens.
export function table(caption, heads, rows)
{
	const cell = (name, scope) => ([content, kind]) =>
		h(name, { class: kind || null, scope }, content === null || content === undefined ? "" : content);

	return h("div", { class: "wide" }, h("table", null, h("caption", null, caption),
		h("thead", null, h("tr", null, heads.map(cell("th", "col")))),
		h("tbody", null, rows.map(row => h("tr", { "data-key": row.key },
			row.cells.map((c, i) => cell(i ? "td" : "th", i ? null : "row")(c)))))));
}

// "Nobody listens" is known only where all was read.
export const none = (answer, sure, seen) => h("p", { class: "dim" }, answer.snapshot && answer.snapshot.complete ? sure :
	[seen, " ", h("a", { href: "#unseen" }, "Not all could be seen.")]);

export const moreButton = (what, left) => left > 0 && h("p", null,
	h("button", { type: "button", "data-more": what }, `${number(left)} more`));
