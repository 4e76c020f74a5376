/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes introspection data, D-Bus Specification, "Introspection Data Format". */

#include "api/introspect.h"

#include <stdio.h>
#include <string.h>

#include "dbus/names.h"
#include "util/log.h"

static const char document_head[] =
        "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"
        " \"https://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n"
        "<node>\n"
        "  <interface name=\"org.freedesktop.DBus.Peer\">\n"
        "    <method name=\"Ping\"/>\n"
        "    <method name=\"GetMachineId\">\n"
        "      <arg type=\"s\" name=\"machine_uuid\" direction=\"out\"/>\n"
        "    </method>\n"
        "  </interface>\n"
        "  <interface name=\"org.freedesktop.DBus.Introspectable\">\n"
        "    <method name=\"Introspect\">\n"
        "      <arg name=\"xml_data\" type=\"s\" direction=\"out\"/>\n"
        "    </method>\n"
        "  </interface>\n";

static const char properties[] =
        "  <interface name=\"org.freedesktop.DBus.Properties\">\n"
        "    <method name=\"Get\">\n"
        "      <arg name=\"interface_name\" type=\"s\" direction=\"in\"/>\n"
        "      <arg name=\"property_name\" type=\"s\" direction=\"in\"/>\n"
        "      <arg name=\"value\" type=\"v\" direction=\"out\"/>\n"
        "    </method>\n"
        "    <method name=\"GetAll\">\n"
        "      <arg name=\"interface_name\" type=\"s\" direction=\"in\"/>\n"
        "      <arg name=\"properties\" type=\"a{sv}\" direction=\"out\"/>\n"
        "    </method>\n"
        "    <method name=\"Set\">\n"
        "      <arg name=\"interface_name\" type=\"s\" direction=\"in\"/>\n"
        "      <arg name=\"property_name\" type=\"s\" direction=\"in\"/>\n"
        "      <arg name=\"value\" type=\"v\" direction=\"in\"/>\n"
        "    </method>\n"
        "    <signal name=\"PropertiesChanged\">\n"
        "      <arg name=\"interface_name\" type=\"s\"/>\n"
        "      <arg name=\"changed_properties\" type=\"a{sv}\"/>\n"
        "      <arg name=\"invalidated_properties\" type=\"as\"/>\n"
        "    </signal>\n"
        "  </interface>\n";

static const char object_manager[] =
        "  <interface name=\"org.freedesktop.DBus.ObjectManager\">\n"
        "    <method name=\"GetManagedObjects\">\n"
        "      <arg name=\"objects\" type=\"a{oa{sa{sv}}}\" direction=\"out\"/>\n"
        "    </method>\n"
        "    <signal name=\"InterfacesAdded\">\n"
        "      <arg name=\"object\" type=\"o\"/>\n"
        "      <arg name=\"interfaces\" type=\"a{sa{sv}}\"/>\n"
        "    </signal>\n"
        "    <signal name=\"InterfacesRemoved\">\n"
        "      <arg name=\"object\" type=\"o\"/>\n"
        "      <arg name=\"interfaces\" type=\"as\"/>\n"
        "    </signal>\n"
        "  </interface>\n";

static void write_contract(FILE *file, const char *interface) {
        for (const struct contract_xml *xml = contract_xml; xml->name; xml++)
                if (strcmp(xml->name, interface) == 0)
                        (void) fputs(xml->text, file); /* checked once, at fclose() */
}

static void write_pods(FILE *file, const struct request *request) {
        const struct pod *pod;

        MAP_FOREACH(pod, request->api->pods->by_uuid)
                if (pods_may_see(pod, &request->peer->caller))
                        (void) fprintf(file, "  <node name=\"%s\"/>\n", strrchr(pod->object_path, '/') + 1);
}

/* The one child on the way down to the objects. */
static void write_next(FILE *file, const char *path) {
        size_t length = strcmp(path, "/") == 0 ? 0 : strlen(path);
        const char *rest = &PODMOUNT_POD_PATH[length + 1];

        (void) fprintf(file, "  <node name=\"%.*s\"/>\n", (int) strcspn(rest, "/"), rest);
}

int query_introspect(struct request *request, struct failure *f _unused_) {
        size_t size;
        FILE *file = open_memstream(&request->text, &size);

        if (!file)
                return log_oom();
        (void) fputs(document_head, file);
        if (request->object != OBJECT_NODE)
                (void) fputs(properties, file);
        if (request->object == OBJECT_MANAGER) {
                (void) fputs(object_manager, file);
                write_contract(file, PODMOUNT_MANAGER_INTERFACE);
                write_contract(file, PODMOUNT_LAYER_STORE_INTERFACE);
        }
        if (request->object == OBJECT_POD)
                write_contract(file, PODMOUNT_POD_INTERFACE);
        else if (strcmp(request->path, PODMOUNT_POD_PATH) == 0)
                write_pods(file, request);
        else
                write_next(file, request->path);
        (void) fputs("</node>\n", file);
        return fclose(file) == 0 ? 0 : log_oom();
}

int encode_introspect(struct request *request, sd_bus_message *m) {
        return sd_bus_message_append(m, "s", request->text);
}
