/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Both forms of a spec: what is read from them, and every refusal with its place. */

#include "tests/unit/spec/spec-cases.h"

#define OCI(rest) "{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"/r\"}" rest "}"
#define OCI_MOUNT(object) OCI(", \"mounts\": [" object "]")
#define OWN(containers) "{\"podmount\": 1, \"containers\": [" containers "]}"
#define BOX(name, rest) "{\"name\": \"" name "\", \"root\": {\"path\": \"/r\"}" rest "}"

START_TEST(test_oci) {
        _cleanup_(spec_freep) struct spec *spec =
                parse("{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"//r/./x/\", "
                      "\"readonly\": true}, \"mounts\": [{\"destination\": \"/a//b/\", \"type\": \"bind\", \"source\": "
                      "\"/s\", "
                      "\"options\": [\"ro\"]}, {\"destination\": \"/c\", \"type\": \"tmpfs\"}]}");
        const struct spec_container *container = spec->containers;

        ck_assert_ptr_null(spec->name);
        ck_assert_uint_eq(spec->n_containers, 1);
        ck_assert_str_eq(container->pointer, "");
        ck_assert_str_eq(container->name, "main");
        ck_assert_int_eq(container->root.kind, SOURCE_PATH);
        ck_assert_str_eq(container->root.text, "/r/x");
        ck_assert(container->root_readonly);
        ck_assert_int_eq(container->overlay, SPEC_OVERLAY_NONE);
        ck_assert_uint_eq(container->n_mounts, 2);
        ck_assert_str_eq(container->mounts[0].pointer, "/mounts/0");
        ck_assert_str_eq(container->mounts[0].destination, "/a/b");
        ck_assert_str_eq(container->mounts[0].options[0], "ro");
        ck_assert_str_eq(container->mounts[1].pointer, "/mounts/1");
        ck_assert_ptr_null(container->mounts[1].source);
        ck_assert_ptr_null(container->mounts[1].options);
        ck_assert_uint_eq(strv_length(spec->warnings), 0);
}
END_TEST

START_TEST(test_own) {
        _cleanup_(spec_freep) struct spec *spec = parse(
                "{\"podmount\": 1, \"name\": \"shop\", \"containers\": ["
                "{\"name\": \"web\", \"root\": {\"path\": \"fd:root\", \"readonly\": true, \"overlay\": \"tmpfs\"}, "
                "\"mounts\": [{\"destination\": \"/d\", \"type\": \"bind\", \"source\": \"fd:d\"}]}, " BOX(
                        "db", "") "]}");

        ck_assert_str_eq(spec->name, "shop");
        ck_assert_uint_eq(spec->n_containers, 2);
        ck_assert_str_eq(spec->containers[0].pointer, "/containers/0");
        ck_assert_int_eq(spec->containers[0].root.kind, SOURCE_FD);
        ck_assert_str_eq(spec->containers[0].root.text, "root");
        ck_assert_int_eq(spec->containers[0].overlay, SPEC_OVERLAY_TMPFS);
        ck_assert_str_eq(spec->containers[0].mounts[0].pointer, "/containers/0/mounts/0");
        ck_assert_str_eq(spec->containers[1].name, "db");
        ck_assert(!spec->containers[1].root_readonly);
}
END_TEST

START_TEST(test_prepare) {
        _cleanup_(spec_freep) struct spec *oci = parse(OCI(
                ", \"prepare\": {\"mounts\": [{\"destination\": \"/p\", \"type\": \"tmpfs\"}], \"mkdir\": [\"/b\", \"/a//c/\"], "
                "\"cgroups\": [\"x\"], \"interfaces\": [], \"bindNS\": {\"net\": \"/run/n\"}, \"more\": 1}, "
                "\"mounts\": [{\"destination\": \"/m\", \"type\": \"tmpfs\"}]"));
        _cleanup_(spec_freep) struct spec *own = parse(OWN(BOX("a", ", \"prepare\": {\"mkdir\": [\"/b\"]}")));
        const struct spec_container *container = oci->containers;

        ck_assert_uint_eq(container->n_mounts, 2);
        ck_assert_str_eq(container->mounts[0].destination, "/m");
        ck_assert(!container->mounts[0].prepared);
        ck_assert_str_eq(container->mounts[1].pointer, "/prepare/mounts/0");
        ck_assert(container->mounts[1].prepared);
        ck_assert_str_eq(container->mkdir[0], "/b");
        ck_assert_str_eq(container->mkdir[1], "/a/c");
        ck_assert_uint_eq(strv_length(oci->warnings), 1);
        ck_assert_ptr_nonnull(strstr(oci->warnings[0], "/prepare/more is not applied"));
        ck_assert_uint_eq(strv_length(oci->cgroups), 1);
        ck_assert_str_eq(oci->cgroups[0], "x");
        ck_assert_str_eq(oci->cgroups_pointer, "/prepare/cgroups");
        ck_assert_uint_eq(oci->n_host, 1);
        ck_assert_str_eq(oci->host[0].pointer, "/prepare/bindNS/net");
        ck_assert_str_eq(oci->host[0].destination, "/run/n");
        ck_assert_str_eq(oci->host[0].type, SPEC_PIN_TYPE);
        ck_assert_str_eq(oci->host[0].source, "main:net");
        ck_assert_str_eq(own->containers[0].prepare_pointer, "/containers/0/prepare");
        ck_assert_uint_eq(strv_length(own->containers[0].mkdir), 1);
}
END_TEST

START_TEST(test_canonical) {
        _cleanup_(spec_freep) struct spec *one = parse("{\"root\":{\"path\":\"/r\"},\"ociVersion\":\"1.0.2\"}");
        _cleanup_(spec_freep) struct spec *two = parse(OCI(""));

        ck_assert_str_eq(one->canonical, two->canonical);
}
END_TEST

START_TEST(test_warnings) {
        _cleanup_(spec_freep) struct spec *spec =
                parse(OCI(", \"process\": {}, \"hooks\": {}, \"hostname\": \"h\", "
                          "\"annotations\": {\"a\": \"b\"}, \"strange\": 1, \"linux\": {\"namespaces\": [], "
                          "\"seccomp\": {}, \"new\": 1}, "
                          "\"mounts\": [{\"destination\": \"/a\", \"type\": \"tmpfs\", \"label\": \"x\"}]"));
        static const char *const told[] = {
                "/process is not applied: podmount mounts, it runs nothing",
                "/hooks is not applied: podmount mounts, it runs nothing",
                "/hostname is not applied: podmount mounts, it makes no UTS namespace",
                "/annotations is not applied: podmount keeps no annotations",
                "/strange is not applied: podmount does not know it",
                "/linux/namespaces is not applied: podmount makes no namespaces; the runtime that enters the pod does",
                "/linux/seccomp is not applied: podmount runs nothing that could be filtered",
                "/linux/new is not applied: podmount does not know it",
                "/mounts/0/label is not applied: podmount does not know it",
        };

        for (size_t i = 0; i < ELEMENTSOF(told); i++)
                ck_assert_msg(strv_has(spec->warnings, told[i]), "not told: %s", told[i]);
        ck_assert_uint_eq(strv_length(spec->warnings), ELEMENTSOF(told));
}
END_TEST

START_TEST(test_warnings_bounded) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        struct spec *spec;

        fprintf(out, "{\"ociVersion\": \"1.0\", \"root\": {\"path\": \"/r\"}");
        for (int i = 0; i < 5000; i++)
                fprintf(out, ", \"x%d\": 1", i);
        fprintf(out, "}");
        fclose(out);
        spec = parse(text);
        ck_assert_uint_eq(strv_length(spec->warnings), 256);
        ck_assert_str_eq(spec->warnings[255], "there are more warnings than are told here");
        spec_free(spec);
        free(text);
}
END_TEST

struct refusal {
        const char *text;
        enum failure_kind kind;
        const char *begin, *more;
};

static const struct refusal refusals[] = {
        /* neither form */
        {"[]", FAILURE_INVALID_SPEC, "document: ", "ociVersion"},
        {"{}", FAILURE_INVALID_SPEC, "document: ", "\"podmount\": 1"},
        {"{\"mounts\": [], \"mkdir\": [\"/x\"]}", FAILURE_INVALID_SPEC, "document: ", "linuxkit's runtime.json"},
        {"null", FAILURE_INVALID_SPEC, "document: ", "no spec"},
        {"\"x\"", FAILURE_INVALID_SPEC, "document: ", "no spec"},
        /* no JSON at all */
        {"", FAILURE_INVALID_SPEC, "Not valid JSON", ""},
        {"{", FAILURE_INVALID_SPEC, "Not valid JSON", "line 1"},
        {OCI("") "x", FAILURE_INVALID_SPEC, "Not valid JSON", ""},
        {OCI(", \"ociVersion\": \"1.0\""), FAILURE_INVALID_SPEC, "Not valid JSON", ""},
        {OCI(", \"a\\u0000b\": 1"), FAILURE_INVALID_SPEC, "Not valid JSON", "NUL"},
        {OCI_MOUNT("{\"destination\": \"/a\\u0000/etc\", \"type\": \"tmpfs\"}"), FAILURE_INVALID_SPEC, "Not valid JSON",
                "NUL"},
        /* OCI: version and root */
        {"{\"ociVersion\": 1, \"root\": {\"path\": \"/r\"}}", FAILURE_INVALID_SPEC, "/ociVersion: ", "a string"},
        {"{\"ociVersion\": \"2.0.0\", \"root\": {\"path\": \"/r\"}}", FAILURE_INVALID_SPEC, "/ociVersion: ", "1.x"},
        {"{\"ociVersion\": \"\", \"root\": {\"path\": \"/r\"}}", FAILURE_INVALID_SPEC, "/ociVersion: ", "empty"},
        {"{\"ociVersion\": \"1.0\"}", FAILURE_INVALID_SPEC, "/root: ", "missing"},
        {"{\"ociVersion\": \"1.0\", \"root\": []}", FAILURE_INVALID_SPEC, "/root: ", "an object"},
        {"{\"ociVersion\": \"1.0\", \"root\": null}", FAILURE_INVALID_SPEC, "/root: ", "null"},
        {"{\"ociVersion\": \"1.0\", \"root\": {}}", FAILURE_INVALID_SPEC, "/root/path: ", "missing"},
        {"{\"ociVersion\": \"1.0\", \"root\": {\"path\": 1}}", FAILURE_INVALID_SPEC, "/root/path: ", "a string"},
        {"{\"ociVersion\": \"1.0\", \"root\": {\"path\": \"rootfs\"}}", FAILURE_INVALID_SPEC,
                "/root/path: ", "podmountctl"},
        {"{\"ociVersion\": \"1.0\", \"root\": {\"path\": \"/a/../b\"}}", FAILURE_INVALID_SPEC,
                "/root/path: ", "\"..\""},
        {"{\"ociVersion\": \"1.0\", \"root\": {\"path\": \"fd:a b\"}}", FAILURE_INVALID_SPEC,
                "/root/path: ", "names no fd"},
        {"{\"ociVersion\": \"1.0\", \"root\": {\"path\": \"/r\", \"readonly\": \"yes\"}}", FAILURE_INVALID_SPEC,
                "/root/readonly: ", "true or false"},
        /* OCI: the rest */
        {OCI(", \"mounts\": {}"), FAILURE_INVALID_SPEC, "/mounts: ", "an array"},
        {OCI(", \"process\": 1"), FAILURE_INVALID_SPEC, "/process: ", "an object"},
        {OCI(", \"hostname\": []"), FAILURE_INVALID_SPEC, "/hostname: ", "a string"},
        {OCI(", \"linux\": []"), FAILURE_INVALID_SPEC, "/linux: ", "an object"},
        {OCI(", \"linux\": {\"maskedPaths\": \"/proc\"}"), FAILURE_INVALID_SPEC, "/linux/maskedPaths: ", "an array"},
        /* mounts */
        {OCI_MOUNT("1"), FAILURE_INVALID_SPEC, "/mounts/0: ", "an object"},
        {OCI_MOUNT("{}"), FAILURE_INVALID_SPEC, "/mounts/0/destination: ", "missing"},
        {OCI_MOUNT("{\"destination\": 7}"), FAILURE_INVALID_SPEC, "/mounts/0/destination: ", "a string"},
        {OCI_MOUNT("{\"destination\": \"\"}"), FAILURE_INVALID_SPEC, "/mounts/0/destination: ", "empty"},
        {OCI_MOUNT("{\"destination\": \"proc\"}"), FAILURE_INVALID_TARGET, "/mounts/0/destination: ", "relative"},
        {OCI_MOUNT("{\"destination\": \"/a/../../etc\"}"), FAILURE_INVALID_TARGET, "/mounts/0/destination: ", "\"..\""},
        {OCI_MOUNT("{\"destination\": \"//.//\"}"), FAILURE_INVALID_TARGET, "/mounts/0/destination: ", "root"},
        {OCI_MOUNT("{\"destination\": \"/a\", \"type\": 1}"), FAILURE_INVALID_SPEC, "/mounts/0/type: ", "a string"},
        {OCI_MOUNT("{\"destination\": \"/a\", \"type\": \"\"}"), FAILURE_INVALID_SPEC, "/mounts/0/type: ", "empty"},
        {OCI_MOUNT("{\"destination\": \"/a\", \"source\": true}"), FAILURE_INVALID_SPEC,
                "/mounts/0/source: ", "a string"},
        {OCI_MOUNT("{\"destination\": \"/a\", \"options\": \"ro\"}"), FAILURE_INVALID_SPEC,
                "/mounts/0/options: ", "an array"},
        {OCI_MOUNT("{\"destination\": \"/a\", \"options\": [1]}"), FAILURE_INVALID_SPEC,
                "/mounts/0/options/0: ", "a string"},
        {OCI_MOUNT("{\"destination\": \"/a\", \"options\": [\"ro\", null]}"), FAILURE_INVALID_SPEC,
                "/mounts/0/options/1: ", "null"},
        {OCI_MOUNT("{\"destination\": \"/a\", \"uidMappings\": [{}], \"gidMappings\": []}"), FAILURE_INVALID_SPEC,
                "/mounts/0/uidMappings/0/containerID: ", "missing"},
        {OCI_MOUNT("{\"destination\": \"/a\"}, {\"destination\": \"/b\"}, {\"destination\": \"//b/\"}, "
                   "{\"destination\": \"/a\"}"),
                FAILURE_INVALID_SPEC, "/mounts/2/destination: ", "/mounts/1"},
        /* podmount's own */
        {"{\"podmount\": 2, \"containers\": []}", FAILURE_INVALID_SPEC, "/podmount: ", "write 1"},
        {"{\"podmount\": \"1\", \"containers\": []}", FAILURE_INVALID_SPEC, "/podmount: ", "a whole number"},
        {"{\"podmount\": 1.0, \"containers\": []}", FAILURE_INVALID_SPEC, "/podmount: ", "number"},
        {"{\"podmount\": 1}", FAILURE_INVALID_SPEC, "/containers: ", "missing"},
        {"{\"podmount\": 1, \"containers\": {}}", FAILURE_INVALID_SPEC, "/containers: ", "an array"},
        {OWN(""), FAILURE_INVALID_SPEC, "/containers: ", "empty"},
        {"{\"podmount\": 1, \"contaners\": []}", FAILURE_INVALID_SPEC, "/contaners: ", "podmount, name, lenient, containers"},
        {"{\"podmount\": 1, \"ociVersion\": \"1.0\", \"containers\": []}", FAILURE_INVALID_SPEC,
                "/ociVersion: ", "unknown"},
        {"{\"podmount\": 1, \"namespaces\": [], \"containers\": []}", FAILURE_INVALID_SPEC,
                "/containers: ", "empty"},
        {"{\"podmount\": 1, \"namespaces\": {\"pid\": \"/proc/1/ns/pid\"}, \"containers\": [" BOX("a", "") "]}",
                FAILURE_INVALID_SPEC, "/namespaces/pid: ", "write fd:NAME"},
        {"{\"podmount\": 1, \"name\": \"a/b\", \"containers\": []}", FAILURE_INVALID_SPEC, "/name: ", "no name"},
        {"{\"podmount\": 1, \"name\": \"a\\nb\", \"containers\": []}", FAILURE_INVALID_SPEC, "/name: ", "no name"},
        {OWN("1"), FAILURE_INVALID_SPEC, "/containers/0: ", "an object"},
        {OWN("{\"root\": {\"path\": \"/r\"}}"), FAILURE_INVALID_SPEC, "/containers/0/name: ", "missing"},
        {OWN(BOX("..", "")), FAILURE_INVALID_SPEC, "/containers/0/name: ", "no name"},
        {OWN(BOX("a", "") ", " BOX("a", "")), FAILURE_INVALID_SPEC, "/containers/1/name: ", "/containers/0"},
        {OWN("{\"name\": \"a\"}"), FAILURE_INVALID_SPEC, "/containers/0/root: ", "missing"},
        {OWN("{\"name\": \"a\", \"root\": \"/r\"}"), FAILURE_INVALID_SPEC, "/containers/0/root: ", "an object"},
        {OWN("{\"name\": \"a\", \"root\": {\"path\": \"r\"}}"), FAILURE_INVALID_SPEC,
                "/containers/0/root/path: ", "relative"},
        {OWN("{\"name\": \"a\", \"root\": {\"path\": \"/r\", \"readOnly\": true}}"), FAILURE_INVALID_SPEC,
                "/containers/0/root/readOnly: ", "path, layer, readonly, overlay"},
        {OWN("{\"name\": \"a\", \"root\": {\"path\": \"/r\", \"overlay\": \"disk\"}}"), FAILURE_INVALID_SPEC,
                "/containers/0/root/overlay: ", "tmpfs"},
        {OWN("{\"name\": \"a\", \"root\": {\"path\": \"/r\", \"overlay\": true}}"), FAILURE_INVALID_SPEC,
                "/containers/0/root/overlay: ", "a string"},
        {OWN(BOX("a", ", \"mount\": []")), FAILURE_INVALID_SPEC, "/containers/0/mount: ", "unknown"},
        {OWN(BOX("a", ", \"namespaces\": []")), FAILURE_INVALID_SPEC, "/containers/0/namespaces: ", "an object"},
        {OWN(BOX("a", ", \"namespaces\": {\"uts\": \"fd:x\"}")), FAILURE_INVALID_SPEC,
                "/containers/0/namespaces/uts: ", "pid, net, ipc or cgroup"},
        {OWN(BOX("a", ", \"namespaces\": {\"pid\": 7}")), FAILURE_INVALID_SPEC,
                "/containers/0/namespaces/pid: ", "a string"},
        {OWN(BOX("a", ", \"mounts\": [{\"destination\": \"/a\", \"option\": []}]")), FAILURE_INVALID_SPEC,
                "/containers/0/mounts/0/option: ", "destination, type, source, options"},
        {OCI(", \"prepare\": 1"), FAILURE_INVALID_SPEC, "/prepare: ", "an object"},
        {OCI(", \"prepare\": {\"mkdir\": [\"/a/../b\"]}"), FAILURE_INVALID_TARGET, "/prepare/mkdir/0: ", "\"..\""},
        {OCI(", \"prepare\": {\"bindNS\": {\"net\": 1}}"), FAILURE_INVALID_SPEC, "/prepare/bindNS/net: ", "a string"},
        {OCI(", \"mounts\": [{\"destination\": \"/a\", \"type\": \"tmpfs\"}], \"prepare\": {\"mounts\": "
             "[{\"destination\": \"/a\", \"type\": \"tmpfs\"}]}"),
                FAILURE_INVALID_SPEC, "/prepare/mounts/0/destination: ", "already"},
        {OWN(BOX("a", ", \"prepare\": {\"mkdirs\": []}")), FAILURE_INVALID_SPEC, "/containers/0/prepare/mkdirs: ", "unknown"},
        {OWN(BOX("a", ", \"mo~unt/s\": []")), FAILURE_INVALID_SPEC, "/containers/0/mo~0unt~1s: ", "unknown"},
};

START_TEST(test_refusals) {
        for (size_t i = 0; i < ELEMENTSOF(refusals); i++)
                refuse(refusals[i].text, refusals[i].kind, refusals[i].begin, refusals[i].more);
}
END_TEST

/* `count` times `text`, with commas between them. */
static char *repeat(const char *before, const char *text, const char *separator, size_t count, const char *after) {
        char *result = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&result, &size);

        fputs(before, out);
        for (size_t i = 0; i < count; i++)
                fprintf(out, "%s%s", i > 0 ? separator : "", text);
        fputs(after, out);
        ck_assert_int_eq(fclose(out), 0);
        return result;
}

START_TEST(test_limits) {
        _cleanup_free_ char *deep = repeat("", "[", "", 10000, "");
        _cleanup_free_ char *many = repeat("{\"podmount\": 1, \"containers\": [", "{}", ",", 65, "]}");
        _cleanup_free_ char *options = repeat("{\"ociVersion\": \"1.0\", \"root\": {\"path\": \"/r\"}, \"mounts\": "
                                              "[{\"destination\": \"/a\", \"options\": [",
                "\"ro\"", ",", 257, "]}]}");
        _cleanup_free_ char *option = repeat("{\"ociVersion\": \"1.0\", \"root\": {\"path\": \"/r\"}, \"mounts\": "
                                             "[{\"destination\": \"/a\", \"options\": [\"",
                "x", "", 4097, "\"]}]}");
        _cleanup_free_ char *path = repeat("{\"ociVersion\": \"1.0\", \"root\": {\"path\": \"/r\"}, \"mounts\": "
                                           "[{\"destination\": \"",
                "/x", "", 2048, "\"}]}");
        _cleanup_free_ char *component =
                repeat("{\"ociVersion\": \"1.0\", \"root\": {\"path\": \"/", "x", "", 256, "\"}}");
        _cleanup_free_ char *name = repeat("{\"podmount\": 1, \"name\": \"", "x", "", 10000, "\", \"containers\": []}");
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct spec *spec = NULL;

        refuse(deep, FAILURE_INVALID_SPEC, "Not valid JSON", "nest");
        refuse(many, FAILURE_INVALID_SPEC, "/containers: ", "at most 64");
        refuse(options, FAILURE_INVALID_OPTION, "/mounts/0/options: ", "at most 256");
        refuse(option, FAILURE_INVALID_OPTION, "/mounts/0/options/0: ", "longer than 4096");
        refuse(path, FAILURE_INVALID_TARGET, "/mounts/0/destination: ", "longer");
        refuse(component, FAILURE_INVALID_SPEC, "/root/path: ", "longer");
        refuse(name, FAILURE_INVALID_SPEC, "/name: ", "no name");

        ck_assert_int_eq(spec_parse(OCI(""), strlen(OCI("")), 10, UINT64_MAX, &spec, &f), FAILURE_QUOTA_EXCEEDED);
        ck_assert_ptr_null(spec);
        ck_assert_ptr_nonnull(strstr(f.text, "(SpecSizeMax=): 0 of 10 in use, "));
}
END_TEST

/* Told by their number alone: these are no mounts, which nobody gets to see. */
START_TEST(test_count) {
        static const char *const documents[] = {
                OCI(", \"mounts\": [1, 2, 3], \"volumes\": [4]"), /* which are none of an OCI document */
                OWN(BOX("a", ", \"mounts\": [1]") ", " BOX("b", ", \"mounts\": [2, 3]")),
        };

        for (size_t i = 0; i < ELEMENTSOF(documents); i++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT, other = FAILURE_INIT;
                const char *text = documents[i];
                struct spec *spec = NULL;

                ck_assert_int_eq(spec_parse(text, strlen(text), SIZE_MAX_OF_SPEC, 2, &spec, &f), FAILURE_QUOTA_EXCEEDED);
                ck_assert_msg(strstr(f.text, "mounts per pod: one document asks for 3, and a pod has at most 2;") != NULL, "%s", f.text);
                ck_assert_int_eq(spec_parse(text, strlen(text), SIZE_MAX_OF_SPEC, 3, &spec, &other), FAILURE_INVALID_SPEC);
                ck_assert_ptr_null(spec);
        }
}
END_TEST

/* A document of the largest size must not hold the daemon up: 20,000 mounts, the last two of them the same. */
START_TEST(test_many_mounts) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);

        fprintf(out, "{\"ociVersion\": \"1.0\", \"root\": {\"path\": \"/r\"}, \"mounts\": [");
        for (int i = 0; i < 20000; i++)
                fprintf(out, "{\"destination\": \"/d%d\", \"source\": \"fd:f%d\"},", i, i);
        fprintf(out, "{\"destination\": \"/d19999\"}]}");
        fclose(out);
        refuse(text, FAILURE_INVALID_SPEC, "/mounts/20000/destination: ", "/mounts/19999");
        free(text);
}
END_TEST

#define EXPORT_OF(more, parts) "{\"podmount-export\": 1" more ", \"parts\": [" parts "]}"
#define EXPORT_PART(more, container)                                                                                   \
        "{" more "\"spec\": {\"podmount\": 1, \"containers\": [{\"name\": \"" container "\", \"root\": {\"path\": \"/r\"}}]}}"
#define EXPORT_OCI(more)                                                                                               \
        "{" more "\"spec\": {\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"/r\"}, \"mounts\": [{\"destination\": \"/x\", "       \
        "\"type\": \"bind\", \"source\": \"fd:one\"}]}}"

START_TEST(test_export) {
        static const char text[] = EXPORT_OF(
                ", \"id\": \"i\", \"name\": \"n\", \"lease\": \"none\", \"mounts\": [1], \"fds\": []",
                EXPORT_PART("", "a") ", " EXPORT_OCI("\"container\": \"late\", "));
        static const char without[] = EXPORT_OF(", \"id\": \"i\", \"name\": \"n\", \"lease\": \"none\"",
                EXPORT_PART("", "a") ", " EXPORT_OCI("\"container\": \"late\", "));
        static const struct {
                const char *text, *place;
        } bad[] = {
                {EXPORT_OF("", ""), "/parts"},
                {EXPORT_OF(", \"x\": 1", EXPORT_PART("", "a")), "/x"},
                {EXPORT_OF(", \"name\": \"../a\"", EXPORT_PART("", "a")), "/name"},
                {EXPORT_OF(", \"id\": 1", EXPORT_PART("", "a")), "/id"},
                {EXPORT_OF(", \"fds\": {}", EXPORT_PART("", "a")), "/fds"},
                {EXPORT_OF("", "1"), "/parts/0"},
                {EXPORT_OF("", "{}"), "/parts/0/spec"},
                {EXPORT_OF("", "{\"spec\": {}}"), "/parts/0/spec"},
                {EXPORT_OF("", "{\"spec\": " EXPORT_OF("", EXPORT_PART("", "a")) "}"), "/parts/0/spec"},
                {EXPORT_OF("", EXPORT_PART("", "a") ", " EXPORT_PART("", "a")), "/parts/1/spec/containers/0"},
                {EXPORT_OF("", EXPORT_PART("\"container\": \"../a\", ", "a")), "/parts/0/container"},
                {EXPORT_OF("", EXPORT_PART("\"more\": 1, ", "a")), "/parts/0/more"},
                {EXPORT_OF("", "{\"spec\": {\"podmount\": 2}}"), "/parts/0/spec/podmount: "},
                {"{\"podmount-export\": 2}", "/podmount-export"},
                {"{\"podmount-export\": 1}", "/parts"},
        };
        _cleanup_(spec_freep) struct spec *spec = NULL, *same = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_strv_ char **names = NULL;

        ck_assert_msg(spec_parse(text, strlen(text), SIZE_MAX_OF_SPEC, UINT64_MAX, &spec, &f) == 0, "%s", f.text);
        ck_assert(spec->exported);
        ck_assert_str_eq(spec->id, "i");
        ck_assert_str_eq(spec->name, "n");
        ck_assert_str_eq(spec->lease, "none");
        ck_assert_uint_eq(spec->n_containers, 2);
        ck_assert_str_eq(spec->containers[0].name, "a");
        ck_assert_str_eq(spec->containers[1].name, "late");
        ck_assert_str_eq(spec->containers[1].mounts[0].pointer, "/parts/1/spec/mounts/0");
        ck_assert_int_eq(spec_fd_names(spec, &names), 0);
        ck_assert_str_eq(names[0], "one");
        /* What is for readers makes no other document of it. */
        ck_assert_int_eq(spec_parse(without, strlen(without), SIZE_MAX_OF_SPEC, UINT64_MAX, &same, &f), 0);
        ck_assert_str_eq(spec->canonical, same->canonical);

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_failure_ struct failure why = FAILURE_INIT;
                struct spec *none = NULL;
                int r = spec_parse(bad[i].text, strlen(bad[i].text), SIZE_MAX_OF_SPEC, UINT64_MAX, &none, &why);

                ck_assert_msg(r == FAILURE_INVALID_SPEC, "%s: %d", bad[i].text, r);
                ck_assert_msg(strncmp(why.text, bad[i].place, strlen(bad[i].place)) == 0, "%s: %s", bad[i].text, why.text);
        }
}
END_TEST

START_TEST(test_no_export) {
        static const struct {
                const char *text, *words;
        } cases[] = {
                {OCI(""), "this is no export of a pod, as `podmountctl export` prints it, but looks like a spec (it has \"ociVersion\"): give it to CreatePod()"},
                {"{\"podmount\": 1}", "looks like a spec (it has \"podmount\")"},
                {"{\"podmount\": 7, \"containers\": []}", "looks like a spec (it has \"podmount\")"},
                {"{\"root\": {}}", "looks like a spec (it has \"root\")"},
                {"{}", "this is no export of a pod: that is an object with \"podmount-export\", as `podmountctl export` prints it"},
                {"[]", "this is no export of a pod: that is an object with"},
                {"3", "this is no export of a pod: that is an object with"},
                {"{\"podmount-export\": 2}", "/podmount-export: version 2 of the format is not known to this podmount, which knows 1: restore it with one"},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                struct spec *spec = NULL;

                ck_assert_int_eq(spec_parse_restored(cases[i].text, strlen(cases[i].text), SIZE_MAX_OF_SPEC, UINT64_MAX, &spec, &f), FAILURE_INVALID_SPEC);
                ck_assert_msg(strstr(f.text, cases[i].words), "%s: %s", cases[i].text, f.text);
        }
}
END_TEST

/* Where an export is no spec, it is told what it is. */
START_TEST(test_export_elsewhere) {
        static const char two[] = EXPORT_OF("", EXPORT_PART("", "a") ", " EXPORT_PART("", "b"));
        static const char pretty[] = "{\n  \"podmount-export\": 1,\n  \"parts\": []\n}"; /* as Export() prints it */
        _cleanup_failure_ struct failure long_one = FAILURE_INIT, container = FAILURE_INIT, spec_failure = FAILURE_INIT;
        struct spec *spec = NULL;

        ck_assert_int_eq(spec_parse(two, strlen(two), 20, UINT64_MAX, &spec, &long_one), FAILURE_QUOTA_EXCEEDED);
        ck_assert_msg(strstr(long_one.text, "restore it, by Restore()"), "%s", long_one.text);
        failure_clear(&long_one);
        ck_assert_int_eq(spec_parse(pretty, strlen(pretty), 20, UINT64_MAX, &spec, &long_one), FAILURE_QUOTA_EXCEEDED);
        ck_assert_msg(strstr(long_one.text, "restore it, by Restore()"), "%s", long_one.text);
        ck_assert_int_eq(spec_parse(OCI(""), strlen(OCI("")), 20, UINT64_MAX, &spec, &spec_failure), FAILURE_QUOTA_EXCEEDED);
        ck_assert_msg(strstr(spec_failure.text, "split it, or have"), "%s", spec_failure.text);
        ck_assert_int_eq(spec_parse_container(two, strlen(two), SIZE_MAX_OF_SPEC, UINT64_MAX, "a", &spec, &container), FAILURE_INVALID_SPEC);
        ck_assert_msg(strncmp(container.text, "/parts: this is an export of a pod of 2", strlen("/parts: this is an export of a pod of 2")) == 0, "%s",
                      container.text);
}
END_TEST

/* What Restore() takes beyond the limit of specs, and Export() gives: neither more bytes nor more values. */
START_TEST(test_restored) {
        static const char head[] = "{\"podmount-export\": 1, \"parts\": [" EXPORT_PART("", "a") "], \"warnings\": [";
        const struct {
                const char *item;
                size_t n;
                enum failure_kind kind;
        } cases[] = {
                {"1", 1000, FAILURE_NONE},
                {"1", SPEC_EXPORT_VALUES_MAX, FAILURE_INVALID_SPEC},
                {"[]", SPEC_EXPORT_CONTAINERS_MAX, FAILURE_INVALID_SPEC},
                {"\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"", SPEC_EXPORT_SIZE_MAX / 50, FAILURE_QUOTA_EXCEEDED},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT, given = FAILURE_INIT;
                _cleanup_(spec_freep) struct spec *spec = NULL, *other = NULL;
                _cleanup_free_ char *text = NULL;
                size_t size = 0;
                FILE *out = open_memstream(&text, &size);

                (void) fputs(head, out);
                for (size_t j = 0; j < cases[i].n; j++)
                        fprintf(out, "%s%s", j > 0 ? "," : "", cases[i].item);
                (void) fputs("]}", out);
                (void) fclose(out);
                ck_assert_int_eq(spec_parse_restored(text, size, 1024, UINT64_MAX, &spec, &f), (int) cases[i].kind);
                ck_assert_int_eq(spec_check_export(text, size, 1024, &given), cases[i].kind == FAILURE_NONE ? 0 : FAILURE_QUOTA_EXCEEDED);
                /* What is no longer than a spec may be is read as one. */
                if (cases[i].kind == FAILURE_QUOTA_EXCEEDED) {
                        ck_assert_int_eq(spec_parse_restored(text, size, size, UINT64_MAX, &other, &f), 0);
                        ck_assert_int_eq(spec_check_export(text, size, size, &given), 0);
                }
        }
}
END_TEST

UNIT_MAIN("spec", test_prepare, test_export, test_no_export, test_export_elsewhere, test_restored, test_oci, test_own, test_canonical, test_warnings, test_warnings_bounded, test_refusals,
        test_limits, test_count, test_many_mounts)
