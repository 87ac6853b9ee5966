/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of routes. A path has one or two parts; the second of a row may be a placeholder, {id}, that
 * stands for anything without a slash. No row hides another, so their order is the documentation's alone.
 */
#include "web/route.h"

/* One row for each handler. */
static const struct route table[] = {
	{
		.path = "/",
		.summary = "The page where Accept asks for text/html, as browsers do; else the "
			   "report for people, as text.",
		.handler = root_route,
		.parameters = root_parameters,
	},
	{
		.path = "/sockets",
		.summary = "Sockets, filtered, sorted, in pages or in groups.",
		.handler = sockets_route,
		.parameters = sockets_parameters,
		.flags = ROUTE_DATA,
		.schema = "SocketList",
	},
	{
		.path = "/sockets/{id}",
		.summary = "One socket in full: all outcomes, its holders, its findings.",
		.handler = socket_route,
		.parameters = socket_parameters,
		.flags = ROUTE_DATA,
		.schema = "SocketDetail",
	},
	{
		.path = "/findings",
		.summary = "What is wrong now, worst first.",
		.handler = findings_route,
		.parameters = findings_parameters,
		.flags = ROUTE_DATA,
		.schema = "FindingList",
	},
	{
		.path = "/events",
		.summary = "What has happened, oldest first: resets, ends that were none of the "
			   "ordinary, findings. With Accept: text/event-stream as it happens.",
		.handler = events_route,
		.parameters = events_parameters,
		.flags = ROUTE_DATA,
		.schema = "EventList",
	},
	{
		.path = "/resets",
		.summary = "Resets sent and received, added up in minutes for a day.",
		.handler = resets_route,
		.parameters = resets_parameters,
		.flags = ROUTE_DATA,
		.schema = "ResetList",
	},
	{
		.path = "/summary",
		.summary = "The host on one screen: sums, limits, counters, settings.",
		.handler = summary_route,
		.flags = ROUTE_DATA,
		.schema = "Summary",
	},
	{
		.path = "/processes",
		.summary = "Processes with sockets: how many in which state, and what ending each "
			   "would do.",
		.handler = processes_route,
		.parameters = owner_list_parameters,
		.flags = ROUTE_DATA,
		.schema = "ProcessExitList",
	},
	{
		.path = "/processes/{pid}",
		.summary = "One process: its sockets, and what ending it now would do.",
		.handler = process_route,
		.parameters = owner_item_parameters,
		.flags = ROUTE_DATA,
		.schema = "ProcessExitDetail",
	},
	{
		.path = "/units",
		.summary = "systemd units with sockets: how many in which state, and what ending "
			   "each would do.",
		.handler = units_route,
		.parameters = owner_list_parameters,
		.flags = ROUTE_DATA,
		.schema = "UnitExitList",
	},
	{
		.path = "/units/{name}",
		.summary = "One systemd unit: its sockets, and what ending it now would do.",
		.handler = unit_route,
		.parameters = owner_item_parameters,
		.flags = ROUTE_DATA,
		.schema = "UnitExitDetail",
	},
	{
		.path = "/containers",
		.summary = "Containers with sockets: how many in which state, and what ending each "
			   "would do.",
		.handler = containers_route,
		.parameters = owner_list_parameters,
		.flags = ROUTE_DATA,
		.schema = "ContainerExitList",
	},
	{
		.path = "/containers/{id}",
		.summary = "One container, by id, the first twelve digits of it, or name: its "
			   "sockets, and what "
			   "ending it now would do.",
		.handler = container_route,
		.parameters = owner_item_parameters,
		.flags = ROUTE_DATA,
		.schema = "ContainerExitDetail",
	},
	{
		.path = "/listeners",
		.summary = "Listening sockets and their accept queues.",
		.handler = listeners_route,
		.parameters = listeners_parameters,
		.flags = ROUTE_DATA,
		.schema = "ListenerList",
	},
	{
		.path = "/rules",
		.summary = "The catalogue of rules, searchable by what the kernel logs.",
		.handler = rules_route,
		.parameters = rules_parameters,
		.schema = "RuleList",
	},
	{
		.path = "/rules/{id}",
		.summary = "One rule: condition, kernel function, RFC, counter, example, remedy.",
		.handler = rule_route,
		.parameters = rule_parameters,
		.schema = "Rule",
	},
	{
		.path = "/status",
		.summary = "How well tcpdiagd is: sources, periods, costs, limits.",
		.handler = status_route,
		.schema = "Status",
	},
	{
		.path = "/metrics",
		.summary = "Metrics for Prometheus, or OpenMetrics 1.0 where Accept asks for it.",
		.handler = metrics_route,
		.flags = ROUTE_OPEN | ROUTE_REUSE,
	},
	{
		.path = "/openapi.json",
		.summary = "This description, OpenAPI 3.1.",
		.handler = openapi_route,
		.schema = "OpenApi",
	},
	{
		.path = "/page/{file}",
		.summary = "What the page takes in: page.css, and its script in modules, page.js "
			   "first.",
		.handler = page_asset_route,
	},
	{
		.path = "/-/healthy",
		.summary = "Whether the web process answers.",
		.handler = healthy_route,
		.flags = ROUTE_OPEN,
	},
	{
		.path = "/-/ready",
		.summary = "Whether there is a fresh snapshot; 503 with the reason otherwise.",
		.handler = ready_route,
		.flags = ROUTE_OPEN,
	},
	{
		.path = "/healthz",
		.summary = "The same as /-/healthy.",
		.handler = healthy_route,
		.flags = ROUTE_OPEN,
	},
	{
		.path = "/readyz",
		.summary = "The same as /-/ready.",
		.handler = ready_route,
		.flags = ROUTE_OPEN,
	},
};

const struct route *route_table(size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(table);
	return table;
}
