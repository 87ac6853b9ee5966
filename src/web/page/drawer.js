// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One socket: what it is, and what happens if.
import { $, h, show } from "./elements.js";
import { kindTag } from "./events.js";
import { copy, facts, ruleLink, searchLink, socketLink, tag } from "./parts.js";
import { bytes, endpoint, many, moment, number, plain, seconds, unknown, who } from "./words.js";

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

export function drawSocket(s)
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
			kindTag(v.kind), " ", v.cause || "")))] : "",
		h("p", { class: "links" }, h("a", { href: `/sockets/${encodeURIComponent(s.id)}` }, "as JSON"), copy(`/sockets/${s.id}`)));
}
