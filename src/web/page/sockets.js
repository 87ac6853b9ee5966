// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Sockets by state and by who has them; listeners and their queues.
import { h, show } from "./elements.js";
import { moreButton, none, searchLink, socketLink, table, tag } from "./parts.js";
import { view } from "./view.js";
import { endpoint, number, seconds } from "./words.js";

const COLUMNS = [["held", ["held"]], ["accept queue", ["unaccepted"]], ["orphan", ["orphan"]],
	["mini", ["timewait", "request"]], ["nobody", ["unheld"]], ["unknown", ["unknown"]]];

export function drawStates(answer)
{
	const states = new Map();

	for (const group of answer.groups) {
		const row = states.get(group.key.state) || { total: 0, oldest: null, by: {} };

		row.total += group.count;
		row.by[group.key.attachment] = group.count;
		if (group.oldest_seconds !== null)
			row.oldest = Math.max(row.oldest || 0, group.oldest_seconds);
		states.set(group.key.state, row);
	}
	const used = COLUMNS.filter(([, words]) => [...states.values()].some(row => words.some(w => row.by[w])));

	show("states-body", states.size ? table("Who has them: a process, an accept queue, nobody any more (orphan), or a " +
		"minisocket (time-wait, requests). Each number leads to its sockets.",
		[["State"], ["Total", "num"], ...used.map(([name]) => [name, "num"]), ["Oldest", "num"]],
		[...states].map(([state, row]) => ({ key: state, cells: [
			[state], [searchLink({ state }, number(row.total)), "num"],
			...used.map(([, words]) => {
				const word = words.find(w => row.by[w]);

				return [word ? searchLink({ state, attachment: word }, number(row.by[word])) : "·", "num"];
			}),
			[row.oldest === null ? "?" : seconds(row.oldest), "num"],
		] }))) : none(answer, "No TCP socket at all.", "No TCP socket seen."));
}

export function drawListeners(answer)
{
	const rows = answer.listeners;
	const shown = rows.slice(0, view.more.listeners);

	show("listeners-body", rows.length ? table("Fullest first. Closing one resets what waits in its queue.",
		[["Listener"], ["Who"], ["Queue / limit"], ["Reset if closed", "num opt"], ["Overflows", "num opt"]],
		shown.map(l => ({ key: l.id, cells: [
			[socketLink(l.id, endpoint(l.local)), "flow"],
			[[l.comm || h("span", { class: "dim" }, "not known"), l.unit ? h("span", { class: "dim" }, ` ${l.unit}`) : "",
				l.linger && l.linger.on && l.linger.seconds === 0 ? [" ", tag("linger 0", "warning")] : ""]],
			[[h("meter", { max: Math.max(l.limit, 1), value: l.queue, high: l.limit * 0.8, "aria-hidden": "true" }),
				` ${number(l.queue)} / ${number(l.limit)} `, l.full && tag("FULL", "critical")]],
			[number(l.resets), "num opt"], [number(l.overflows), "num opt"],
		] }))) : none(answer, "Nobody listens.", "No listener seen."),
		moreButton("listeners", rows.length - shown.length),
		answer.next !== null && h("p", { class: "dim" },
			`Only the fullest ${number(answer.returned)} of ${number(answer.matched)} are read here.`));
}

