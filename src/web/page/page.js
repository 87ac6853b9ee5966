// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The page asks the routes that everybody has, one question at a time, and shows the answers. What is not known is
// said to be unknown. All text from the daemon goes into the document as text: a process may call itself "<script>".
// Here stands what is asked, and what a person does.
import { hold, plan, renew, soon, tasks, tellAges, work } from "./ask.js";
import { drawSocket } from "./drawer.js";
import { $, h, show } from "./elements.js";
import { pauseEvents, startEvents, stopEvents, streamSays } from "./events.js";
import { drawFindings, drawLinked, linkedUrl } from "./findings.js";
import { drawOwners } from "./owners.js";
import { drawResets } from "./resets.js";
import { drawSearch, moreSockets, searchRefused, searchUrl } from "./search.js";
import { drawListeners, drawStates } from "./sockets.js";
import { drawStatus, drawSummary, seen, tick } from "./top.js";
import { choose, view } from "./view.js";

const questions = {
	summary: { ask: () => "/summary", every: 3, body: "limits-body", draw: drawSummary },
	findings: { ask: () => `/findings?limit=${Math.max(200, view.more.findings)}`, every: 3, body: "findings-body", draw: drawFindings },
	linked: { ask: linkedUrl, every: 5, body: "linked-body", draw: drawLinked },
	status: { ask: () => "/status", every: 10, body: "unseen", draw: drawStatus },
	owners: { ask: () => `/${view.owners}?limit=1000`, every: 5, body: "stop-body", draw: drawOwners },
	states: { ask: () => "/sockets?group=state,attachment&limit=200", every: 5, body: "states-body", draw: drawStates },
	listeners: { ask: () => "/listeners?limit=1000&sort=-fill", every: 5, body: "listeners-body", draw: drawListeners },
	resets: { ask: () => `/resets?since=-${view.since}&group=unit,reason&limit=${Math.max(500, view.more.resets)}`, every: 10,
		body: "resets-body", draw: drawResets },
	socket: { ask: () => view.socket && `/sockets/${encodeURIComponent(view.socket)}`, every: 3, body: "drawer-body",
		draw: drawSocket },
	search: { ask: searchUrl, every: 5, body: "search-body", draw: drawSearch, refused: searchRefused },
};

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
	if (hash.has("finding") || !location.hash) {
		view.finding = hash.get("finding");
		view.found = false;
		if (view.finding)
			view.more.findings = Math.max(200, view.more.findings);
		if (tasks.findings.answer)
			drawFindings(tasks.findings.answer);
		show("linked-body");
		tasks.linked.url = null;
		soon("linked");
	}
	view.socket = hash.get("socket");
	if (view.socket) {
		if (!drawer.open || $("drawer-h").dataset.id !== view.socket) {
			$("drawer-h").dataset.id = view.socket;
			$("drawer-h").textContent = `Socket ${view.socket}`;
			show("drawer-body", h("p", { class: "dim" }, "Asking…"));
			tasks.socket.answer = tasks.socket.url = null;
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
		moreSockets();
	} else if (data.more) {
		view.more[data.more] += data.more === "findings" ? 50 : 200;
		const task = tasks[data.more];

		if (task.answer)
			task.draw(task.answer);
		// Beyond what was asked for.
		soon(data.more);
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
$("hold").addEventListener("click", () => toggle($("hold"), hold()));
$("pause").addEventListener("click", () => toggle($("pause"), pauseEvents()));
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
	} else {
		startEvents();
		renew();
	}
});
setInterval(() => {
	if (document.hidden)
		return;
	tick();
	tellAges();
	streamSays();
}, 1000);
plan(questions, seen);
follow();
work();
startEvents();
