// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One question at a time, the one that has waited longest first. What has not changed since (ETag) is not drawn again.
import { $, h, show } from "./elements.js";
import { seconds } from "./words.js";

const GAP = 200; // ms between two questions, so there are five a second at most
const SHARE = 20; // a question that takes long is asked again after so many times that
const WAIT = 60000; // ms, but not later than this
const RETRY = 2000; // ms until it is asked again after a failure
const LATE = 10000; // ms that an answer may be overdue before its panel says so

// Until the same is asked again, in ms. One that fails late holds up all others: it does so for half of the time at most.
export const rest = (every, took, ok) =>
	ok ? Math.max(every * 1000, Math.min(SHARE * took, WAIT)) : Math.max(RETRY, took);

class Refused extends Error {
	constructor(status, text)
	{
		super(text);
		this.status = status;
	}
}

// What was answered last, by task: the same question may be answered with "as before".
export async function ask(task, url)
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

// What is asked again and again, by name: ask() is the path, or null while nothing is wanted; every, in seconds; body,
// the id of what is drawn into; draw(answer), and refused() where there is more to take away.
export const tasks = {};
let first = 0; // so many are asked without waiting: the first round
let told = () => {}; // of the snapshot of each answer
let working = false, held = false, wake = () => {}, failed = 0;
const pause = ms => new Promise(done => {
	wake = done;
	setTimeout(done, ms);
});

// What there is to ask, and who is told of each snapshot.
export function plan(table, tell)
{
	Object.assign(tasks, table);
	told = tell;
	first = Object.keys(tasks).length;
}

// Returns whether all stands still from now on, but for what a person asks for.
export function hold()
{
	held = !held;
	work();
	return held;
}

export function soon(...names)
{
	for (const name of names) {
		tasks[name].due = 0;
		tasks[name].again = true;
	}
	work();
}

// All is asked again, in turn: what stands there is as old as the page was hidden.
export function renew()
{
	for (const task of Object.values(tasks))
		task.due = 0;
	work();
}

// Says above each panel whose answer is overdue how old it is, whatever the others do.
export function tellAges()
{
	const now = performance.now();

	for (const task of Object.values(tasks)) {
		const body = $(task.body), age = task.answer && task.ask() ? now - task.at : 0;
		const old = age > task.every * 1000 + LATE;

		task.note = task.note || h("p", { class: "old" });
		task.note.textContent = old ? `What stands here is ${seconds(age / 1000)} old.` : "";
		body.classList.toggle("stale", old);
		if (!old)
			task.note.remove();
		else if (body.previousSibling !== task.note)
			body.before(task.note);
	}
}

// Begins to ask, or looks at once whether there is something to ask; ends by itself while nobody sees the page.
export async function work()
{
	if (working) {
		wake();
		return;
	}
	working = true;
	while (!document.hidden) {
		const now = performance.now();
		// What a person has just asked for comes even while the rest stands still.
		const due = Object.values(tasks).filter(t => t.ask() && (!held || t.again || !t.answer))
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
	let ok = false;

	try {
		const changed = await ask(task, url);

		ok = true;
		task.at = performance.now();
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
				told(task.answer.snapshot);
			task.draw(task.answer);
		}
	} catch (error) {
		task.etag = null;
		if (error instanceof Refused)
			refused(task, error);
		else
			unreachable(error);
	}
	task.due = performance.now() + rest(task.every, performance.now() - started, ok);
}

function refused(task, error)
{
	task.answer = task.url = null;
	$(task.body).hidden = false;
	show(task.body, h("p", { class: "bad" }, error.status === 503 ? "Not known: " : "", error.message));
	if (task.refused)
		task.refused();
}

function unreachable(error)
{
	if (failed++ < 1)
		return;
	$("down").hidden = false;
	$("down").textContent = `tcpdiagd does not answer (${error.message}). What stands here is old; trying again.`;
}
