/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * nicsim's eswitch: the match-action table of a simulated switchdev NIC. The same source runs in
 * the kernel (drivers/nicsim/module) and in a process (drivers/nicsim/inproc); core/platform.h
 * holds all that differs.
 *
 * The table holds rules. A rule has a priority (the lower number wins), a key and a mask, a list of
 * actions that edit and send the frame, and counters of wire frames and bytes. Of rules with the
 * same priority that match one frame the newest wins, so a replacement acts from the moment it is
 * in.
 *
 * Threads and locks. Insert, modify, remove, flush and for_each may sleep and serialise on one
 * mutex inside. Lookup, hit counting and reading statistics take no such lock and may run in
 * softirq; lookup and everything that touches a `struct nicsim_rule *` must happen inside one RCU
 * read section, which the caller opens (rcu_read_lock() in the kernel, liburcu's memb flavour in a
 * process).
 *
 * Errors are negative errno. What the table cannot hold is refused with a sentence.
 */
#pragma once

#include <linux/types.h>
#ifndef __KERNEL__
#include <stdbool.h>
#include <stddef.h>
#endif

#define NICSIM_MAX_PORTS 65536
#define NICSIM_MAX_ACTIONS 32
#define NICSIM_PARSE_MAX 256 /* bytes of a frame that the parser looks at */

/* Bits of nicsim_key.flags. */
#define NICSIM_F_VLAN 0x01	 /* the frame has a tag */
#define NICSIM_F_FRAG 0x02	 /* an IP fragment */
#define NICSIM_F_FIRST_FRAG 0x04 /* a fragment with offset 0 */

/*
 * What the parser sees of a frame, and in a mask the bits that matter. Sixty-four bytes without
 * padding, so that masks apply and keys compare as words. What a frame lacks is zero.
 */
struct nicsim_key {
	__u32 in_port;
	__be16 eth_type;  /* after the outer tag; ETH_P_802_2 for frames with a length */
	__be16 vlan_tpid; /* outer tag, with NICSIM_F_VLAN */
	__be16 vlan_tci;  /* VID and PCP; the DEI bit is not kept */
	__u8 eth_dst[6];
	__u8 eth_src[6];
	__u8 ip_proto; /* of a later IPv6 fragment: 44 (fragment header) */
	__u8 flags;
	__be16 tp_src; /* TCP and UDP; zero in later fragments */
	__be16 tp_dst;
	__u8 icmp_type; /* ICMP and ICMPv6 */
	__u8 icmp_code;
	__u8 pad[2];
	__u8 ip_src[16]; /* an IPv4 address is in the first four bytes */
	__u8 ip_dst[16];
} __attribute__((aligned(8)));

enum nicsim_action_type {
	NICSIM_DROP,	   /* ends the rule */
	NICSIM_REDIRECT,   /* send the frame to `port`; ends the rule */
	NICSIM_MIRROR,	   /* send a copy of the frame as it is now to `port`, go on */
	NICSIM_VLAN_PUSH,  /* a new outer tag of `tpid` and `tci` */
	NICSIM_VLAN_POP,   /* the outer tag goes */
	NICSIM_VLAN_MODIFY /* the outer tag becomes `tpid` and `tci` */
};

struct nicsim_action {
	enum nicsim_action_type type;
	__u32 port;
	__be16 tpid;
	__be16 tci;
};

/* A list that a rule holds; replaced as a whole, so a frame sees the old or the new one. */
struct nicsim_actions {
	__u32 n;
	const struct nicsim_action *v;
};

/* A rule's name, chosen by the caller, unique in the table. */
struct nicsim_rule_id {
	__u64 hi, lo;
};

struct nicsim_rule_spec {
	struct nicsim_rule_id id;
	__u32 priority;
	struct nicsim_key key; /* bits outside mask are ignored */
	struct nicsim_key mask;
	struct nicsim_actions actions; /* copied */
};

/* What a refusal blames. */
enum nicsim_culprit {
	NICSIM_CULPRIT_NONE,
	NICSIM_CULPRIT_IN_PORT,
	NICSIM_CULPRIT_ETH_TYPE,
	NICSIM_CULPRIT_VLAN,
	NICSIM_CULPRIT_IP_ADDR,
	NICSIM_CULPRIT_IP_PROTO,
	NICSIM_CULPRIT_IP_FRAG,
	NICSIM_CULPRIT_TP_PORT,
	NICSIM_CULPRIT_ICMP,
	NICSIM_CULPRIT_ACTION, /* `action` is its index */
	NICSIM_CULPRIT_TABLE,
};

struct nicsim_refusal {
	int error; /* negative errno */
	enum nicsim_culprit culprit;
	__u32 action;
	const char *sentence; /* constant text of the program or module; no full stop */
};

struct nicsim_stats {
	__u64 frames;	    /* as on the wire: each segment of a GSO frame counts */
	__u64 bytes;	    /* from the Ethernet header on, tag included, without FCS */
	__u64 last_used_ns; /* nicsim_clock_ns() of the last frame counted; 0: none */
	__u32 age_ms;	    /* the figures may be this much behind the wire */
};

/*
 * Settings and faults. A rate, limit or fault is a number that may change at any time, from any
 * thread. The table itself acts on all of them except INSERT_DELAY_US and HANG_INSERTS, which its
 * owner carries out before it calls nicsim_rule_insert(), because waiting differs between kernel
 * and process.
 */
enum nicsim_knob {
	NICSIM_CAPACITY,     /* rules; more are refused with -ENOSPC */
	NICSIM_CACHE_AGE_MS, /* counters are seen as they were at the last multiple of this; 0: live
			      */
	NICSIM_INSERT_DELAY_US, /* each insert takes this long */
	NICSIM_HANG_INSERTS,	/* while not 0, inserts do not return */
	NICSIM_FAIL_INSERTS,	/* so many inserts fail from now on; counts down */
	NICSIM_FAIL_ERRNO,	/* with this (positive) errno */
	NICSIM_FAIL_STATS,	/* so many readings of statistics fail with -EIO; counts down */
	NICSIM_KNOB_COUNT
};

struct nicsim_eswitch;
struct nicsim_rule;

/* May sleep. NULL: no memory. The table starts with no port, capacity 65536, cache age 1000 ms. */
struct nicsim_eswitch *nicsim_eswitch_new(void);
/*
 * Frees the table and all its rules, after waiting for readers. The caller has made sure that
 * nobody can start a call with `sw` any more. Accepts NULL.
 */
void nicsim_eswitch_free(struct nicsim_eswitch *sw);

/* Names as shown to people ("capacity", "cache_age_ms", …). */
const char *nicsim_knob_name(enum nicsim_knob knob);
__u64 nicsim_knob_get(const struct nicsim_eswitch *sw, enum nicsim_knob knob);
/* -ERANGE: the value makes no sense for this knob. */
int nicsim_knob_set(struct nicsim_eswitch *sw, enum nicsim_knob knob, __u64 value);

/* Rules may name a port only while it is there. Numbers are 0 to NICSIM_MAX_PORTS - 1. */
int nicsim_port_add(struct nicsim_eswitch *sw, __u32 port);
void nicsim_port_del(struct nicsim_eswitch *sw, __u32 port);
bool nicsim_port_exists(const struct nicsim_eswitch *sw, __u32 port);

/* Would the table hold this rule, if it had room? Doesn't sleep. 0, or an errno with *why filled.
 */
int nicsim_rule_check(const struct nicsim_eswitch *sw, const struct nicsim_rule_spec *spec,
		      struct nicsim_refusal *why);
/*
 * Puts a rule in; it acts at once. May sleep. On an error *why is filled:
 * -EOPNOTSUPP and -EINVAL from nicsim_rule_check(), -EEXIST (the id is taken), -ENOSPC, -ENOMEM, or
 * an injected errno.
 */
int nicsim_rule_insert(struct nicsim_eswitch *sw, const struct nicsim_rule_spec *spec,
		       struct nicsim_refusal *why);
/* Exchanges a rule's actions; its counters go on. Each frame sees the old or the new list. -ENOENT.
 */
int nicsim_rule_modify(struct nicsim_eswitch *sw, const struct nicsim_rule_id *id,
		       const struct nicsim_actions *actions, struct nicsim_refusal *why);
/*
 * Takes a rule out; frames already past their lookup may still be counted and sent by it. *last,
 * unless NULL, receives its counters as a reading would have shown them just before. -ENOENT.
 */
int nicsim_rule_remove(struct nicsim_eswitch *sw, const struct nicsim_rule_id *id,
		       struct nicsim_stats *last);
/*
 * The same in two steps, for last counters that miss nothing. From nicsim_rule_unlink() on no frame
 * finds the rule and its id is free (NULL: there is none). When a grace period has passed,
 * nicsim_rule_finish() fills *ret_last, exactly if the cache age is 0, and frees the rule.
 */
struct nicsim_rule *nicsim_rule_unlink(struct nicsim_eswitch *sw, const struct nicsim_rule_id *id);
void nicsim_rule_finish(const struct nicsim_eswitch *sw, struct nicsim_rule *rule,
			struct nicsim_stats *ret_last);
/* Counters since the insert, as of the cache's age. Doesn't sleep. -ENOENT, -EIO (injected). */
int nicsim_rule_stats(struct nicsim_eswitch *sw, const struct nicsim_rule_id *id,
		      struct nicsim_stats *ret_stats);
/* The same, as what was added since the last taking (last_used_ns is absolute still). */
int nicsim_rule_take(struct nicsim_eswitch *sw, const struct nicsim_rule_id *id,
		     struct nicsim_stats *ret_delta);

/* Faults: counters return to zero; or the NIC forgets all its rules. Nobody is told. */
void nicsim_eswitch_reset_counters(struct nicsim_eswitch *sw);
void nicsim_eswitch_flush(struct nicsim_eswitch *sw);
__u32 nicsim_eswitch_used(const struct nicsim_eswitch *sw);

/* One rule as nicsim_eswitch_for_each() shows it; valid during the callback. */
struct nicsim_rule_info {
	struct nicsim_rule_spec spec;
	struct nicsim_stats live;   /* what the wire has seen */
	struct nicsim_stats cached; /* what a reading shows */
};
/* Calls `fn` for each rule, best priority first, with the table locked against change. May sleep.
 */
void nicsim_eswitch_for_each(struct nicsim_eswitch *sw,
			     void (*fn)(void *aux, const struct nicsim_rule_info *info), void *aux);

/*
 * Fills *ret_key from a frame: `len` bytes from the Ethernet header on, of which the first
 * NICSIM_PARSE_MAX matter. A tag that the receiver took out of the frame comes as tpid and tci;
 * tpid 0: none. Reads only `data`; what is cut off or malformed leaves the fields from there on
 * zero. -EINVAL: no whole Ethernet header.
 */
int nicsim_parse(__u32 in_port, __be16 tpid, __be16 tci, const void *data, size_t len,
		 struct nicsim_key *ret_key);

/* The rule that a frame hits, or NULL. Inside an RCU read section; the rule lives until its end. */
struct nicsim_rule *nicsim_lookup(const struct nicsim_eswitch *sw, const struct nicsim_key *key);
/* What the rule does; valid until the end of the RCU read section. */
struct nicsim_actions nicsim_rule_actions(const struct nicsim_rule *rule);
/* Counts a hit. */
void nicsim_rule_hit(const struct nicsim_eswitch *sw, struct nicsim_rule *rule, __u64 frames,
		     __u64 bytes);

/* The clock of last_used_ns. */
__u64 nicsim_clock_ns(void);
