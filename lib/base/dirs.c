// SPDX-License-Identifier: Apache-2.0
// The directories of the field's tools, from the environment or by default.
//
// Read once, then constant; any thread. ovs-vswitchd(8), ovsdb-server(1) and ovs-appctl(8) name the
// same variables and defaults.
#include "lib/base/dirs.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/mem.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char *run_dir, *log_dir, *sysconf_dir, *db_dir;

static char *from_environment(const char *variable, const char *otherwise)
{
    const char *value = getenv(variable);
    return xstrdup(value && *value ? value : otherwise);
}

static void look(void)
{
    run_dir = from_environment("OVS_RUNDIR", "/var/run/openvswitch");
    log_dir = from_environment("OVS_LOGDIR", "/var/log/openvswitch");
    sysconf_dir = from_environment("OVS_SYSCONFDIR", "/etc");
    AUTO_FREE char *db = xasprintf("%s/openvswitch", sysconf_dir);
    db_dir = from_environment("OVS_DBDIR", db);
}

const char *dirs_run(void)
{
    pthread_once(&once, look);
    return run_dir;
}

const char *dirs_log(void)
{
    pthread_once(&once, look);
    return log_dir;
}

const char *dirs_sysconf(void)
{
    pthread_once(&once, look);
    return sysconf_dir;
}

const char *dirs_db(void)
{
    pthread_once(&once, look);
    return db_dir;
}

char *dirs_path(const char *dir, const char *name)
{
    return *name == '/' ? xstrdup(name) : xasprintf("%s/%s", dir, name);
}
