/* fuzz_gguf.c - any bytes as a GGUF file: every key and tensor of what opens is looked at. */
#include "rung/base/buf.h"
#include "rung/format/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned touch(const rg_gguf *g)
{
    unsigned sum = 0;
    for (size_t i = 0; i < rg_gguf_n_tensors(g); i++) {
        const rg_gguf_tensor *t = rg_gguf_tensor_at(g, i);
        const uint8_t *p = t->data;
        sum += p[0] + (unsigned)p[t->bytes - 1]; /* first and last byte are inside */
    }
    for (size_t i = 0; i < rg_gguf_n_keys(g); i++) {
        rg_str key;
        rg_gguf_kind kind;
        char name[256];
        rg_buf b = RG_BUF_MAX(4096);
        rg_gguf_key_at(g, i, &key, &kind);
        if (key.n >= sizeof name)
            continue;
        memcpy(name, key.p, key.n);
        name[key.n] = '\0';
        rg_gguf_value_text(g, name, &b);
        sum += (unsigned)b.n;
        rg_buf_free(&b);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rg_gguf *g;
    volatile unsigned sum = 0;
    if (rg_gguf_open_memory(&g, data, size, NULL) == RG_OK)
        sum = touch(g);
    (void)sum;
    rg_gguf_close(g);
    return 0;
}
