/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The page is what src/web/page/ holds, byte for byte, and depends on nothing else: its validators are hashes of what
 * it says. It gets all it shows from the other routes.
 */
#include <errno.h>

#include "model/macro.h"
#include "web/assets.h"
#include "web/route.h"

/* page/assets.S; the ends lie behind the last byte. */
extern const char asset_html[], asset_html_end[];
extern const char asset_css[], asset_css_end[];
extern const char asset_js[], asset_js_end[];

/* FNV-1a; never 0, which would say that there is none. */
static uint64_t hash(const char *bytes, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ULL;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ (unsigned char)bytes[i]) * 0x100000001b3ULL;
	return h ? h : 1;
}

static int asset(const char *start, const char *end, const char *content_type,
		 struct document **ret)
{
	size_t len = (size_t)(end - start);
	struct buffer b = {};
	int r;

	buffer_add(&b, start, len);
	r = document_from_buffer(&b, 200, content_type, ret);
	if (r < 0)
		return r;
	(*ret)->cacheable = true;
	(*ret)->content = hash(start, len);
	(*ret)->page = true;
	return 0;
}

int assets_page(struct document **ret)
{
	return asset(asset_html, asset_html_end, "text/html; charset=utf-8", ret);
}

int page_style_route(const struct request *request __attribute__((unused)), struct document **ret,
		     struct problem *problem __attribute__((unused)))
{
	return asset(asset_css, asset_css_end, "text/css; charset=utf-8", ret);
}

int page_script_route(const struct request *request __attribute__((unused)), struct document **ret,
		      struct problem *problem __attribute__((unused)))
{
	return asset(asset_js, asset_js_end, "text/javascript; charset=utf-8", ret);
}
