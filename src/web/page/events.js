// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Events as they happen, newest first.
import { ask, tasks } from "./ask.js";
import { $, h } from "./elements.js";
import { socketLink, tag } from "./parts.js";
import { many, moment, who } from "./words.js";

const EVENTS = 200; // kept in the list
const live = { source: null, last: null, waiting: [], skipped: 0, paused: false, times: [], retry: 0, said: "" };
const KINDS = { "reset-sent": "critical", "reset-received": "warning", "timed-out": "warning", gap: "warning",
	"finding-raised": "warning", "finding-cleared": "good" };

export const kindTag = kind => tag(kind, KINDS[kind] || "info");

function eventRow(e)
{
	if (e.kind === "gap")
		return h("li", { class: "gap" }, e.time ? [moment(e.time), " "] : "", e.lost === null || e.lost === undefined ?
			"Gap: events before this were not seen here; how many is not known." :
			`Gap: ${many(e.lost, "event")} were lost before they could be shown.`);
	const person = who(e.holder) || who(e.creator), f = e.finding;

	return h("li", { "data-event": e.id }, moment(e.time), kindTag(e.kind),
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

// What a stream that is open brings: where the source of events does not work, findings only.
function comes()
{
	const source = ((tasks.status.answer || {}).sources || []).find(one => one.name === "events") || live.first;

	if (!source || source.state === "ok")
		return "live";
	return source.state === "degraded" ? "live, events degraded" : `events ${source.state}, findings only`;
}

// The stream's state, said aloud: no more than once in five seconds while only numbers change.
export function streamSays(word)
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
		`${live.word === "open" ? comes() : live.word || "connecting"} · ${many(live.times.length, "event")} in the last minute`;
	if ($("stream").textContent !== text)
		$("stream").textContent = text;
}

export async function startEvents()
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
			live.first = task.answer.source;
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
	source.addEventListener("open", () => streamSays("open"));
	source.addEventListener("error", () => {
		streamSays("connection lost, trying again");
		// The browser comes back by itself, unless it was refused.
		if (source.readyState === EventSource.CLOSED) {
			stopEvents();
			later();
		}
	});
}

export function stopEvents()
{
	if (live.source)
		live.source.close();
	live.source = null;
}

// Whether the list stands still from now on; what comes meanwhile is kept.
export function pauseEvents()
{
	live.paused = !live.paused;
	live.saidAt = 0;
	flush();
	streamSays();
	return live.paused;
}
