/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Station 4: finds the pod that the request names, among those that its caller may see, and has admit/verdict.h decide.
 * "Ask" goes to polkit; when that says yes, the request is run again from its decoding, and the yes holds for the same
 * action with the same details only.
 */

#include "api/request.h"

struct authorisation;

/* 0, DISPATCH_WAIT, a failure kind, or a negative errno. Sets request->pod. */
int authorise(struct request *request, struct failure *f);

/* Withdraws a question that is out. Takes and returns NULL. */
struct authorisation *authorisation_free(struct authorisation *authorisation);

/* Whether the caller of this request may read the property, org.freedesktop.DBus.Properties. */
bool authorise_property(const struct request *request, const char *interface, const char *property);

/* The polkit actions that the request was asked about so far, with a space between them; NULL for none. */
char *authorise_actions(const struct request *request);
