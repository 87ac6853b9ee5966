/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values as people write them: durations, numbers, percent. Pure.
 *
 * Strict on purpose: a number whose unit must be guessed, an octal-looking zero or a value out of range is an
 * error that says what to write instead.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/macro.h"

#define VALUE_WHY 256 /* room for the sentence that says what is wrong */
#define VALUE_TEXT 64 /* room for a value written out */
#define VALUE_WORD 128 /* room for an option's name */

/* Writes the sentence. Return: -EINVAL. */
int value_wrong(char ret_why[static VALUE_WHY], const char *format, ...) PRINTF(2, 3);

/**
 * value_duration() - "500ms", "1m30s", "2h": as Prometheus writes them
 * @ret_ns: nanoseconds; untouched on failure
 *
 * Units y w d h m s ms, each once at most and the largest first. "0" needs none.
 *
 * Return: 0; -EINVAL with @ret_why.
 */
int value_duration(const char *text, int64_t *ret_ns, char ret_why[static VALUE_WHY]);

/* A whole decimal number, not negative. Return: 0; -EINVAL with @ret_why. */
int value_count(const char *text, int64_t *ret, char ret_why[static VALUE_WHY]);

/* As a count, or with a unit: "64MiB", "512KiB", "1GiB". Return: 0; -EINVAL with @ret_why. */
int value_bytes(const char *text, int64_t *ret, char ret_why[static VALUE_WHY]);

/* A decimal number, perhaps with a fraction or a percent sign. Return: 0; -EINVAL with @ret_why. */
int value_percent(const char *text, double *ret, char ret_why[static VALUE_WHY]);

/* The shortest text that the functions above read back as the same value. */
void value_print_duration(int64_t ns, char ret[static VALUE_TEXT]);
void value_print_bytes(int64_t bytes, char ret[static VALUE_TEXT]);
void value_print_percent(double percent, char ret[static VALUE_TEXT]);

/**
 * value_nearest() - which of some words was probably meant
 * @word: what was written
 * @next: writes the i-th word, empty to leave one out; false at the end
 * @ret: the nearest by edit distance; untouched where none is near
 *
 * Return: whether there is one.
 */
bool value_nearest(const char *word,
		   bool (*next)(void *context, size_t i, char ret[static VALUE_WORD]),
		   void *context, char ret[static VALUE_WORD]);
