/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "image/select.h"

#include <string.h>

#include "util/array.h"
#include "util/log.h"

enum { NAMED_MAX = 8 /* things that a failure names */ };

struct candidates {
        const struct descriptor **list; /* no digest twice */
        size_t n;
};

static void candidates_done(struct candidates *candidates) {
        free(candidates->list);
}
#define _cleanup_candidates_ _cleanup_(candidates_done)

static int add(struct candidates *candidates, const struct descriptor *descriptor) {
        const struct descriptor **slot;

        for (size_t i = 0; i < candidates->n; i++)
                if (digest_equal(&candidates->list[i]->digest, &descriptor->digest))
                        return 0;
        slot = array_append(&candidates->list, &candidates->n);
        if (!slot)
                return log_oom();
        *slot = descriptor;
        return 0;
}

static const char *name_of(const struct descriptor *descriptor, char buffer[static DIGEST_TEXT_SIZE]) {
        return descriptor->reference ? descriptor->reference : digest_text(&descriptor->digest, buffer);
}

/* "a, b, …" of the first ones, each once: by name, by digest or by platform. */
enum by { BY_NAME, BY_DIGEST, BY_PLATFORM };

static char *word_for(const struct descriptor *descriptor, enum by by) {
        char digest[DIGEST_TEXT_SIZE];

        if (by == BY_PLATFORM)
                return platform_text(&descriptor->platform);
        return strdup(by == BY_NAME ? name_of(descriptor, digest) : digest_text(&descriptor->digest, digest));
}

static bool has(char *const *words, const char *word) {
        for (; words && *words; words++)
                if (strcmp(*words, word) == 0)
                        return true;
        return false;
}

/* NULL when memory is short. */
static char *words_of(const struct candidates *candidates, enum by by) {
        _cleanup_strv_ char **words = NULL;
        size_t i = 0;

        for (; i < candidates->n && strv_length(words) < NAMED_MAX; i++) {
                _cleanup_free_ char *word = word_for(candidates->list[i], by);

                if (!word || (!has(words, word) && strv_append(&words, word) < 0))
                        return NULL;
        }
        if (i < candidates->n && strv_append(&words, "…") < 0)
                return NULL;
        return strv_join(words, ", ");
}

static int add_all(const struct index_document *index, struct candidates *ret) {
        int r = 0;

        for (size_t i = 0; i < index->n_manifests && r == 0; i++)
                r = add(ret, &index->manifests[i]);
        return r;
}

/* Keeps those that suit the platform best. *ret: how well. */
static void keep_best(struct candidates *candidates, const struct platform *wanted, enum platform_match *ret) {
        size_t kept = 0;

        *ret = PLATFORM_OTHER;
        for (size_t i = 0; i < candidates->n; i++) {
                enum platform_match match = platform_match(wanted, &candidates->list[i]->platform);

                if (match > *ret) {
                        *ret = match;
                        kept = 0;
                }
                if (match == *ret)
                        candidates->list[kept++] = candidates->list[i];
        }
        candidates->n = kept;
}

static int no_platform(const struct candidates *candidates, const struct platform *wanted, struct failure *f) {
        _cleanup_free_ char *words = words_of(candidates, BY_PLATFORM), *text = platform_text(wanted);

        if (!words || !text)
                return log_oom();
        return failure_set(f, FAILURE_NO_SUCH_SOURCE, "there is nothing for the platform %s, but for %s; the option platform says which is meant", text, words);
}

static int ambiguous(const struct candidates *candidates, enum by by, struct failure *f) {
        _cleanup_free_ char *words = words_of(candidates, by);

        if (!words)
                return log_oom();
        return failure_set(f, FAILURE_INVALID_ARGS, "several images could be meant; say which one as the reference: %s", words);
}

static bool have_one_name(const struct candidates *candidates) {
        for (size_t i = 1; i < candidates->n; i++) {
                const char *first = candidates->list[0]->reference, *other = candidates->list[i]->reference;

                if ((!first != !other) || (first && strcmp(first, other) != 0))
                        return false;
        }
        return true;
}

static int find_named(const struct index_document *index, const char *reference, struct candidates *ret) {
        struct digest digest;
        bool by_digest = digest_parse(reference, &digest) == 0;
        int r = 0;

        for (size_t i = 0; i < index->n_manifests && r == 0; i++) {
                const struct descriptor *one = &index->manifests[i];

                if ((one->reference && strcmp(one->reference, reference) == 0) || (by_digest && digest_equal(&one->digest, &digest)))
                        r = add(ret, one);
        }
        return r;
}

static int no_reference(const struct candidates *all, const char *reference, struct failure *f) {
        _cleanup_free_ char *words = words_of(all, BY_NAME);

        if (!words)
                return log_oom();
        if (all->n == 0)
                return failure_set(f, FAILURE_NO_SUCH_SOURCE, "it lists no image");
        return failure_set(f, FAILURE_NO_SUCH_SOURCE, "it lists no image \"%.200s\", but %s", reference, words);
}

int select_reference(const struct index_document *index, const char *reference, const struct platform *wanted, const struct descriptor **ret,
                     struct failure *f) {
        _cleanup_candidates_ struct candidates all = {}, found = {}, best = {};
        enum platform_match match;
        int r = add_all(index, &all);

        if (r == 0)
                r = *reference ? find_named(index, reference, &found) : add_all(index, &found);
        if (r < 0)
                return r;
        if (found.n == 0)
                return no_reference(&all, reference, f);
        if (!*reference && !have_one_name(&found))
                return ambiguous(&found, BY_NAME, f);
        for (size_t i = 0; i < found.n && r == 0; i++)
                r = add(&best, found.list[i]);
        if (r < 0)
                return r;
        keep_best(&best, wanted, &match);
        if (match == PLATFORM_OTHER)
                return no_platform(&found, wanted, f);
        if (best.n > 1)
                return ambiguous(&best, BY_DIGEST, f);
        *ret = best.list[0];
        return 0;
}

int select_platform(const struct index_document *index, const struct platform *wanted, const struct descriptor **ret, struct failure *f) {
        _cleanup_candidates_ struct candidates all = {}, best = {};
        enum platform_match match;
        int r = add_all(index, &all);

        if (r == 0)
                r = add_all(index, &best);
        if (r < 0)
                return r;
        if (all.n == 0)
                return no_reference(&all, "", f);
        keep_best(&best, wanted, &match);
        if (match == PLATFORM_OTHER)
                return no_platform(&all, wanted, f);
        if (match == PLATFORM_UNSAID && best.n > 1)
                return ambiguous(&best, BY_DIGEST, f);
        *ret = best.list[0];
        return 0;
}
