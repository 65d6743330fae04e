// SPDX-License-Identifier: Apache-2.0
// JSON-RPC framing and decoding on arbitrary bytes. The first byte says how the rest is cut into
// pieces. Truths beyond what the sanitizers see: cutting doesn't change what comes out, limits
// hold, and a message that decodes is printed as one that decodes to the same kind.
#include <stdlib.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/io/jsonrpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_SIZE 4096
#define MAX_DEPTH 20

struct result {
    unsigned n;
    uint64_t digest; // of the objects
    int error;
};

static void decode(const char *text, size_t size)
{
    struct jsonrpc_msg m, again;
    if (jsonrpc_msg_parse(text, size, &m, NULL))
        return;
    char *printed = jsonrpc_msg_text(&m);
    if (jsonrpc_msg_parse(printed, strlen(printed), &again, NULL) || again.type != m.type)
        abort();
    free(printed);
    jsonrpc_msg_done(&again);
    jsonrpc_msg_done(&m);
}

static struct result cut(const uint8_t *data, size_t size, size_t piece)
{
    struct result r = {0};
    struct json_frame f;
    struct err err = ERR_INIT;
    json_frame_init(&f, &(struct json_frame_limits){.max_size = MAX_SIZE, .max_depth = MAX_DEPTH});
    while (size && !r.error) {
        size_t n = MIN_OF(size, piece), used = 0;
        int result = json_frame_feed(&f, data, n, &used, &err);
        if (result < 0) {
            r.error = result;
            if (!err_is_set(&err) || err.code != result)
                abort();
            break;
        }
        if (used > n || (result == 0 && used != n) || f.text.size > MAX_SIZE)
            abort();
        if (result == 1) {
            r.n++;
            r.digest = hash_bytes(f.text.data, f.text.size, r.digest);
            decode((const char *)f.text.data, f.text.size);
        }
        data += used;
        size -= used;
    }
    err_done(&err);
    json_frame_done(&f);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct result whole = cut(data + 1, size - 1, size);
    struct result pieces = cut(data + 1, size - 1, (size_t)data[0] % 37 + 1);
    if (whole.n != pieces.n || whole.digest != pieces.digest || (whole.error != pieces.error))
        abort();
    return 0;
}
