/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Samples of one figure and what is printed of them: one JSON line a figure, medians of one run. */

#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"

struct samples {
        double *values; /* microseconds */
        size_t n;
};

/* Now, in microseconds of CLOCK_MONOTONIC. */
double sample_now(void);
/* Adds one value; ends the program when memory is short. */
void samples_add(struct samples *samples, double value);
/* The median, 0 without samples. Sorts the values. */
double samples_median(struct samples *samples);
/* The value below which `share` (0 to 1) of the samples lie. Sorts the values. */
double samples_quantile(struct samples *samples, double share);
void samples_done(struct samples *samples);

/* Prints {"figure": …, "median_us": …, "base": …, "base_us": …, "ratio": …, "budget": …}; a budget of 0 is left out. */
void sample_print(const char *figure, double median, const char *base, double base_median, double budget);
