// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/*
 * From a frame to the key that the table matches. Called for every frame, in softirq or on a
 * forwarding thread; reads only the bytes it is given, allocates nothing.
 *
 * Each layer's parser looks at what is left of the frame and either fills its fields and hands on,
 * or leaves: a frame that is cut short or malformed keeps zeroes from there on, so it can only hit
 * rules that do not look that deep. One tag is parsed; behind a second one nothing is.
 */
#include "drivers/nicsim/core/platform.h"

#define ETHER_HDR_LEN 14
#define TAG_LEN 4
#define IP4_MIN_LEN 20
#define IP6_LEN 40
#define IP6_EXT_MAX 8 /* extension headers looked through */

#define IPPROTO_V6_HOPOPTS 0
#define IPPROTO_V6_ROUTING 43
#define IPPROTO_V6_FRAGMENT 44
#define IPPROTO_V6_AH 51
#define IPPROTO_V6_DSTOPTS 60
#define IPPROTO_V6_ICMP 58

struct rest {
	const u8 *p;
	size_t len;
};

static bool rest_skip(struct rest *r, size_t n)
{
	if (n > r->len)
		return false;
	r->p += n;
	r->len -= n;
	return true;
}

static __be16 get_be16(const u8 *p)
{
	__be16 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static bool is_tag_type(__be16 type)
{
	return type == htons(ETH_P_8021Q) || type == htons(ETH_P_8021AD);
}

static void set_tag(struct nicsim_key *key, __be16 tpid, __be16 tci)
{
	key->flags |= NICSIM_F_VLAN;
	key->vlan_tpid = tpid;
	key->vlan_tci = tci & htons(0xefff); /* DEI is not matched */
}

static void parse_l4(struct rest r, struct nicsim_key *key)
{
	switch (key->ip_proto) {
	case IPPROTO_TCP:
		if (r.len < 20)
			return;
		break;
	case IPPROTO_UDP:
		if (r.len < 8)
			return;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_V6_ICMP:
		/* Each belongs to its own IP version. */
		if (r.len < 4 ||
		    (key->ip_proto == IPPROTO_ICMP) != (key->eth_type == htons(ETH_P_IP)))
			return;
		key->icmp_type = r.p[0];
		key->icmp_code = r.p[1];
		return;
	default:
		return;
	}
	key->tp_src = get_be16(r.p);
	key->tp_dst = get_be16(r.p + 2);
}

static void parse_ip4(struct rest r, struct nicsim_key *key)
{
	u16 frag;
	size_t ihl;

	if (r.len < IP4_MIN_LEN || r.p[0] >> 4 != 4)
		return;
	ihl = (r.p[0] & 15) * 4;
	if (ihl < IP4_MIN_LEN || ihl > r.len)
		return;
	memcpy(key->ip_src, r.p + 12, 4);
	memcpy(key->ip_dst, r.p + 16, 4);
	key->ip_proto = r.p[9];
	frag = ntohs(get_be16(r.p + 6));
	if (frag & 0x3fff) { /* offset, or more fragments follow */
		key->flags |= NICSIM_F_FRAG;
		if (frag & 0x1fff)
			return;
		key->flags |= NICSIM_F_FIRST_FRAG;
	}
	rest_skip(&r, ihl);
	parse_l4(r, key);
}

/*
 * Walks the extension headers. True when `r` is at the upper layer's header and key->ip_proto names
 * it; false when that is out of reach (cut off, too many headers, a later fragment).
 */
static bool skip_ip6_ext(struct rest *r, u8 next, struct nicsim_key *key)
{
	int i;

	for (i = 0; i < IP6_EXT_MAX; i++) {
		size_t len;

		key->ip_proto = next;
		switch (next) {
		case IPPROTO_V6_HOPOPTS:
		case IPPROTO_V6_ROUTING:
		case IPPROTO_V6_DSTOPTS:
			if (r->len < 8)
				return false;
			len = (r->p[1] + 1) * 8;
			break;
		case IPPROTO_V6_AH:
			if (r->len < 8)
				return false;
			len = (r->p[1] + 2) * 4;
			break;
		case IPPROTO_V6_FRAGMENT:
			if (r->len < 8)
				return false;
			len = 8;
			/* An atomic fragment (no offset, none follow) is no fragment. */
			if (get_be16(r->p + 2) & htons(0xfff9)) {
				key->flags |= NICSIM_F_FRAG;
				if (get_be16(r->p + 2) & htons(0xfff8))
					return false;
				key->flags |= NICSIM_F_FIRST_FRAG;
			}
			break;
		default:
			return true;
		}
		next = r->p[0];
		if (!rest_skip(r, len))
			return false;
	}
	return false;
}

static void parse_ip6(struct rest r, struct nicsim_key *key)
{
	u8 next;

	if (r.len < IP6_LEN || r.p[0] >> 4 != 6)
		return;
	memcpy(key->ip_src, r.p + 8, 16);
	memcpy(key->ip_dst, r.p + 24, 16);
	next = r.p[6];
	rest_skip(&r, IP6_LEN);
	if (skip_ip6_ext(&r, next, key))
		parse_l4(r, key);
}

int nicsim_parse(__u32 in_port, __be16 tpid, __be16 tci, const void *data, size_t len,
		 struct nicsim_key *ret_key)
{
	struct rest r = {.p = data, .len = len < NICSIM_PARSE_MAX ? len : NICSIM_PARSE_MAX};
	struct nicsim_key *key = ret_key;
	__be16 type;

	if (len < ETHER_HDR_LEN)
		return -EINVAL;
	memset(key, 0, sizeof(*key));
	key->in_port = in_port;
	memcpy(key->eth_dst, r.p, 6);
	memcpy(key->eth_src, r.p + 6, 6);
	type = get_be16(r.p + 12);
	rest_skip(&r, ETHER_HDR_LEN);

	if (tpid) {
		set_tag(key, tpid, tci);
	} else if (is_tag_type(type)) {
		if (r.len < TAG_LEN)
			return 0;
		set_tag(key, type, get_be16(r.p));
		type = get_be16(r.p + 2);
		rest_skip(&r, TAG_LEN);
	}
	key->eth_type = ntohs(type) >= ETH_P_802_3_MIN ? type : htons(ETH_P_802_2);
	if (type == htons(ETH_P_IP))
		parse_ip4(r, key);
	else if (type == htons(ETH_P_IPV6))
		parse_ip6(r, key);
	return 0;
}
