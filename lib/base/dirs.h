// SPDX-License-Identifier: Apache-2.0
// Where the field's tools look for sockets, pid files, databases and logs.
//
// Defaults are theirs whatever our build prefix is; the environment variables OVS_RUNDIR,
// OVS_LOGDIR, OVS_DBDIR and OVS_SYSCONFDIR override them, as for those tools. The environment is
// read at the first call. Thread: any. The returned texts are never freed.
#pragma once

#include "lib/base/compiler.h"

const char *dirs_run(void);     // /var/run/openvswitch
const char *dirs_log(void);     // /var/log/openvswitch
const char *dirs_sysconf(void); // /etc
const char *dirs_db(void);      // /etc/openvswitch, or OVS_SYSCONFDIR/openvswitch

// 'name' if it begins with '/', else 'dir'/name. The caller frees it.
char *dirs_path(const char *dir, const char *name);
