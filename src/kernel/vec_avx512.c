/* vec_avx512.c - the vector kernels for AVX-512 (F, BW, DQ, VL); see vec_body.h. */
#include "vec_avx512.h"

#include "vec_body.h"
#include "kv_body.h"
#include "attn_body.h"

void rg__vec_init_avx512(rg_kernels *k)
{
    fill_table(k);
}
