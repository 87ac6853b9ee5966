/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each unit test program defines suite(); main() of main.c runs it.
 */
#pragma once

#include <check.h>

/* Return: the suite of this program. */
Suite *suite(void);
