// SPDX-License-Identifier: Apache-2.0
// The smallest words of the vocabulary: addresses, port numbers, big-endian integers, flow identity.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Integers in network byte order. The names say it; the compiler does not check it.
typedef uint16_t be16_t;
typedef uint32_t be32_t;
typedef uint64_t be64_t;

struct eth_addr {
    uint8_t b[6];
};

// A port of a datapath, shared by all its bridges (what the kernel calls a vport number).
typedef uint32_t dp_port_t;
#define DP_PORT_NONE UINT32_MAX

// A port of an OpenFlow bridge, in OpenFlow 1.1+ numbering (32 bits, reserved ports at 0xffffff00 and up).
// OpenFlow 1.0's 16-bit numbers are converted at the wire.
typedef uint32_t ofp_port_t;
#define OFPP_MAX_PORT 0xffffff00u
#define OFPP_UNSET 0xfffffff7u
#define OFPP_IN_PORT 0xfffffff8u
#define OFPP_TABLE 0xfffffff9u
#define OFPP_NORMAL 0xfffffffau
#define OFPP_FLOOD 0xfffffffbu
#define OFPP_ALL 0xfffffffcu
#define OFPP_CONTROLLER 0xfffffffdu
#define OFPP_LOCAL 0xfffffffeu
#define OFPP_NONE 0xffffffffu // OFPP_ANY in OpenFlow 1.1+

// The identity of a megaflow in every tier. 16-bit magic, 8-bit format, 8-bit instance, 96 bits of hash over
// the canonical key and mask; see flow_desc_ufid().
struct ufid {
    uint8_t b[16];
};
