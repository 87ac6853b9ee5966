// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Resets of a while, by who and why.
import { h, show } from "./elements.js";
import { moreButton, table } from "./parts.js";
import { view } from "./view.js";
import { bytes, many, moment, number, seconds } from "./words.js";

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

export function drawResets(answer)
{
	const t = answer.total, shown = answer.resets.slice(0, view.more.resets);
	const ok = answer.source.state === "ok", unseen = answer.unseen_seconds, lost = answer.lost_events;
	const all = ok && !unseen && !lost; // else there may have been more, and none is no answer
	const gaps = [unseen && `nobody watched for ${seconds(unseen)}`, lost && `${many(lost, "event")} were lost`];

	show("resets-body",
		!ok && h("p", { class: "bad" }, `Events: ${answer.source.state}. `, answer.source.reason),
		(unseen || lost) ? h("p", { class: "bad" }, `Not all was seen: ${gaps.filter(Boolean).join(", ")}.`) : "",
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
