// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What ending a unit, a container or a process would do.
import { h, show } from "./elements.js";
import { moreButton, none, searchLink, table, tag } from "./parts.js";
import { choose, view } from "./view.js";
import { bytes, containerName, many, number } from "./words.js";

function verdict(e)
{
	const hurt = e.rst_peer_open + e.listener_resets, lost = e.unread_bytes + e.unsent_bytes;
	const say = [
		e.rst_peer_open && `resets ${many(e.rst_peer_open, "connection")} whose peer is open`,
		e.listener_resets && `refuses ${number(e.listener_resets)} that wait to be accepted`,
		lost && `loses ${bytes(lost)}`,
		e.rst_peer_finished && `resets ${number(e.rst_peer_finished)} whose peer has finished`,
		e.unanswered && `${many(e.unanswered, "request")} probably open`,
		e.unanswered === null && "open requests not known",
	].filter(Boolean);

	if (!e.certain || e.clean === null)
		return { word: "not known", kind: "warning", hurt, lost,
			say: [...say, ...e.uncertain_because].join("; ") };
	if (e.clean)
		return { word: "clean", kind: "good", hurt, lost, say: say.join("; ") };
	if (e.harmless)
		return { word: "harmless", kind: "info", hurt, lost, say: say.join("; ") };
	return { word: hurt ? `hurts ${number(hurt)}` : "loses data", kind: "critical", hurt, lost, say: say.join("; ") };
}

const OWNERS = {
	units: { name: one => one.name, filter: one => ({ unit: one.name }), none: "No systemd unit has a socket here.",
		seen: "No systemd unit was seen that has a socket here." },
	containers: { name: one => containerName(one.container) || one.name, filter: one => ({ container: one.name }),
		none: "No container has a socket here.",
		seen: "No container was seen that has a socket here." },
	processes: { name: one => `${one.comm || "?"} (${one.pid})`, filter: one => ({ pid: one.pid }),
		none: "No process has a socket here.",
		seen: "No process was seen that has a socket here." },
};

export function drawOwners(answer)
{
	const kind = OWNERS[view.owners], list = answer[view.owners];

	// Where systemd does not run, the processes say more than an empty table.
	if (view.owners === "units" && !view.chosen && !answer.matched) {
		choose("owners", "processes");
		return;
	}
	const rows = list.map(one => ({ one, v: verdict(one.exit) }))
		.sort((a, b) => b.v.hurt - a.v.hurt || b.v.lost - a.v.lost || (b.v.kind === "warning") - (a.v.kind === "warning") ||
			b.one.exit.rst - a.one.exit.rst || b.one.exit.unanswered - a.one.exit.unanswered ||
			b.one.exit.fin - a.one.exit.fin);
	const shown = rows.slice(0, view.more.owners);

	show("stop-body",
		!rows.length ? none(answer, kind.none, kind.seen) : table(
			`${many(answer.matched, "row")}, most hurt first. RST live: the peer is still open; RST done: it has finished.`,
			[["Name"], ["Restart now"], ["RST live", "num opt"], ["RST done", "num opt"], ["FIN", "num opt"],
				["Lost", "num opt"], ["Accept queue", "num opt"]],
			shown.map(({ one, v }) => ({ key: String(one.pid || one.name), cells: [
				[[searchLink(kind.filter(one), kind.name(one)), view.owners === "processes" && one.unit ?
					h("div", { class: "dim" }, one.unit) : ""]],
				[[tag(v.word, v.kind), " ", v.say, one.closed_note && h("div", { class: "dim" }, one.closed_note)]],
				[number(one.exit.rst_peer_open), "num opt"], [number(one.exit.rst_peer_finished), "num opt"],
				[number(one.exit.fin), "num opt"], [bytes(v.lost), "num opt"],
				[number(one.exit.listener_resets), "num opt"],
			] }))),
		moreButton("owners", rows.length - shown.length),
		answer.next !== null && h("p", { class: "dim" },
			`Only the first ${number(answer.returned)} of ${number(answer.matched)} are read here.`));
}
