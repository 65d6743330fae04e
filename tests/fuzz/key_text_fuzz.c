// SPDX-License-Identifier: Apache-2.0
// Datapath keys of any text: what parses must print, and what was printed must print the same
// again.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/flow/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct flow_key key, mask;
    AUTO_ERR(err);

    memcpy(text, data, size);
    text[size] = '\0';
    int r = flow_key_parse(text, &key, &mask, &err);
    assert(!r == !err_is_set(&err));
    if (!r) {
        struct str once = STR_INIT, twice = STR_INIT;
        flow_key_format(&key, &mask, NULL, NULL, &once);
        assert(!flow_key_parse(str_text(&once), &key, &mask, NULL));
        flow_key_format(&key, &mask, NULL, NULL, &twice);
        assert(!strcmp(str_text(&once), str_text(&twice)));
        flow_key_format(&key, NULL, NULL, NULL, &twice);
        str_done(&once);
        str_done(&twice);
    }
    free(text);
    return 0;
}
