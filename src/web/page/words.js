// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Numbers, times and names as a person reads them. What is not known is said to be unknown.
import { h } from "./elements.js";

const numbers = new Intl.NumberFormat("en-US");
export const unknown = () => h("span", { class: "dim", title: "not known" }, "not known");
export const number = n => n === null || n === undefined ? "?" : numbers.format(n);
export const many = (n, one, more) => `${number(n)} ${n === 1 ? one : more || one + "s"}`;

export function bytes(n)
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

export function seconds(s)
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

export const percent = ratio => `${(ratio * 100).toFixed(ratio < 0.1 ? 1 : 0)} %`;
export const plain = word => String(word).replaceAll("_", " ");

// UTC, as in logs and in the report; what the clock on the wall says is in the title.
export function moment(text)
{
	const date = new Date(text);

	if (!text || isNaN(date))
		return "?";
	return h("time", { datetime: text, title: `${date.toLocaleString()} here` },
		date.toISOString().slice(Date.now() - date > 86400000 ? 0 : 11, 19).replace("T", " "));
}

export function who(process)
{
	if (!process)
		return null;
	return [process.comm || "?", process.pid ? ` (${process.pid})` : "", process.unit ? `, ${process.unit}` : "",
		process.container_name ? `, ${process.container_name}` : ""].join("");
}

export function containerName(container)
{
	if (!container)
		return null;
	if (container.pod)
		return [container.namespace, container.pod, container.name].filter(Boolean).join("/");
	return container.name || String(container.id).slice(0, 12);
}

export const endpoint = e => e ? `${e.address.includes(":") ? `[${e.address}]` : e.address}:${e.port}` : "";
