/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values as people write them: durations, numbers, percent. Pure.
 *
 * Strict on purpose: a number whose unit must be guessed, an octal-looking zero or a value out of
 * range is an error that says what to write instead.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/macro.h"

#define QUANTITY_WHY 256 /* room for the sentence that says what is wrong */
#define QUANTITY_TEXT 64 /* room for a value written out */
#define QUANTITY_WORD 128 /* room for an option's name */

/* Writes the sentence. Return: -EINVAL. */
int quantity_wrong(char ret_why[static QUANTITY_WHY], const char *format, ...) PRINTF(2, 3);

/**
 * quantity_duration() - "500ms", "1m30s", "2h": as Prometheus writes them
 * @ret_ns: nanoseconds; untouched on failure
 *
 * Units y w d h m s ms, each once at most and the largest first. "0" needs none.
 *
 * Return: 0; -EINVAL with @ret_why.
 */
int quantity_duration(const char *text, int64_t *ret_ns, char ret_why[static QUANTITY_WHY]);

/* A whole decimal number, not negative. Return: 0; -EINVAL with @ret_why. */
int quantity_count(const char *text, int64_t *ret, char ret_why[static QUANTITY_WHY]);

/* As a count, or with a unit: "64MiB", "512KiB", "1GiB". Return: 0; -EINVAL with @ret_why. */
int quantity_bytes(const char *text, int64_t *ret, char ret_why[static QUANTITY_WHY]);

/* A decimal number, perhaps with a fraction or a percent sign. Return: 0; -EINVAL with @ret_why. */
int quantity_percent(const char *text, double *ret, char ret_why[static QUANTITY_WHY]);

/* The shortest text that the functions above read back as the same value. */
void quantity_print_duration(int64_t ns, char ret[static QUANTITY_TEXT]);
void quantity_print_bytes(int64_t bytes, char ret[static QUANTITY_TEXT]);
void quantity_print_percent(double percent, char ret[static QUANTITY_TEXT]);

/**
 * nearest_word() - which of some words was probably meant
 * @word: what was written
 * @next: writes the i-th word, empty to leave one out; false at the end
 * @ret: the nearest by edit distance; untouched where none is near
 *
 * Return: whether there is one.
 */
bool nearest_word(const char *word,
		  bool (*next)(void *context, size_t i, char ret[static QUANTITY_WORD]),
		  void *context, char ret[static QUANTITY_WORD]);
