// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a person has chosen to see.
import { soon } from "./ask.js";

export const view = {
	owners: "units", chosen: false, since: "15m", query: null, sort: "", rows: 100, socket: null, finding: null,
	more: { findings: 10, owners: 20, listeners: 15, resets: 20 },
};

export function choose(what, value)
{
	view[what] = value;
	for (const button of document.querySelectorAll(`[data-${what}]`))
		button.setAttribute("aria-pressed", String(button.dataset[what] === value));
	soon(what === "owners" ? "owners" : "resets");
}
