/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files of the page as bytes in the program: no tool but the assembler is needed. Paths are those of the top
 * folder, where make runs.
 */
#ifdef __CET__
#include <cet.h>
#endif

	.macro asset name, file
	.global asset_\name, asset_\name\()_end
asset_\name:
	.incbin "\file"
asset_\name\()_end:
	.byte 0
	.endm

	.section .rodata
	asset html, src/web/page/page.html
	asset css, src/web/page/page.css
	asset js, src/web/page/page.js

	.section .note.GNU-stack, "", %progbits
