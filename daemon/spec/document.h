/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The two forms of a spec and what they share. Of this floor's own use. */

#include <json-c/json.h>
#include <stdbool.h>

#include "spec/spec.h"
#include "util/cleanup.h"
#include "util/failure.h"
#include "util/json-writer.h"

/* FAILURE_QUOTA_EXCEEDED for a document of more than `mounts_max` mounts, whatever they say. */
int document_check_count(struct json_object *document, uint64_t mounts_max, struct failure *f);

/* Fill the spec from the document; on failure what is filled is the caller's to free. */
int document_parse_oci(struct json_object *document, struct spec *spec, struct failure *f);
/* The containers of all its parts; takes out of the document what is not read. */
int document_parse_export(struct json_object *document, struct spec *spec, struct failure *f);
int document_parse_own(struct json_object *document, struct spec *spec, struct failure *f);

/* A container's root: member "path" of the object at `pointer`. */
int document_parse_root_path(struct json_object *root, const char *pointer, struct source *ret, struct failure *f);
/* The same, or the layer that it names instead. */
int document_parse_root_source(struct json_object *root, const char *pointer, struct source *ret, struct failure *f);
/* What takes the writes to the container's root, which is read already: members "overlay" and "overlaySize" of the object. */
int document_parse_overlay(struct json_object *root, const char *pointer, struct spec_container *container, struct failure *f);

/* Member "namespaces" of the object at `pointer`: {"pid": "fd:NAME"…} over what `ret` holds already. */
int document_parse_namespaces(struct json_object *object, const char *pointer, struct source *ret, struct failure *f);

/* The object at `pointer` itself, which is such a member. */
int document_parse_named(struct json_object *object, const char *pointer, struct source *ret, struct failure *f);

/* Members "maskedPaths" and "readonlyPaths" of the object at `pointer` (OCI runtime specification, config-linux.md). */
int document_parse_paths(struct json_object *object, const char *pointer, struct spec_container *container,
        struct failure *f);
/* Reads an array of absolute paths below "/", normalised: member `key` of the object at `pointer`. NULL when absent. */
int document_parse_path_list(
        struct json_object *object, const char *pointer, const char *key, char ***ret, struct failure *f);
/* Member "prepare" of the object at `pointer` (linuxkit's runtime.json): its mounts are appended to the container's, those on
 * the host to the spec's, what podmount does not apply is told in the spec's warnings; members that nobody knows are told
 * there, too, or refused if `strict`. To be called after the container's own mounts were read. */
int document_parse_prepare(struct json_object *object, const char *pointer, bool strict, struct spec *spec,
        struct spec_container *container, struct failure *f);
/* Member "bindNS" of the object at `pointer`, that of this container: namespaces of its process, appended to the spec's mounts on
 * the host. */
int document_parse_pins(struct json_object *object, const char *pointer, const char *container, struct spec *spec,
        struct failure *f);
/* How many interfaces the spec has so far. */
size_t document_count_links(const struct spec *spec);
/* Member "interfaces" of the object at `pointer`, those of this container; of the spec as a whole there are SPEC_LINKS_MAX at most. With
 * `warnings`, members that nobody knows are told there, and else refused. */
int document_parse_links(struct json_object *object, const char *pointer, char ***warnings, const struct spec *spec,
        struct spec_container *container, struct failure *f);
/* Member "cgroups" of the object at `pointer`: names of the pod's cgroups, added to those of the spec. */
int document_parse_cgroups(struct json_object *object, const char *pointer, struct spec *spec, struct failure *f);
/* Member "hostMounts" of the object at `pointer`, appended to the spec's; with `warnings` as document_parse_mounts(). */
int document_parse_host(struct json_object *object, const char *pointer, char ***warnings, struct spec *spec,
        struct failure *f);
/* Refuses two mounts of one destination. */
int document_check_duplicates(const struct spec_mount *mounts, size_t n, struct failure *f);
/* Member `key`: one of shared, slave, private, unbindable, or the same with an r before it. */
int document_parse_propagation(struct json_object *object, const char *pointer, const char *key,
        struct spec_container *container, struct failure *f);
/* The members uidMappings and gidMappings, checked as the kernel will check them; none of either when there are none. */
int document_parse_maps(struct json_object *object, const char *pointer, struct idmap *ret, struct failure *f);
/* The same, or "userns" instead of them. */
int document_parse_idmap(struct json_object *object, const char *pointer, struct idmap *ret, struct source *ret_userns,
        struct failure *f);
/* Writes `,"gidMappings":[…]` and `,"uidMappings":[…]` in canonical form; nothing when there are none. */
void document_write_gids(struct json_writer *out, const struct idmap *idmap);
void document_write_uids(struct json_writer *out, const struct idmap *idmap);

/* Member "visibility" of a whole document. */
int document_parse_visibility(struct json_object *document, struct spec *spec, struct failure *f);
/* Member "gc" of a whole document, whose containers were read. */
int document_parse_gc(struct json_object *document, struct spec *spec, struct failure *f);

/* Member "volumes" of a whole document. */
int document_parse_volumes(struct json_object *document, struct spec *spec, struct failure *f);

/* Parses an array of OCI mount objects; duplicate destinations are refused. With `warnings`, members that podmount does
 * not know are told there, as the OCI specification demands; with NULL they are refused. On failure the mounts are
 * freed. */
int document_parse_mounts(struct json_object *array, const char *pointer, char ***warnings, struct spec_mount **ret,
        size_t *ret_n, struct failure *f);
/* The same for one object. */
int document_parse_mount(
        struct json_object *object, const char *pointer, char ***warnings, struct spec_mount *ret, struct failure *f);
/* Fills in what mounts and volumes have alike: type, source, mappings and options. What is filled on failure is the
 * caller's to release. */
int document_fill_mount(struct json_object *object, const char *pointer, struct spec_mount *mount, struct failure *f);
