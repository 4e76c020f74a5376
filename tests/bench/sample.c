/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Medians and the JSON line of a figure. */

#include "sample.h"

#include <json-c/json.h>
#include <stdio.h>
#include <time.h>

#include "util/array.h"

double sample_now(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
        return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}

void samples_add(struct samples *samples, double value) {
        double *slot = array_append(&samples->values, &samples->n);

        if (!slot) {
                fprintf(stderr, "bench: out of memory\n");
                exit(EXIT_FAILURE);
        }
        *slot = value;
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

double samples_quantile(struct samples *samples, double share) {
        size_t index;

        if (samples->n == 0)
                return 0;
        qsort(samples->values, samples->n, sizeof(double), compare);
        index = (size_t) (share * (double) samples->n);
        return samples->values[index < samples->n ? index : samples->n - 1];
}

double samples_median(struct samples *samples) {
        return samples_quantile(samples, 0.5);
}

void samples_done(struct samples *samples) {
        free(samples->values);
        *samples = (struct samples) {};
}

static struct json_object *rounded(double value, int digits) {
        char text[64];

        (void) snprintf(text, sizeof(text), "%.*f", digits, value); /* 64 bytes hold any figure of ours */
        return json_object_new_double_s(value, text);
}

void sample_print(const char *figure, double median, const char *base, double base_median, double budget) {
        struct json_object *line = json_object_new_object();

        json_object_object_add(line, "figure", json_object_new_string(figure));
        json_object_object_add(line, "median_us", rounded(median, 1));
        if (base) {
                json_object_object_add(line, "base", json_object_new_string(base));
                json_object_object_add(line, "base_us", rounded(base_median, 1));
                json_object_object_add(line, "ratio", rounded(base_median > 0 ? median / base_median : 0, 2));
        }
        if (budget > 0) {
                json_object_object_add(line, "budget", rounded(budget, 2));
                json_object_object_add(line, "within", json_object_new_boolean(median <= budget * base_median));
        }
        printf("%s\n", json_object_to_json_string_ext(line, JSON_C_TO_STRING_SPACED));
        (void) fflush(stdout); /* a reader that is gone shows in the exit of the next write */
        json_object_put(line);
}
