// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What stands above all sections, and beside them: the line, sums and limits, what is not seen.
import { tasks } from "./ask.js";
import { $, h, show } from "./elements.js";
import { drawFindings } from "./findings.js";
import { facts, searchLink, tag } from "./parts.js";
import { bytes, containerName, many, moment, number, percent, plain, seconds, unknown } from "./words.js";

const LATELY = 600; // seconds
const reached = new Map(); // by limit: how often until the last answer, and lately: [when, how often]
let snapshot = null, snapshotAt = 0;

// The one that came last: after a restart, or a clock that was set back, its number and time are lower.
export function seen(fresh)
{
	snapshot = fresh;
	snapshotAt = performance.now();
	tick();
}

export function tick()
{
	if (!snapshot)
		return;
	const passed = (performance.now() - snapshotAt) / 1000;
	const age = snapshot.age_seconds === null ? null : snapshot.age_seconds + passed;
	const sweep = snapshot.sweep_age_seconds === null ? null : snapshot.sweep_age_seconds + passed;
	const summary = tasks.summary.answer, spaces = snapshot.namespaces;

	show("line", moment(snapshot.time), " UTC · ",
		summary ? [summary.total === null ? "sockets not known" : many(summary.total, "socket"),
			spaces && spaces.read > 1 ? ` in ${number(spaces.read)} namespaces` : "", " · "] : "",
		h("span", { class: age > 15 ? "bad" : null }, `${seconds(age)} old`), ` (all: ${seconds(sweep)}) · `,
		snapshot.complete ? "complete" : h("a", { href: "#unseen", class: "bad" }, "not complete"));
}

export function drawSummary(s)
{
	const f = s.findings, o = s.orphans, m = s.memory, c = s.close;

	show("counts", ["critical", "warning", "info"].map(word =>
		[tag(`${word} ${number(f[word])}`, f[word] ? word : "none"), " "]));
	document.title = `${f.critical ? `${f.critical} critical, ` : f.warning ? `${f.warning} warning, ` : ""}` +
		`tcpdiagd ${$("host").textContent}`;
	unseen();
	show("limits-body",
		c && h("p", null, "close() of every socket now: ",
			searchLink({ closes_with: "rst" }, many(c.rst_peer_open + c.rst_peer_finished, "RST")),
			` (${number(c.rst_peer_open)} to a peer that is still open, ${number(c.rst_peer_finished)} to one that ` +
			`has finished), ${number(c.fin)} FIN, ${number(c.none)} nothing.`),
		facts([
			["Orphans", o.count === null ? unknown() : [searchLink({ attachment: "orphan" }, number(o.count)),
				o.limit === null ? " (limit not known)" : ` of ${number(o.limit)} (${percent(o.count / o.limit)})`,
				o.growth_per_second > 0 ? `, +${o.growth_per_second.toFixed(1)}/s` : "",
				o.seconds_to_limit !== null ? `, full in ${seconds(o.seconds_to_limit)}` : "",
				o.growth_per_second === null ? ", rate not known yet" : ""]],
			o.creators && o.creators.length ? ["left by", o.creators.slice(0, 3).map(one =>
				`${containerName({ name: one.container_name, id: one.container || "" }) || one.unit || one.comm} ` +
				number(one.count)).join(", ")] : null,
			["TCP memory", m ? bytes(m.bytes) + (m.limits ? ` of ${bytes(m.limits.high)}, pressure at ` +
				bytes(m.limits.pressure) : " (limit not known)") : unknown()],
			["Ports used", s.ports && s.ports.used_ratio_max !== null ? percent(s.ports.used_ratio_max) : unknown()],
			["Accept queues", s.listeners ? `${number(s.listeners.waiting)} waiting` : unknown()],
			["Unread", s.unread_bytes ? `${bytes(s.unread_bytes.peer_open + s.unread_bytes.peer_finished)}` : unknown()],
			["Unsent", s.unsent_bytes === null ? unknown() : bytes(s.unsent_bytes)],
		]));
	tick();
}

// The counters begin anew with the daemon, and say only how often until now: what was lately is how much they grew, or
// all of it in a daemon that is young itself.
export function watchLimits(limits, uptime, now = performance.now())
{
	for (const [what, times] of Object.entries(limits || {})) {
		const one = reached.get(what) || { times: uptime !== null && uptime < LATELY ? 0 : times, lately: [] };
		const grown = times < one.times ? times : times - one.times;

		one.times = times;
		one.lately = one.lately.filter(([when]) => when > now - LATELY * 1000);
		if (grown)
			one.lately.push([now, grown]);
		reached.set(what, one);
	}
}

export function drawStatus(s)
{
	watchLimits(s.limits, s.uptime_seconds);
	$("host").textContent = [s.host, s.kernel && `kernel ${s.kernel}`, `v${s.version}`].filter(Boolean).join(" · ");
	if (s.collector)
		$("cost").textContent = `tcpdiagd itself: ${seconds(s.collector.cpu_seconds)} of CPU in ` +
			`${seconds(s.uptime_seconds)}, ${bytes(s.collector.resident_bytes)}.`;
	unseen();
	if (tasks.findings.answer)
		drawFindings(tasks.findings.answer);
}

// What is missing, in the words of the snapshot and of the sources.
function unseen()
{
	const status = tasks.status.answer || {};
	const lines = [...(snapshot && snapshot.missing || status.missing || [])];

	for (const source of status.sources || [])
		if (source.state !== "ok" && !lines.some(l => l.startsWith(source.name + ":")))
			lines.push(`${source.name} (${source.state})${source.reason ? ": " + source.reason : ""}`);
	for (const lane of status.lanes || [])
		if (lane.stretched)
			lines.push(`${lane.name}: polled each ${seconds(lane.interval_seconds)} instead of ` +
				`${seconds(lane.wanted_seconds)}, to spare the CPU`);
	for (const [what, { lately }] of reached)
		if (lately.length)
			lines.push(`limit of ${plain(what)}: reached ${many(lately.reduce((sum, [, times]) => sum + times, 0), "time")}` +
				` in the last ${seconds(LATELY)}`);
	if (status.replay)
		lines.push("a file is shown, not this machine");
	$("unseen").hidden = !lines.length;
	show("unseen", h("strong", null, "Not seen"), h("ul", null, lines.map(line => h("li", null, line))));
}
