// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is wrong now.
import { tasks } from "./ask.js";
import { $, h, show } from "./elements.js";
import { facts, moreButton, ruleLink, searchLink, tag } from "./parts.js";
import { view } from "./view.js";
import { bytes, many, moment, number, percent, plain, seconds, who } from "./words.js";

function evidence(object)
{
	return Object.entries(object || {}).map(([name, value]) => {
		if (typeof value !== "number")
			return [plain(name), value === null ? "?" : String(value)];
		if (name.endsWith("_bytes"))
			return [plain(name.slice(0, -6)), bytes(value)];
		if (name.endsWith("_per_second"))
			return [plain(name.slice(0, -11)), `${Number(value.toFixed(2))}/s`];
		if (name.endsWith("_seconds") || name.startsWith("seconds_"))
			return [plain(name.replace("_seconds", "")), seconds(value)];
		return [plain(name), name.endsWith("ratio") ? percent(value) : number(Math.round(value * 100) / 100)];
	});
}

function drawFinding(f)
{
	const blamed = { finding: f.rule, pid: f.process && f.process.pid || null,
		unit: f.process && f.process.pid ? null : f.unit };

	return h("article", { class: `finding ${f.severity}${f.id === view.finding ? " marked" : ""}`, id: `finding-${f.id}`,
		"data-key": `${f.id} ${f.severity}` },
		h("h3", null, tag(f.severity), f.summary || f.rule),
		facts([["for", seconds(f.seconds)], ["who", who(f.process) || f.unit], ...evidence(f.evidence)]),
		h("details", { open: f.severity !== "info" },
			h("summary", null, "Cause and remedy"),
			f.cause && h("p", null, f.cause), f.remedy && h("p", null, h("strong", null, "Do: "), f.remedy)),
		h("p", { class: "more" }, "rule ", ruleLink(f.rule), " ",
			f.socket && h("a", { href: "#socket=" + encodeURIComponent(f.socket) }, "worst socket"),
			f.scope !== "host" && searchLink(blamed, many(f.count, "socket")),
			h("a", { href: "#finding=" + encodeURIComponent(f.id) }, "link")));
}

const listed = () => (tasks.findings.answer || { findings: [] }).findings.some(f => f.id === view.finding);

// Of the finding that a link leads to, where it is not in the list: beyond its end, or over.
export const linkedUrl = () => view.finding && tasks.findings.answer && !listed() ?
	`/findings?id=${encodeURIComponent(view.finding)}` : null;

export function drawLinked(answer)
{
	show("linked-body", answer.findings.length ? answer.findings.map(drawFinding) : h("p", { class: "box" },
		`The finding ${view.finding} is not there any more: what it was about is over, or it comes from another daemon.`));
}

export function drawFindings(answer)
{
	const status = tasks.status.answer || {}, shown = answer.findings.slice(0, view.more.findings);
	const warming = status.warming_rules || [];

	show("findings-body",
		!answer.findings.length && h("p", null, tag("nothing found", "good"), " Nothing is wrong in what ",
			answer.snapshot.complete ? "is seen" : "could be seen",
			status.history && status.history.since ? [", watched since ", moment(status.history.since), " UTC"] : "", "."),
		shown.map(drawFinding),
		moreButton("findings", answer.matched - shown.length),
		warming.length && h("p", { class: "dim" }, "Too early to see slow growth: ",
			warming.map(w => `${w.rule} (${seconds(w.seconds_left)} more)`).join(", "), "."));
	if (!linkedUrl())
		show("linked-body");
	if (view.finding && !view.found && $(`finding-${view.finding}`)) {
		view.found = true;
		$(`finding-${view.finding}`).scrollIntoView();
	}
}
