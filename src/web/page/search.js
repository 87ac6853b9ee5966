// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Sockets that a person looks for.
import { soon, tasks } from "./ask.js";
import { $, h, show } from "./elements.js";
import { copy, none, socketLink, table, tag } from "./parts.js";
import { view } from "./view.js";
import { bytes, many, number, seconds, who } from "./words.js";

const ROWS = 1000; // at most
const STATES = ["established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2", "time-wait", "closed", "close-wait",
	"last-ack", "listening", "closing", "new-syn-recv", "bound-inactive"];
const ATTACHMENTS = ["held", "unaccepted", "orphan", "timewait", "request", "unheld"];

const IPV6 = /^\[?[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*\]?([:/]\d+)?$/; // "fd::1" is no filter of the name "fd"

// "state=close-wait 443 nginx" to parameters.
export function parseQuery(text)
{
	const parameters = new URLSearchParams();

	for (const [token, name, value] of text.matchAll(/([\w.]+)[=:]("[^"]*"|\S+)|\S+/g)) {
		const word = token.toLowerCase();

		if (IPV6.test(word))
			parameters.append("remote", word);
		else if (name && (token.includes("=") || /^[a-z_]+(\.[a-z]+)?$/.test(name)))
			parameters.append(name, value.replaceAll('"', ""));
		else if (STATES.includes(word))
			parameters.append("state", word);
		else if (ATTACHMENTS.includes(word))
			parameters.append("attachment", word);
		else if (/^\d+$/.test(word))
			parameters.append("port", word);
		else if (/^[0-9.]+([:/]\d+)?$/.test(word))
			parameters.append("remote", word);
		else if (/\.(service|scope|socket|slice)$/.test(word))
			parameters.append("unit", token);
		else
			parameters.append("comm", token);
	}
	return parameters;
}

const FIELDS = "id,flow,state,attachment,holders,creator,unread_bytes,unsent_bytes,state_seconds,state_exact,idle_seconds," +
	"outcomes.close.segment,outcomes.close.peer_finished,outcomes.close.certain,fate,findings";

export function searchUrl()
{
	if (view.query === null)
		return null;
	const parameters = parseQuery(view.query);

	if (view.sort && !parameters.has("sort"))
		parameters.set("sort", view.sort);
	if (!parameters.has("limit"))
		parameters.set("limit", view.rows);
	parameters.set("fields", FIELDS);
	return `/sockets?${parameters}`;
}

const SORTS = { "in state": "state_seconds", unread: "unread_bytes", unsent: "unsent_bytes", idle: "idle_seconds" };

function sortHead(name)
{
	const field = SORTS[name], order = view.sort === `-${field}` ? "descending" : view.sort === field ? "ascending" : null;

	return [h("button", { type: "button", "data-sort": field, "aria-label": `${name}, sort` },
		`${name}${order ? order === "descending" ? " ▾" : " ▴" : ""}`), "num"];
}

function ending(s)
{
	const close = s.outcomes && s.outcomes.close;

	if (close)
		return [tag(close.segment === "none" ? "nothing" : close.segment.toUpperCase(), close.segment),
			close.certain ? "" : " perhaps", close.segment === "rst" && close.peer_finished ?
				h("span", { class: "dim" }, " peer has finished") : ""];
	if (s.fate)
		return h("span", { class: "dim" }, `${s.fate.ends_with} within ${seconds(s.fate.at_most_seconds)}`);
	return "?";
}

export function drawSearch(answer)
{
	const fresh = view.fresh;

	const rows = answer.sockets || [], url = tasks.search.url.replace(/&?fields=[^&]*/, "");

	$("matched").textContent = `${many(answer.matched, "socket")} found` +
		(answer.returned < answer.matched ? `, ${number(answer.returned)} shown` : "");
	show("search-body", rows.length ? table("If it is closed now: what the kernel sends.",
		[["Connection"], ["State"], ["Who"], ["If closed now"], sortHead("unread"), sortHead("unsent"), sortHead("in state"),
			sortHead("idle")],
		rows.map(s => ({ key: s.id, cells: [
			[socketLink(s.id, s.flow), "flow"],
			[[s.state, s.attachment === "held" ? "" : h("span", { class: "dim" }, ` ${s.attachment}`),
				s.findings.length ? [" ", s.findings.map(rule => tag(rule, "info"))] : ""]],
			[who(s.holders[0]) || (s.creator ? `left by ${who(s.creator)}` : h("span", { class: "dim" }, "nobody known"))],
			[ending(s)],
			[bytes(s.unread_bytes), "num"], [bytes(s.unsent_bytes), "num"],
			[`${s.state_exact ? "" : "≥ "}${seconds(s.state_seconds)}`, "num"], [seconds(s.idle_seconds), "num"],
		] }))) : none(answer, "No socket matches.", "No socket matches of those seen."),
		h("p", { class: "links" }, answer.next !== null && view.rows < ROWS && h("button", { type: "button", "data-more": "search" },
			`${number(answer.matched - answer.returned)} more`), " ", copy(url),
			answer.next !== null && view.rows >= ROWS && h("span", { class: "dim" },
				`More than ${number(ROWS)} rows help nobody here: narrow the search, or take all by curl with limit=0.`)));
	// There was less to scroll to before.
	if (fresh)
		$("search").scrollIntoView();
	view.fresh = false;
}

export function searchRefused()
{
	$("matched").textContent = "";
}

export function moreSockets()
{
	view.rows = ROWS;
	soon("search");
}
