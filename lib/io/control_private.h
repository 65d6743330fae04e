// SPDX-License-Identifier: Apache-2.0
// The standard commands' state, owned by the control socket. Not for others.
#pragma once

#include "lib/io/control.h"

struct control_std;
// Registers the commands with 'c' and starts the counters' timer.
struct control_std *control_std_new(struct control *c, struct loop *loop, const char *version);
void control_std_free(struct control_std *s);
