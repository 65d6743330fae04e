// SPDX-License-Identifier: Apache-2.0
// The daemons' command line: one table of common options plus the program's own.
//
// The table is what getopt_long() gets and what --help prints, so the two can't differ. Names and
// meanings are those of ovs-vswitchd(8) and ovsdb-server(1). Main thread, at the start. Invariant:
// ids of common options are OPT_… or their short letter; the program's ids are given back as its
// own.
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/dirs.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/io/daemon_private.h"

enum {
    OPT_FIRST = 0x10000, // above what programs use
    OPT_PIDFILE,
    OPT_OVERWRITE_PIDFILE,
    OPT_DETACH,
    OPT_NO_CHDIR,
    OPT_MONITOR,
    OPT_NO_SELF_CONFINEMENT,
    OPT_USER,
    OPT_LOG_FILE,
    OPT_SYSLOG_METHOD,
    OPT_UNIXCTL,
    OPT_BOOTSTRAP_CA,
    OPT_PROTOCOLS,
    OPT_CIPHERS,
    OPT_ALLOW_TIME,
};

static const struct daemon_option common[] = {
    {"pidfile", OPT_PIDFILE, 2, "FILE",
     "create a pid file (default: NAME.pid in the run directory)"},
    {"overwrite-pidfile", OPT_OVERWRITE_PIDFILE, 0, NULL, "with --pidfile, start even if running"},
    {"detach", OPT_DETACH, 0, NULL, "run in the background"},
    {"no-chdir", OPT_NO_CHDIR, 0, NULL, "with --detach, stay in the working directory"},
    {"monitor", OPT_MONITOR, 0, NULL, "supervise, and restart after a crash"},
    {"no-self-confinement", OPT_NO_SELF_CONFINEMENT, 0, NULL, "accepted; files aren't confined"},
    {"user", OPT_USER, 1, "USER[:GROUP]", "become this user, keeping the capabilities needed"},
    {"verbose", 'v', 2, "SPEC", "set log levels; alone: everything to dbg"},
    {"log-file", OPT_LOG_FILE, 2, "FILE", "log to a file (default: NAME.log in the log directory)"},
    {"syslog-method", OPT_SYSLOG_METHOD, 1, "METHOD", "libc, null, unix:FILE or udp:IP:PORT"},
    {"unixctl", OPT_UNIXCTL, 1, "SOCKET", "control socket (default: NAME.PID.ctl; none: none)"},
    {"private-key", 'p', 1, "FILE", "TLS: file with the private key"},
    {"certificate", 'c', 1, "FILE", "TLS: file with the certificate for it"},
    {"ca-cert", 'C', 1, "FILE", "TLS: file with the peer's CA certificate"},
    {"bootstrap-ca-cert", OPT_BOOTSTRAP_CA, 1, "FILE", "TLS: as --ca-cert; the file must exist"},
    {"ssl-protocols", OPT_PROTOCOLS, 1, "PROTOS", "TLS protocols (default: TLSv1.2,TLSv1.3)"},
    {"ssl-ciphers", OPT_CIPHERS, 1, "CIPHERS", "TLS ciphers"},
    {"allow-time-commands", OPT_ALLOW_TIME, 0, NULL, "for tests: enable time/stop and time/warp"},
    {"help", 'h', 0, NULL, "show this text"},
    {"version", 'V', 0, NULL, "show the version"},
    {NULL, 0, 0, NULL, NULL},
};

static void replace(char **text, char *with)
{
    free(*text);
    *text = with;
}

static void replace_const(const char **text, const char *with)
{
    free((char *)*text);
    *text = xstrdup(with);
}

// As given on the command line, made absolute before the working directory changes.
static char *from_here(const char *file)
{
    char here[PATH_MAX];
    return dirs_path(getcwd(here, sizeof(here)) ? here : "", file);
}

static int set_verbose(const char *value, struct err *err)
{
    int error = log_set(value ? value : "", err);
    err_prefix(err, "--verbose");
    return error;
}

static int set_log_file(struct daemon *d, const char *value)
{
    AUTO_FREE char *usual = xasprintf("%s/%s.log", dirs_log(), d->info.name);
    replace(&d->log_file, value ? from_here(value) : STEAL_PTR(usual));
    return 0;
}

static int set_pid_file(struct daemon *d, const char *value)
{
    AUTO_FREE char *usual = xasprintf("%s.pid", d->info.name);
    replace(&d->pid_file, dirs_path(dirs_run(), value ? value : usual));
    return 0;
}

// An option of the common table. -ECANCELED ends the program well.
static int take(struct daemon *d, const struct daemon_option *own, int id, const char *value,
                struct err *err);

static void print_options(const struct daemon_option *o)
{
    for (; o->name; o++) {
        AUTO(str_done) struct str left = STR_INIT;
        if (o->id > ' ' && o->id < 127)
            str_printf(&left, "-%c, ", o->id);
        str_printf(&left, "--%s", o->name);
        if (o->arg)
            str_printf(&left, o->arg == 2 ? "[=%s]" : "=%s", o->arg_name);
        printf("  %-31s %s\n", str_text(&left), o->help);
    }
}

static void print_help(const struct daemon *d, const struct daemon_option *own)
{
    printf("%s: %s\nusage: %s %s\n", d->info.program, d->info.about, d->info.program,
           d->info.synopsis);
    if (own && own->name) {
        printf("\nOptions:\n");
        print_options(own);
    }
    printf("\nCommon options (NAME is %s, the run directory %s, the log directory %s):\n",
           d->info.name, dirs_run(), dirs_log());
    print_options(common);
}

static int take(struct daemon *d, const struct daemon_option *own, int id, const char *value,
                struct err *err)
{
    switch (id) {
    case OPT_PIDFILE:
        return set_pid_file(d, value);
    case OPT_OVERWRITE_PIDFILE:
        d->overwrite_pid_file = true;
        return 0;
    case OPT_DETACH:
        d->detach = true;
        return 0;
    case OPT_NO_CHDIR:
        d->no_chdir = true;
        return 0;
    case OPT_MONITOR:
        d->monitor = true;
        return 0;
    case OPT_NO_SELF_CONFINEMENT:
        return 0;
    case OPT_USER:
        replace(&d->user, xstrdup(value));
        return 0;
    case 'v':
        return set_verbose(value, err);
    case OPT_LOG_FILE:
        return set_log_file(d, value);
    case OPT_SYSLOG_METHOD:
        return log_set_syslog_method(value, err);
    case OPT_UNIXCTL:
        replace(&d->unixctl, xstrdup(value));
        return 0;
    case 'p':
        replace_const(&d->tls.private_key, value);
        return 0;
    case 'c':
        replace_const(&d->tls.certificate, value);
        return 0;
    case 'C':
    case OPT_BOOTSTRAP_CA:
        replace_const(&d->tls.ca_cert, value);
        return 0;
    case OPT_PROTOCOLS:
        replace_const(&d->tls.protocols, value);
        return 0;
    case OPT_CIPHERS:
        replace_const(&d->tls.ciphers, value);
        return 0;
    case OPT_ALLOW_TIME:
        d->allow_tests = true;
        return 0;
    case 'h':
        print_help(d, own);
        return -ECANCELED;
    case 'V':
        printf("%s\n", d->info.version);
        return -ECANCELED;
    }
    return -ENOENT;
}

// What getopt_long() needs, from the two tables.
struct getopt_tables {
    struct option *options;
    struct str letters;
};

static void add_table(struct getopt_tables *t, size_t *n, const struct daemon_option *from)
{
    for (; from->name; from++) {
        struct option *o = &t->options[(*n)++];
        o->name = from->name;
        o->has_arg = from->arg == 2 ? optional_argument : from->arg;
        o->val = from->id;
        if (from->id > ' ' && from->id < 127) {
            str_putc(&t->letters, (char)from->id);
            str_put(&t->letters, from->arg == 2 ? "::" : from->arg ? ":" : "");
        }
    }
}

int daemon_parse(struct daemon *d, int argc, char *argv[], const struct daemon_option *options,
                 daemon_option_fn *fn, void *aux, int *ret_first, struct err *err)
{
    size_t n_own = 0, n = 0;
    while (options && options[n_own].name)
        n_own++;
    AUTO_FREE struct option *table = NEW_ARRAY(struct option, n_own + ARRAY_SIZE(common) + 1);
    struct getopt_tables t = {.options = table};
    AUTO(str_done) struct str letters = STR_INIT;
    str_putc(&t.letters, ':'); // a missing argument is told from an unknown option
    if (n_own)
        add_table(&t, &n, options);
    add_table(&t, &n, common);
    letters = t.letters;
    opterr = 0;
    optind = 0; // start afresh
    int id;
    while ((id = getopt_long(argc, argv, str_text(&letters), table, NULL)) != -1) {
        const char *culprit = optind > 0 && optind <= argc ? argv[optind - 1] : "";
        if (id == ':')
            return err_set(err, -EINVAL, "option %s needs an argument", culprit);
        if (id == '?')
            return err_set(err, -EINVAL, "unknown option or wrong use of it: %s", culprit);
        int error = take(d, options, id, optarg, err);
        if (error == -ENOENT && fn)
            error = fn(id, optarg, aux, err);
        if (error)
            return error;
    }
    *ret_first = optind;
    return 0;
}
