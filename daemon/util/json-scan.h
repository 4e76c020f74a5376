/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The grammar of RFC 8259, checked byte by byte before a parser that is kinder than the RFC sees the text. On top of
 * the grammar: bounded nesting, no NUL in a string (\u0000), no unpaired surrogate, numbers within what the parser
 * keeps exactly.
 */

#include <stdbool.h>
#include <stddef.h>

#include "util/cleanup.h"

struct json_scan {
        size_t offset;      /* of the first bad byte */
        const char *reason; /* static; what is wrong there */
        size_t n_members;   /* of all objects together */
        size_t n_values;    /* of any type */
        size_t n_containers; /* arrays and objects among them */
};

/* 0 when `text` is one JSON value nested at most `depth_max` deep; -EBADMSG with offset and reason; -ENOMEM. With
 * `unique` set, a key that an object has already, spelled the same, is wrong too. */
int json_scan(const char *text, size_t size, unsigned depth_max, bool unique, struct json_scan *ret);
