// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The page asks the routes that everybody has, one question at a time, and shows the answers. What is not known is
// said to be unknown. All text from the daemon goes into the document as text: a process may call itself "<script>".
"use strict";

const $ = id => document.getElementById(id);
const GAP = 200; // ms between two questions, so there are five a second at most
const SHARE = 20; // a question that takes long is asked again after so many times that
const EVENTS = 200; // kept in the list
const ROWS = 1000; // of sockets, at most

const view = {
	owners: "units", chosen: false, since: "15m", query: null, sort: "", rows: 100, socket: null, finding: null,
	held: false, more: { findings: 10, owners: 20, listeners: 15, resets: 20 },
};

// ---- elements ----

// An element; children are nodes, texts, lists of these, or nothing.
function h(name, attributes, ...children)
{
	const element = document.createElement(name);

	for (const [key, value] of Object.entries(attributes || {}))
		if (value !== null && value !== undefined && value !== false)
			element.setAttribute(key, value === true ? "" : value);
	element.append(...children.flat(9).filter(c => c !== null && c !== undefined && c !== false && c !== ""));
	return element;
}

// Makes `old` what `fresh` is, keeping what is the same: the focus, a selection, a <details> that was opened.
function morph(old, fresh)
{
	if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName ||
	    (old.nodeType === 1 && old.dataset.key !== fresh.dataset.key)) {
		old.replaceWith(fresh);
		return;
	}
	if (old.nodeType !== 1) {
		if (old.data !== fresh.data)
			old.data = fresh.data;
		return;
	}
	for (const { name, value } of [...fresh.attributes])
		if (old.getAttribute(name) !== value && name !== "open")
			old.setAttribute(name, value);
	for (const { name } of [...old.attributes])
		if (!fresh.hasAttribute(name) && name !== "open")
			old.removeAttribute(name);
	morphChildren(old, [...fresh.childNodes]);
}

function morphChildren(parent, fresh)
{
	const keyed = new Map();
	let at = parent.firstChild;

	for (const child of parent.children)
		if (child.dataset.key)
			keyed.set(child.dataset.key, child);
	for (const want of fresh) {
		const have = want.nodeType === 1 && want.dataset.key ? keyed.get(want.dataset.key) : null;

		if (have && have !== at)
			parent.insertBefore(have, at);
		if (have || at) {
			const one = have || at;

			// What was replaced is behind us either way.
			at = one.nextSibling;
			morph(one, want);
		} else {
			parent.append(want);
		}
	}
	while (at) {
		const gone = at;

		at = at.nextSibling;
		gone.remove();
	}
}

const show = (id, ...children) => morphChildren($(id), [...h("div", null, ...children).childNodes]);

// ---- words ----

const numbers = new Intl.NumberFormat("en-US");
const unknown = () => h("span", { class: "dim", title: "not known" }, "not known");
const number = n => n === null || n === undefined ? "?" : numbers.format(n);
const many = (n, one, more) => `${number(n)} ${n === 1 ? one : more || one + "s"}`;

function bytes(n)
{
	const units = ["B", "kB", "MB", "GB", "TB"];
	let i = 0;

	if (n === null || n === undefined)
		return "?";
	while (n >= 1000 && i < units.length - 1) {
		n /= 1000;
		i++;
	}
	return `${i && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

function seconds(s)
{
	if (s === null || s === undefined)
		return "?";
	if (s === "forever")
		return "for ever";
	if (s < 10)
		return `${Number(s.toFixed(1))} s`;
	if (s < 120)
		return `${Math.round(s)} s`;
	if (s < 7200)
		return `${Math.round(s / 60)} min`;
	return s < 172800 ? `${(s / 3600).toFixed(1)} h` : `${Math.round(s / 86400)} d`;
}

const percent = ratio => `${(ratio * 100).toFixed(ratio < 0.1 ? 1 : 0)} %`;
const plain = word => String(word).replaceAll("_", " ");

// UTC, as in logs and in the report; what the clock on the wall says is in the title.
function moment(text)
{
	const date = new Date(text);

	if (!text || isNaN(date))
		return "?";
	return h("time", { datetime: text, title: `${date.toLocaleString()} here` },
		date.toISOString().slice(Date.now() - date > 86400000 ? 0 : 11, 19).replace("T", " "));
}

const tag = (word, kind) => h("span", { class: `tag ${kind || word}` }, word);
const facts = rows => h("dl", { class: "facts" },
	rows.filter(row => row && row[1] !== null && row[1] !== undefined)
		.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));

const quote = value => /[\s"]/.test(value) ? `"${String(value).replaceAll('"', "")}"` : value;
const filters = object => Object.entries(object).filter(([, v]) => v !== null && v !== undefined)
	.map(([k, v]) => `${k}=${quote(v)}`).join(" ");
const searchLink = (object, ...text) => h("a", { href: "#search=" + encodeURIComponent(filters(object)) }, ...text);
const socketLink = (id, text) => h("a", { href: "#socket=" + encodeURIComponent(id), class: "flow" }, text || id);
const ruleLink = rule => h("a", { href: `/rules/${encodeURIComponent(rule)}?format=text` }, rule);
const copy = path => navigator.clipboard && h("button", { type: "button", "data-copy": `curl '${location.origin}${path}'` },
	"Copy as curl");

function who(process)
{
	if (!process)
		return null;
	return [process.comm || "?", process.pid ? ` (${process.pid})` : "", process.unit ? `, ${process.unit}` : "",
		process.container_name ? `, ${process.container_name}` : ""].join("");
}

function containerName(container)
{
	if (!container)
		return null;
	if (container.pod)
		return [container.namespace, container.pod, container.name].filter(Boolean).join("/");
	return container.name || String(container.id).slice(0, 12);
}

// A table whose cells are [content, class]; the first one heads its row. The class opt goes on narrow screens.
function table(caption, heads, rows)
{
	const cell = (name, scope) => ([content, kind]) =>
		h(name, { class: kind || null, scope }, content === null || content === undefined ? "" : content);

	return h("div", { class: "wide" }, h("table", null, h("caption", null, caption),
		h("thead", null, h("tr", null, heads.map(cell("th", "col")))),
		h("tbody", null, rows.map(row => h("tr", { "data-key": row.key },
			row.cells.map((c, i) => cell(i ? "td" : "th", i ? null : "row")(c)))))));
}

const moreButton = (what, left) => left > 0 && h("p", null,
	h("button", { type: "button", "data-more": what }, `${number(left)} more`));

// ---- asking ----

class Refused extends Error {
	constructor(status, text)
	{
		super(text);
		this.status = status;
	}
}

// What was answered last, by task: the same question may be answered with "as before".
async function ask(task, url)
{
	const headers = { Accept: "application/json" };

	if (task.url === url && task.etag)
		headers["If-None-Match"] = task.etag;
	const reply = await fetch(url, { headers, cache: "no-store", signal: AbortSignal.timeout(30000) });
	if (reply.status === 304)
		return false;
	const type = reply.headers.get("Content-Type") || "";
	const body = type.includes("json") ? await reply.json() : null;
	if (!reply.ok)
		throw new Refused(reply.status, body && body.detail || `HTTP status ${reply.status}`);
	task.url = url;
	task.etag = reply.headers.get("ETag");
	task.answer = body;
	return true;
}

const tasks = {
	summary: { ask: () => "/summary", every: 3, body: "limits-body", draw: drawSummary },
	findings: { ask: () => "/findings?limit=200", every: 3, body: "findings-body", draw: drawFindings },
	status: { ask: () => "/status", every: 10, body: "unseen", draw: drawStatus },
	owners: { ask: () => `/${view.owners}?limit=1000`, every: 5, body: "stop-body", draw: drawOwners },
	states: { ask: () => "/sockets?group=state,attachment&limit=200", every: 5, body: "states-body", draw: drawStates },
	listeners: { ask: () => "/listeners?limit=1000", every: 5, body: "listeners-body", draw: drawListeners },
	resets: { ask: () => `/resets?since=-${view.since}&group=unit,reason&limit=500`, every: 10, body: "resets-body",
		draw: drawResets },
	socket: { ask: () => view.socket && `/sockets/${encodeURIComponent(view.socket)}`, every: 3, body: "drawer-body",
		draw: drawSocket },
	search: { ask: searchUrl, every: 5, body: "search-body", draw: drawSearch },
};
let first = Object.keys(tasks).length; // the first round is asked without waiting
let working = false, wake = () => {}, failed = 0;
const pause = ms => new Promise(done => {
	wake = done;
	setTimeout(done, ms);
});

function soon(...names)
{
	for (const name of names) {
		tasks[name].due = 0;
		tasks[name].again = true;
	}
	wake();
	work();
}

async function work()
{
	if (working)
		return;
	working = true;
	while (!document.hidden) {
		const now = performance.now();
		// What a person has just asked for comes even while the rest stands still.
		const due = Object.values(tasks).filter(t => t.ask() && (!view.held || t.again || !t.answer))
			.sort((a, b) => (a.due || 0) - (b.due || 0))[0];
		const wait = due ? (due.due || 0) - now : 1000;

		if (wait > 0) {
			await pause(Math.min(wait, 1000));
			continue;
		}
		due.again = false;
		await once(due);
		if (first-- <= 0)
			await pause(GAP);
	}
	working = false;
}

async function once(task)
{
	const url = task.ask(), started = performance.now();

	try {
		const changed = await ask(task, url);

		failed = 0;
		$("down").hidden = true;
		$("down").textContent = "";
		if (task.ask() !== url) {
			// Something else is wanted by now.
			task.due = 0;
			return;
		}
		if (changed) {
			if (task.answer.snapshot)
				seen(task.answer.snapshot);
			task.draw(task.answer);
		}
	} catch (error) {
		task.etag = null;
		if (error instanceof Refused)
			refused(task, error);
		else
			unreachable(error);
	}
	const took = performance.now() - started;
	task.due = performance.now() + Math.max(task.etag === null ? 2000 : task.every * 1000, SHARE * took);
}

function refused(task, error)
{
	task.answer = task.url = null;
	if (task.body === "unseen")
		$("unseen").hidden = false;
	show(task.body, h("p", { class: "bad" }, error.status === 503 ? "Not known: " : "", error.message));
	if (task === tasks.search)
		$("matched").textContent = "";
}

function unreachable(error)
{
	if (failed++ < 1)
		return;
	$("down").hidden = false;
	$("down").textContent = `tcpdiagd does not answer (${error.message}). What stands here is old; trying again.`;
}

// ---- the top ----

let snapshot = null, snapshotAt = 0;

function seen(fresh)
{
	if (snapshot && fresh.id < snapshot.id && fresh.time < snapshot.time)
		return;
	snapshot = fresh;
	snapshotAt = performance.now();
	tick();
}

function tick()
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

function drawSummary(s)
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

function drawStatus(s)
{
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
	for (const [what, times] of Object.entries(status.limits || {}))
		if (times)
			lines.push(`limit of ${plain(what)}: reached ${many(times, "time")} since the start`);
	if (status.replay)
		lines.push("a file is shown, not this machine");
	$("unseen").hidden = !lines.length;
	show("unseen", h("strong", null, "Not seen"), h("ul", null, lines.map(line => h("li", null, line))));
}

// ---- findings ----

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

function drawFindings(answer)
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
	if (view.finding && !view.found && $(`finding-${view.finding}`)) {
		view.found = true;
		$(`finding-${view.finding}`).scrollIntoView();
	}
}

// ---- what ending something would do ----

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
	units: { name: one => one.name, filter: one => ({ unit: one.name }), none: "No systemd unit has a socket here." },
	containers: { name: one => containerName(one.container) || one.name, filter: one => ({ container: one.name }),
		none: "No container has a socket here." },
	processes: { name: one => `${one.comm || "?"} (${one.pid})`, filter: one => ({ pid: one.pid }),
		none: "No process has a socket here." },
};

function drawOwners(answer)
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
		!rows.length ? h("p", { class: "dim" }, kind.none) : table(
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

// ---- states, listeners, resets ----

const COLUMNS = [["held", ["held"]], ["accept queue", ["unaccepted"]], ["orphan", ["orphan"]],
	["mini", ["timewait", "request"]], ["nobody", ["unheld"]], ["unknown", ["unknown"]]];

function drawStates(answer)
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
		] }))) : h("p", null, "No TCP socket at all."));
}

const endpoint = e => e ? `${e.address.includes(":") ? `[${e.address}]` : e.address}:${e.port}` : "";

function drawListeners(answer)
{
	const load = l => l.full ? 2 : l.limit ? l.queue / l.limit : 0;
	const rows = answer.listeners.sort((a, b) => load(b) - load(a) || b.queue - a.queue || a.local.port - b.local.port);
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
		] }))) : h("p", { class: "dim" }, "Nobody listens."),
		moreButton("listeners", rows.length - shown.length));
}

const REASONS = {
	"tcp-abort-on-close": "closed with unread data",
	"tcp-abort-on-linger": "SO_LINGER 0",
	"tcp-abort-on-data": "data came after our close",
	"tcp-abort-on-memory": "no memory, or too many orphans",
	"tcp-keepalive-timeout": "keep-alive without an answer",
	"tcp-disconnect-with-data": "disconnected with data left",
	"tcp-timewait-socket": "came for a connection in TIME-WAIT",
	"tcp-state": "ended before it was established",
	"no-socket": "came for a connection that is no more",
	"no-socket-syn": "nobody listens there",
};

function drawResets(answer)
{
	const t = answer.total, shown = answer.resets.slice(0, view.more.resets);
	const all = answer.source.state === "ok"; // else there may have been more, and none is no answer

	show("resets-body",
		!all && h("p", { class: "bad" }, `Events: ${answer.source.state}. `, answer.source.reason),
		all || t.count ? h("p", null, all ? "" : "At least: ", `${number(t.sent)} sent, ${number(t.received)} received`,
			t.count ? `; the peer was still open in ${number(t.peer_open)}; ${bytes(t.unread_bytes)} unread were lost. ` : ". ",
			h("span", { class: "dim" }, "Remembered since ", moment(answer.oldest), " UTC.")) :
			h("p", null, "Resets are not known."),
		shown.length ? table("By unit and reason, most first.",
			[["Unit"], ["Why"], ["Sent", "num"], ["Received", "num"], ["Unread lost", "num opt"], ["Peer open", "num opt"]],
			shown.map(r => ({ key: `${r.key.unit} ${r.key.reason}`, cells: [
				[r.key.unit || h("span", { class: "dim" }, "nobody known")],
				[r.key.reason ? [r.key.reason, REASONS[r.key.reason] ?
					h("div", { class: "dim" }, REASONS[r.key.reason]) : ""] :
					h("span", { class: "dim" }, "received: the peer, or something between, did it")],
				[number(r.sent), "num"], [number(r.received), "num"], [bytes(r.unread_bytes), "num opt"],
				[number(r.peer_open), "num opt"],
			] }))) : "",
		moreButton("resets", answer.matched - shown.length));
}

// ---- live events ----

const live = { source: null, last: null, waiting: [], skipped: 0, paused: false, times: [], retry: 0, said: "" };
const KINDS = { "reset-sent": "critical", "reset-received": "warning", "timed-out": "warning", gap: "warning",
	"finding-raised": "warning", "finding-cleared": "good" };

function eventRow(e)
{
	if (e.kind === "gap")
		return h("li", { class: "gap" }, e.time ? [moment(e.time), " "] : "", e.lost === null || e.lost === undefined ?
			"Gap: events before this were not seen here; how many is not known." :
			`Gap: ${many(e.lost, "event")} were lost before they could be shown.`);
	const person = who(e.holder) || who(e.creator), f = e.finding;

	return h("li", { "data-event": e.id }, moment(e.time), tag(e.kind, KINDS[e.kind] || "info"),
		e.socket && socketLink(e.socket.id, e.socket.flow),
		h("span", { class: "dim" }, [e.reason, e.derived ? "(derived)" : null, person].filter(Boolean).join(" · ")),
		h("div", null, e.cause || f && f.summary || ""));
}

function flush()
{
	const list = $("events-list"), fresh = live.waiting;

	live.timer = null;
	if (live.paused) {
		streamSays();
		return;
	}
	live.waiting = [];
	for (const event of fresh)
		list.prepend(eventRow(event));
	if (live.skipped)
		list.prepend(h("li", { class: "gap" }, `${many(live.skipped, "event")} more came than are shown here.`));
	live.skipped = 0;
	while (list.children.length > EVENTS)
		list.lastChild.remove();
	$("events-none").hidden = list.children.length > 0;
	streamSays();
}

function take(event)
{
	if (event.kind !== "gap")
		live.last = event.id;
	live.times.push(performance.now());
	live.waiting.push(event);
	if (live.waiting.length > EVENTS) {
		live.waiting.shift();
		live.skipped++;
	}
	if (live.times.length > 10000)
		live.times.splice(0, 5000);
	if (!live.timer)
		live.timer = setTimeout(flush, 250);
}

// The stream's state, said aloud: no more than once in five seconds while only numbers change.
function streamSays(word)
{
	const now = performance.now();

	if (word)
		live.word = word;
	while (live.times.length && live.times[0] < now - 60000)
		live.times.shift();
	if (!word && now - (live.saidAt || -5000) < 5000 && !live.paused)
		return;
	live.saidAt = now;
	const text = live.paused ? `paused, ${many(live.waiting.length + live.skipped, "new event")}` :
		`${live.word || "connecting"} · ${many(live.times.length, "event")} in the last minute`;
	if ($("stream").textContent !== text)
		$("stream").textContent = text;
}

async function startEvents()
{
	if (live.source || live.starting || document.hidden)
		return;
	live.starting = true;
	try {
		if (live.last === null) {
			const task = {};

			await ask(task, "/events?last=50");
			for (const event of task.answer.events)
				take(event);
			live.times = [];
			live.last = task.answer.newest;
			if (task.answer.source.state !== "ok")
				streamSays(`events ${task.answer.source.state}`);
		}
		listen();
	} catch (error) {
		streamSays(`not connected: ${error.message}`);
		later();
	}
	live.starting = false;
}

function later()
{
	clearTimeout(live.retry);
	live.retry = setTimeout(startEvents, 5000);
}

function listen()
{
	const source = new EventSource(`/events?last_event_id=${live.last}`);
	const got = message => take(JSON.parse(message.data));

	live.source = source;
	for (const kind of ["reset-sent", "reset-received", "closed", "orphaned", "timed-out", "destroyed", "finding-raised",
		"finding-cleared", "gap"])
		source.addEventListener(kind, got);
	source.addEventListener("open", () => streamSays("live"));
	source.addEventListener("error", () => {
		streamSays("connection lost, trying again");
		// The browser comes back by itself, unless it was refused.
		if (source.readyState === EventSource.CLOSED) {
			stopEvents();
			later();
		}
	});
}

function stopEvents()
{
	if (live.source)
		live.source.close();
	live.source = null;
}

// ---- search ----

const STATES = ["established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2", "time-wait", "closed", "close-wait",
	"last-ack", "listening", "closing", "new-syn-recv", "bound-inactive"];
const ATTACHMENTS = ["held", "unaccepted", "orphan", "timewait", "request", "unheld"];

// "state=close-wait 443 nginx" to parameters.
function parseQuery(text)
{
	const parameters = new URLSearchParams();

	for (const [token, name, value] of text.matchAll(/([\w.]+)[=:]("[^"]*"|\S+)|\S+/g)) {
		const word = token.toLowerCase();

		if (name && (token.includes("=") || /^[a-z_]+(\.[a-z]+)?$/.test(name)))
			parameters.append(name, value.replaceAll('"', ""));
		else if (STATES.includes(word))
			parameters.append("state", word);
		else if (ATTACHMENTS.includes(word))
			parameters.append("attachment", word);
		else if (/^\d+$/.test(word))
			parameters.append("port", word);
		else if (/^[0-9.]+([:/]\d+)?$/.test(word) || /^\[?[0-9a-f:]*:[0-9a-f:.]*/.test(word))
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

function searchUrl()
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

function drawSearch(answer)
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
		] }))) : h("p", { class: "dim" }, "No socket matches."),
		h("p", { class: "links" }, answer.next !== null && view.rows < ROWS && h("button", { type: "button", "data-more": "search" },
			`${number(answer.matched - answer.returned)} more`), " ", copy(url),
			answer.next !== null && view.rows >= ROWS && h("span", { class: "dim" },
				`More than ${number(ROWS)} rows help nobody here: narrow the search, or take all by curl with limit=0.`)));
	// There was less to scroll to before.
	if (fresh)
		$("search").scrollIntoView();
	view.fresh = false;
}

// ---- one socket ----

const OPERATIONS = { close: "close()", exit: "All its holders are killed", shutdown_read: "shutdown(SHUT_RD)",
	shutdown_write: "shutdown(SHUT_WR)", shutdown_both: "shutdown(SHUT_RDWR)", listener_close: "Its listener is closed" };

function outcomeWords(o)
{
	const d = o.discards || {};

	return [
		{ rst: "The kernel sends a RST", fin: "The kernel sends a FIN", none: "Nothing is sent" }[o.segment] || o.segment,
		o.error && `the call fails with ${o.error}`,
		o.blocks_seconds === "forever" ? "it may block for ever" :
			o.blocks_seconds ? `it blocks for ${seconds(o.blocks_seconds)} at most` : null,
		d.receive_bytes && `${bytes(d.receive_bytes)} that nobody has read are lost`,
		d.unsent_bytes && `${bytes(d.unsent_bytes)} that were never sent are lost`,
		d.send_bytes > (d.unsent_bytes || 0) && `${bytes(d.send_bytes - (d.unsent_bytes || 0))} under way may be lost`,
		o.resets && `${many(o.resets, "waiting connection")} reset`,
		o.segment === "rst" && o.peer_finished && "the peer has finished, so it hardly hurts",
		o.state && `then ${o.state}`,
		o.then && `left as ${o.then.attachment} for ${seconds(o.then.at_most_seconds)} at most, ends ${o.then.ends_with}`,
	].filter(Boolean).join("; ");
}

function drawOutcome(name, o)
{
	return h("div", { class: "outcome", "data-key": name, "data-operation": name },
		h("strong", null, OPERATIONS[name] || name), " ",
		o ? [tag(o.segment === "none" ? "nothing" : o.segment.toUpperCase(), o.segment),
			o.certain === false ? [" ", tag("not certain", "warning")] : "",
			h("p", null, `${outcomeWords(o)}.`), h("p", null, o.because),
			o.certain === false && h("p", { class: "dim" }, `Not known: ${(o.unknown || []).join(", ")}. `,
				(o.otherwise || []).map(w => `If ${plain(w.if)}: ${w.segment || "the same"}${w.state ? `, ${w.state}` : ""}. `)),
			h("p", { class: "dim" }, "rule ", ruleLink(o.rule), o.counter ? `, counted by ${o.counter}` : "")] :
			h("span", { class: "dim" }, "does not apply, or is not known"));
}

const PEERS = { "not-looked-for": "not looked for: this connection is not being torn down", "not-here": "not on this machine",
	"not-found": "not found here (NAT, or it is gone)", "not-seen": "not seen: not all sockets of this machine are",
	several: "several sockets fit" };

function drawPast(m)
{
	const before = m.before && typeof m.before === "object" ? who(m.before) : m.before;

	return h("li", null, moment(m.time), m.exact ? " " : " (or before) ", plain(m.kind), " ",
		[m.state, m.attachment, m.finding, before && `before: ${before}`].filter(Boolean).join(" "));
}

function drawSocket(s)
{
	const linger = s.linger, e = s.ended, peer = s.peer_socket;

	$("drawer-h").textContent = s.flow;
	show("drawer-body",
		e && h("p", { class: "box" }, tag("ended", "warning"), " It is gone since ", moment(e.time), " UTC; this is how it was last seen."),
		facts([
			["state", [h("strong", null, s.state), s.state_seconds === null ? "" :
				` for ${s.state_exact ? "" : "at least "}${seconds(s.state_seconds)}`]],
			["who has it", s.attachment],
			...(s.remote ? [
				["direction", s.direction], ["unread", bytes(s.unread_bytes)],
				["FIN unread", s.fin_unread === null ? "?" : s.fin_unread ? "yes" : "no"],
				["untouched for", s.unread_seconds === null ? null : seconds(s.unread_seconds)],
				["unsent", bytes(s.unsent_bytes)], ["unacked", bytes(s.unacked_bytes)],
				["idle", seconds(s.idle_seconds)], ["age", seconds(s.age_seconds)]] : []),
			["linger", linger ? linger.on ? seconds(linger.seconds) : "off" : unknown()],
			["timer", s.timer && (s.timer.kind + (s.timer.expires_seconds === null ? "" : ` in ${seconds(s.timer.expires_seconds)}`))],
			["queue / limit", s.state === "listening" ? `${number(s.receive_queue)} / ${number(s.send_queue)}` : null],
			["references", s.references], ["netns", s.netns],
		]),
		h("h3", null, "Holders"),
		s.holders.length ? h("ul", null, s.holders.map(p => h("li", null, searchLink({ pid: p.pid }, who(p)), ` descriptor ${p.fd}`))) :
			h("p", null, s.creator ? `Nobody; left by ${who(s.creator)}.` : "Nobody is known to hold it.",
				s.unheld_because ? ` Why: ${plain(s.unheld_because)}.` : ""),
		s.remote && [h("h3", null, "The other end"), peer ? h("p", null,
			socketLink(peer.id, `${endpoint(s.remote)} > ${endpoint(s.local)}`), ` here: ${peer.state}`,
			peer.holder ? `, ${who(peer.holder)}` : "", peer.unread_bytes ? `, ${bytes(peer.unread_bytes)} unread` : "") :
			h("p", null, s.peer ? socketLink(s.peer) : PEERS[s.peer_unknown] || "not known")],
		s.findings.length ? [h("h3", null, "Findings"), h("p", null, s.findings.map(rule => [ruleLink(rule), " "]))] : "",
		s.fate && [h("h3", null, "What becomes of it"), h("p", null, `It ends with ${s.fate.ends_with} within ` +
			`${seconds(s.fate.at_most_seconds)}. `, s.fate.rule ? ruleLink(s.fate.rule) : "")],
		h("h3", null, "What happens if, as it is now"),
		s.outcomes ? Object.entries(s.outcomes).map(([name, o]) => drawOutcome(name, o)) :
			h("p", null, "No process can do anything to it any more."),
		s.history && s.history.length ? [h("h3", null, "History"), h("ul", null, s.history.map(drawPast))] : "",
		s.events && s.events.length ? [h("h3", null, "Events"), h("ul", null, s.events.map(v => h("li", null, moment(v.time), " ",
			tag(v.kind, KINDS[v.kind] || "info"), " ", v.cause || "")))] : "",
		h("p", { class: "links" }, h("a", { href: `/sockets/${encodeURIComponent(s.id)}` }, "as JSON"), copy(`/sockets/${s.id}`)));
}

// ---- what a person does ----

function choose(what, value)
{
	view[what] = value;
	for (const button of document.querySelectorAll(`[data-${what}]`))
		button.setAttribute("aria-pressed", String(button.dataset[what] === value));
	soon(what === "owners" ? "owners" : "resets");
}

// #socket=ID, #search=FILTERS and #finding=ID; anything else is a place in the page.
function follow()
{
	const hash = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1).replaceAll("+", "%2B") : "");
	const drawer = $("drawer");

	if (hash.has("search")) {
		$("query").value = view.query = hash.get("search");
		view.rows = 100;
		view.fresh = true;
		$("search").scrollIntoView();
		soon("search");
	}
	if (hash.has("finding")) {
		view.finding = hash.get("finding");
		view.found = false;
		view.more.findings = 200;
		if (tasks.findings.answer)
			drawFindings(tasks.findings.answer);
	}
	view.socket = hash.get("socket");
	if (view.socket) {
		if (!drawer.open || $("drawer-h").dataset.id !== view.socket) {
			$("drawer-h").dataset.id = view.socket;
			$("drawer-h").textContent = `Socket ${view.socket}`;
			show("drawer-body", h("p", { class: "dim" }, "Asking…"));
		}
		if (!drawer.open)
			drawer.showModal();
		$("drawer-h").focus();
		soon("socket");
	} else if (drawer.open) {
		drawer.close();
	}
}

function clicked(target)
{
	const data = target.dataset;

	if (data.owners) {
		view.chosen = true;
		choose("owners", data.owners);
	} else if (data.since) {
		choose("since", data.since);
	} else if (data.more === "search") {
		view.rows = ROWS;
		soon("search");
	} else if (data.more) {
		view.more[data.more] += data.more === "findings" ? 50 : 200;
		const task = tasks[data.more];

		if (task.answer)
			task.draw(task.answer);
	} else if (data.sort) {
		view.sort = view.sort === `-${data.sort}` ? data.sort : `-${data.sort}`;
		soon("search");
	} else if (data.copy) {
		navigator.clipboard.writeText(data.copy).then(() => {
			target.textContent = "Copied";
		}, () => {
			target.textContent = data.copy;
		});
	}
}

function toggle(button, on)
{
	button.setAttribute("aria-pressed", String(on));
	button.firstChild.data = on ? "Go on" : "Pause";
}

document.addEventListener("click", event => {
	const button = event.target.closest("button[data-owners], button[data-since], button[data-more], button[data-sort], button[data-copy]");

	if (button)
		clicked(button);
});
$("hold").addEventListener("click", () => {
	view.held = !view.held;
	toggle($("hold"), view.held);
	wake();
});
$("pause").addEventListener("click", () => {
	live.paused = !live.paused;
	toggle($("pause"), live.paused);
	live.saidAt = 0;
	flush();
	streamSays();
});
$("form").addEventListener("submit", event => {
	event.preventDefault();
	const hash = "#search=" + encodeURIComponent($("query").value.trim());

	if (location.hash === hash)
		follow();
	else
		location.hash = hash;
});
$("drawer").addEventListener("close", () => {
	if (view.socket) {
		view.socket = null;
		history.replaceState(null, "", view.query === null ? location.pathname : "#search=" + encodeURIComponent(view.query));
	}
});
$("drawer").addEventListener("click", event => {
	if (event.target === $("drawer"))
		$("drawer").close();
});
window.addEventListener("hashchange", follow);
document.addEventListener("visibilitychange", () => {
	if (document.hidden) {
		stopEvents();
		streamSays("stopped while hidden");
		wake();
	} else {
		startEvents();
		work();
	}
});
setInterval(() => {
	if (document.hidden)
		return;
	tick();
	streamSays();
}, 1000);
follow();
work();
startEvents();
