/* vec_avx2.c - the vector kernels for AVX2, FMA and F16C; see vec_body.h. */
#include "vec_avx2.h"

#include "vec_body.h"
#include "kv_body.h"
#include "attn_body.h"

void rg__vec_init_avx2(rg_kernels *k)
{
    fill_table(k);
}
