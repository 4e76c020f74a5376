/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A call of each method of the table, with all of its options. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/method.h"
#include "dbus/names.h"
#include "tests/fuzz/seeds.h"
#include "util/cleanup.h"

enum { SIZE_MAX_OF_CALL = 4096, MENDED = 2, ROOT = 4 };

struct call {
        uint8_t data[SIZE_MAX_OF_CALL];
        size_t size;
};

static void put(struct call *call, const void *data, size_t size) {
        if (call->size + size > sizeof(call->data))
                abort();
        memcpy(&call->data[call->size], data, size);
        call->size += size;
}

static void align(struct call *call, size_t to) {
        while (call->size % to != 0)
                put(call, "", 1);
}

static void put_u32(struct call *call, uint32_t value) {
        align(call, 4);
        put(call, &value, sizeof(value)); /* in the order of this machine, which the first byte would tell: all that fuzz have this one */
}

static void put_string(struct call *call, const char *text) {
        put_u32(call, (uint32_t) strlen(text));
        put(call, text, strlen(text) + 1);
}

static void put_signature(struct call *call, const char *text) {
        const uint8_t length = (uint8_t) strlen(text);

        put(call, &length, 1);
        put(call, text, length + 1U);
}

static void put_value(struct call *call, const char *name, const char *type, const struct method *method);

/* Texts that say something to the method. */
static const char *text_for(const char *name) {
        static const struct {
                const char *name, *text;
        } texts[] = {
                {"id", "0123abcd-4567-89ab-cdef-0123456789ab"},
                {"spec", "{\"ociVersion\":\"1.0.2\",\"mandatoryMounts\":false,\"root\":{\"path\":\"/r\"},\"mounts\":[{\"destination\":\"/t\",\"type\":\"tmpfs\"}]}"},
                {"mounts", "[{\"destination\":\"/mnt\",\"type\":\"tmpfs\"}]"},
                {"mount", "{\"destination\":\"/mnt\",\"type\":\"tmpfs\"}"},
                {"container", "main"},
                {"interface_name", PODMOUNT_MANAGER_INTERFACE},
                {"property_name", "Version"},
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (strcmp(texts[i].name, name) == 0)
                        return texts[i].text;
        return "/mnt";
}

/* a{sv} of all keys. */
static void put_options(struct call *call, const struct method *method) {
        size_t at, begin;
        uint32_t size;

        put_u32(call, 0);
        at = call->size - 4;
        align(call, 8);
        begin = call->size;
        for (const struct option_key *key = method->keys; key && key->name; key++) {
                align(call, 8);
                put_string(call, key->name);
                put_signature(call, key->type);
                put_value(call, key->name, key->type, method);
        }
        size = (uint32_t) (call->size - begin);
        memcpy(&call->data[at], &size, sizeof(size));
}

static void put_value(struct call *call, const char *name, const char *type, const struct method *method) {
        static const uint8_t zeros[8];

        if (strcmp(type, "s") == 0 || strcmp(type, "o") == 0)
                put_string(call, text_for(name));
        else if (strcmp(type, "a{sv}") == 0)
                put_options(call, method);
        else if (strcmp(type, "v") == 0) {
                put_signature(call, "s");
                put_string(call, "x");
        } else if (strcmp(type, "as") == 0) {
                put_u32(call, 8);
                put_string(call, "one");
        } else if (*type == 'a') {
                put_u32(call, 0);
                align(call, type[1] == '{' || type[1] == '(' ? 8 : 4);
        } else if (strcmp(type, "t") == 0 || strcmp(type, "x") == 0) {
                align(call, 8);
                put(call, zeros, 8);
        } else
                put_u32(call, 0); /* u, b, h */
}

static void put_field(struct call *call, uint8_t code, const char *type, const char *text) {
        align(call, 8);
        put(call, &code, 1);
        put_signature(call, type);
        if (*type == 'g')
                put_signature(call, text);
        else
                put_string(call, text);
}

static void seed_method(const struct method *method, int how) {
        static const uint8_t head[] = {'l', 1, 0, 1};
        _cleanup_free_ char *name = NULL;
        char signature[256] = "";
        struct call call = {};
        uint32_t size;

        for (const struct argument_row *row = method->in; row && row->name; row++)
                strncat(signature, row->type, sizeof(signature) - strlen(signature) - 1);
        put(&call, head, sizeof(head));
        put_u32(&call, 0);
        put_u32(&call, 1);
        put_u32(&call, 0);
        put_field(&call, 1, "o", method->objects == OBJECT_POD ? PODMOUNT_POD_PATH "/0123abcd_4567_89ab_cdef_0123456789ab" : PODMOUNT_OBJECT_PATH);
        put_field(&call, 2, "s", method->interface);
        put_field(&call, 3, "s", method->member);
        if (*signature)
                put_field(&call, 8, "g", signature);
        size = (uint32_t) call.size - 16;
        memcpy(&call.data[12], &size, sizeof(size));
        align(&call, 8);
        for (const struct argument_row *row = method->in; row && row->name; row++)
                put_value(&call, row->name, row->type, method);
        if (asprintf(&name, "%s-%s-%d", strrchr(method->interface, '.') + 1, method->member, how) < 0)
                abort();
        seed("fuzz-dbus", name, how, call.data, call.size);
}

void seeds_of_dbus(void) {
        for (const struct method *method = method_table; method->member; method++) {
                seed_method(method, MENDED);
                seed_method(method, MENDED | ROOT);
        }
}
