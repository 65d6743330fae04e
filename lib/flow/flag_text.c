// SPDX-License-Identifier: Apache-2.0
// Words of flags to and from text. Names: ovs-fields(7) for ct_state, tcp_flags and tun_flags.
// Thread: any, no state.
#include "lib/flow/flag_text.h"

#include <errno.h>
#include <string.h>

static const char *const ct_names[] = {"new", "est",  "rel",  "rpl", "inv",
                                       "trk", "snat", "dnat", NULL};
static const char *const tcp_names[] = {"fin", "syn", "rst", "psh", "ack",
                                        "urg", "ece", "cwr", "ns",  NULL};
static const char *const tunnel_names[] = {"oam", NULL};

const struct flag_set flags_ct_state = {ct_names, 0xff, false};
const struct flag_set flags_tcp = {tcp_names, 0xfff, false};
const struct flag_set flags_tunnel = {tunnel_names, 1, true};

static const char *flag_name(const struct flag_set *set, unsigned bit)
{
    for (unsigned i = 0; set->names[i]; i++) {
        if (i == bit)
            return set->names[i];
    }
    return NULL;
}

static void put_flag(const struct flag_set *set, unsigned bit, struct str *out)
{
    const char *name = flag_name(set, bit);
    if (name)
        str_put(out, name);
    else
        str_printf(out, "[%x]", 1u << bit);
}

void flags_format_all(const struct flag_set *set, uint32_t value, struct str *out)
{
    if (!value)
        str_putc(out, '0');
    for (unsigned bit = 0, n = 0; bit < 32; bit++) {
        if (!(value >> bit & 1))
            continue;
        if (n++)
            str_putc(out, '|');
        put_flag(set, bit, out);
    }
}

void flags_format_masked(const struct flag_set *set, uint32_t value, uint32_t mask, struct str *out)
{
    if ((mask & set->all) == set->all && !set->signs) {
        flags_format_all(set, value, out);
        return;
    }
    for (unsigned bit = 0; bit < 32; bit++) {
        if (!(mask >> bit & 1))
            continue;
        str_putc(out, value >> bit & 1 ? '+' : '-');
        put_flag(set, bit, out);
    }
}

// The flag at the start of *text, which is moved behind it; 0: none such.
static uint32_t take_flag(const struct flag_set *set, const char **text)
{
    size_t len = strcspn(*text, "+-|");
    for (unsigned i = 0; set->names[i]; i++) {
        if (strlen(set->names[i]) == len && !memcmp(set->names[i], *text, len)) {
            *text += len;
            return 1u << i;
        }
    }
    if (len < 3 || len > 10 || **text != '[' || (*text)[len - 1] != ']')
        return 0;
    char number[12] = {0};
    uint64_t bit;
    memcpy(number, *text + 1, len - 2);
    if (!str_to_u64(number, 16, set->all, &bit) || bit & (bit - 1))
        return 0;
    *text += len;
    return (uint32_t)bit;
}

static int parse_numbers(const struct flag_set *set, const char *text, uint32_t *ret_value,
                         uint32_t *ret_mask)
{
    const char *slash = strchr(text, '/');
    char value_text[24] = {0};
    uint64_t value, mask = UINT32_MAX;
    size_t len = slash ? (size_t)(slash - text) : strlen(text);

    if (len >= sizeof(value_text))
        return -EINVAL;
    memcpy(value_text, text, len);
    if (!str_to_u64(value_text, 0, UINT32_MAX, &value) ||
        (slash && !str_to_u64(slash + 1, 0, UINT32_MAX, &mask)))
        return -EINVAL;
    mask &= set->all;
    if (value & ~(uint64_t)set->all)
        return -EINVAL;
    *ret_value = (uint32_t)(value & mask);
    *ret_mask = (uint32_t)mask;
    return 0;
}

int flags_parse(const struct flag_set *set, const char *text, uint32_t *ret_value,
                uint32_t *ret_mask)
{
    uint32_t value = 0, mask = 0;

    if (*text >= '0' && *text <= '9')
        return parse_numbers(set, text, ret_value, ret_mask);
    bool signs = *text == '+' || *text == '-';
    for (bool first = true; *text; first = false) {
        char sign = signs ? *text : '+';
        if (signs ? sign != '+' && sign != '-' : !first && *text != '|')
            return -EINVAL;
        text += signs || !first;
        uint32_t bit = take_flag(set, &text);
        if (!bit || mask & bit)
            return -EINVAL;
        mask |= bit;
        value |= sign == '+' ? bit : 0;
    }
    if (!mask)
        return -EINVAL;
    *ret_value = value;
    *ret_mask = signs ? mask : set->all;
    return 0;
}
