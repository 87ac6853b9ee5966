/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files of the page as bytes in the program: no tool but the assembler is needed. Paths are those of the top
 * folder, where make runs.
 */
#include "web/page/list.h"
#ifdef __CET__
#include <cet.h>
#endif

	.macro asset name, kind
	.global asset_\name\()_\kind, asset_\name\()_\kind\()_end
asset_\name\()_\kind:
	.incbin "src/web/page/\name\().\kind"
asset_\name\()_\kind\()_end:
	.byte 0
	.endm

	.section .rodata
	asset page, html
#define ASSET(name, kind) asset name, kind;
	PAGE_ASSETS(ASSET)

	.section .note.GNU-stack, "", %progbits
