// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the document is made of. Text goes into it as text only.

export const $ = id => document.getElementById(id);

// An element; children are nodes, texts, lists of these, or nothing.
export function h(name, attributes, ...children)
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

export const show = (id, ...children) => morphChildren($(id), [...h("div", null, ...children).childNodes]);
