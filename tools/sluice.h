// SPDX-License-Identifier: Apache-2.0
// What the subcommands of `sluice` share: asking the daemon, printing tables for people and JSON for scripts.
#pragma once

#include <jansson.h>
#include <stdbool.h>

struct options {
    bool json;
    const char *target; // the daemon: a name or a control socket's path
};

// Asks the daemon one of its sluice/… commands. Prints what went wrong and returns NULL, or the answer.
json_t *ask(const struct options *, const char *command, int argc, const char *const argv[]);
// Prints the object as it is (--json). Returns the exit status.
int print_json(json_t *);

// A table for people: columns by header, then cells row by row.
struct table;
struct table *table_new(const char *const *headers); // NULL-terminated
void table_row(struct table *, const char *const *cells); // one for each header; copied
void table_print(struct table *); // frees too

// Members of an answer, with defaults where they are missing or null.
const char *text_of(const json_t *, const char *member, const char *fallback);
long long number_of(const json_t *, const char *member);
double real_of(const json_t *, const char *member);
bool bool_of(const json_t *, const char *member);

// The subcommands. argv[0] is the subcommand's last word. Each returns the exit status.
int cmd_show(const struct options *, int argc, char *argv[]);
int cmd_flows(const struct options *, int argc, char *argv[]);
int cmd_offload_stats(const struct options *, int argc, char *argv[]);
int cmd_offload_explain(const struct options *, int argc, char *argv[]);
int cmd_offload_place(const struct options *, int argc, char *argv[]); // promote, demote
