/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The page is what src/web/page/ holds, byte for byte, and depends on nothing else: its validators are hashes of what
 * it says. It gets all it shows from the other routes.
 */
#include <errno.h>
#include <string.h>

#include "model/macro.h"
#include "web/assets.h"
#include "web/page/list.h"
#include "web/route.h"

/* page/assets.S; the ends lie behind the last byte. */
#define DECLARED(name, kind) \
	extern const char asset_##name##_##kind[], asset_##name##_##kind##_end[];
DECLARED(page, html)
PAGE_ASSETS(DECLARED)

#define TYPE_html "text/html; charset=utf-8"
#define TYPE_css "text/css; charset=utf-8"
#define TYPE_js "text/javascript; charset=utf-8"

struct asset {
	const char *file, *content_type, *start, *end;
};

/* clang-format off */
#define ASSET(name, kind) \
	{ #name "." #kind, TYPE_##kind, asset_##name##_##kind, asset_##name##_##kind##_end }
/* clang-format on */
#define ROW(name, kind) ASSET(name, kind),

static const struct asset page = ASSET(page, html);
static const struct asset table[] = { PAGE_ASSETS(ROW) };

/* FNV-1a; never 0, which would say that there is none. */
static uint64_t hash(const char *bytes, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ULL;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ (unsigned char)bytes[i]) * 0x100000001b3ULL;
	return h ? h : 1;
}

static const struct asset *asset_find(const char *file)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (!strcmp(table[i].file, file))
			return &table[i];
	return NULL;
}

static int asset_document(const struct asset *asset, struct document **ret)
{
	size_t len = (size_t)(asset->end - asset->start);
	struct buffer b = {};
	int r;

	buffer_add(&b, asset->start, len);
	r = document_from_buffer(&b, 200, asset->content_type, ret);
	if (r < 0)
		return r;
	(*ret)->cacheable = true;
	(*ret)->content = hash(asset->start, len);
	(*ret)->page = true;
	return 0;
}

int assets_page(struct document **ret)
{
	return asset_document(&page, ret);
}

int page_asset_route(const struct request *request, struct document **ret, struct problem *problem)
{
	const struct asset *asset = asset_find(request->argument);

	if (!asset)
		return problem_set(problem, 404, NULL, "the page has no file %.64s",
				   request->argument);
	return asset_document(asset, ret);
}
