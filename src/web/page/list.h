/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the page takes in, a row a file: it stands in the program (assets.S) and is served as /page/NAME.KIND
 * (web/assets.c). The assembler reads this, too.
 */
#pragma once

/* clang-format off */
#define PAGE_ASSETS(row) \
	row(page, css) \
	row(ask, js) \
	row(drawer, js) \
	row(elements, js) \
	row(events, js) \
	row(findings, js) \
	row(owners, js) \
	row(page, js) \
	row(parts, js) \
	row(resets, js) \
	row(search, js) \
	row(sockets, js) \
	row(top, js) \
	row(view, js) \
	row(words, js)
/* clang-format on */
