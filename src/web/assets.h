/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The page and what it takes in (web/page/list.h): files that stand in the program as they stand in src/web/page/.
 */
#pragma once

#include "web/document.h"

/* The page itself. Return: 0; -ENOMEM. */
int assets_page(struct document **ret);
