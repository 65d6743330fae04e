// SPDX-License-Identifier: Apache-2.0
// sluice: the command that people type. One table of subcommands; each asks the daemon over its control socket and prints
// the answer as a table or, with --json, as the object it is.
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tools/sluice.h"

static const struct subcommand {
    const char *group, *name; // "offload explain"; group NULL: none
    const char *arguments, *help;
    int min, max; // arguments
    int (*run)(const struct options *, int argc, char *argv[]);
} subcommands[] = {
    {NULL, "show", "", "bridges, ports, datapaths", 0, 0, cmd_show},
    {NULL, "flows", "[UFID]", "megaflows: tier, packets, bytes, age, match, actions", 0, 1, cmd_flows},
    {"offload", "stats", "", "what each tier holds and has carried", 0, 0, cmd_offload_stats},
    {"offload", "explain", "[UFID]", "where a megaflow lives and why not higher", 0, 1, cmd_offload_explain},
    {"offload", "promote", "UFID | --all", "offer to the NIC now", 1, 1, cmd_offload_place},
    {"offload", "demote", "UFID | --all", "take out of the NIC and keep out", 1, 1, cmd_offload_place},
};

static void usage(FILE *out)
{
    fprintf(out, "sluice: look into and steer a Sluice switch\nusage: sluice [OPTIONS] COMMAND\n\n");
    for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++) {
        const struct subcommand *s = &subcommands[i];
        char left[64];

        snprintf(left, sizeof left, "%s%s%s %s", s->group ? s->group : "", s->group ? " " : "", s->name, s->arguments);
        fprintf(out, "  %-28s %s\n", left, s->help);
    }
    fprintf(out, "\noptions:\n  --json                       print the daemon's answer as JSON\n"
                 "  -t, --target=TARGET          the daemon's name or control socket (default: ovs-vswitchd)\n"
                 "  -h, --help                   this text\n  -V, --version                the version\n");
}

static const struct subcommand *find(int argc, char *argv[], int *ret_words)
{
    for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++) {
        const struct subcommand *s = &subcommands[i];
        int words = s->group ? 2 : 1;

        if (argc >= words && (!s->group || !strcmp(argv[0], s->group)) && !strcmp(argv[words - 1], s->name)) {
            *ret_words = words;
            return s;
        }
    }
    return NULL;
}

// "--json" may stand anywhere; "--all" is an argument of promote and demote. Returns -1 to go on, or the exit status.
static int parse(int *argc, char *argv[], struct options *o)
{
    int n = 1;

    for (int i = 1; i < *argc; i++) {
        if (!strcmp(argv[i], "--json")) {
            o->json = true;
        } else if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help")) {
            usage(stdout);
            return 0;
        } else if (!strcmp(argv[i], "-V") || !strcmp(argv[i], "--version")) {
            printf("sluice (Sluice) %s\n", SLUICE_VERSION);
            return 0;
        } else if (!strncmp(argv[i], "--target=", 9)) {
            o->target = argv[i] + 9;
        } else if ((!strcmp(argv[i], "-t") || !strcmp(argv[i], "--target")) && i + 1 < *argc) {
            o->target = argv[++i];
        } else if (argv[i][0] == '-' && strcmp(argv[i], "--all")) {
            fprintf(stderr, "sluice: unknown option %s\n", argv[i]);
            return 2;
        } else {
            argv[n++] = argv[i];
        }
    }
    *argc = n;
    return -1;
}

int main(int argc, char *argv[])
{
    struct options options = {.target = "ovs-vswitchd"};
    int words = 0, status = parse(&argc, argv, &options);

    if (status >= 0)
        return status;
    signal(SIGPIPE, SIG_IGN); // a daemon that goes away is an error with a sentence
    const struct subcommand *s = find(argc - 1, argv + 1, &words);
    if (!s) {
        fprintf(stderr, "sluice: %s%s\n", argc > 1 ? "there is no command " : "a command is missing", argc > 1 ? argv[1] : "");
        usage(stderr);
        return 2;
    }
    int given = argc - 1 - words;
    if (given < s->min || given > s->max) {
        fprintf(stderr, "sluice: usage: sluice %s%s%s %s\n", s->group ? s->group : "", s->group ? " " : "", s->name,
                s->arguments);
        return 2;
    }
    return s->run(&options, given + 1, argv + words);
}
