// SPDX-License-Identifier: Apache-2.0
// Matches of any text: what parses must print as something that parses and prints the same.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/flow/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct match m;
    AUTO_ERR(err);

    memcpy(text, data, size);
    text[size] = '\0';
    int r = match_parse(text, &m, &err);
    assert(!r == !err_is_set(&err));
    if (!r &&
        !m.mask.key.tun
             .tos) { // tun_tos is printed in hexadecimal without saying so, as ovs-ofctl has it
        struct str once = STR_INIT, twice = STR_INIT;
        match_format(&m, &once);
        assert(!match_parse(str_text(&once), &m, NULL));
        match_format(&m, &twice);
        assert(!strcmp(str_text(&once), str_text(&twice)));
        str_done(&once);
        str_done(&twice);
    }
    free(text);
    return 0;
}
