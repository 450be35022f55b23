/* kernel_int.h - who fills which part of the kernel table.
 *
 * rg_kernels_init calls these from the lowest level upward; each overwrites the entries it
 * has something better for.  "mm" owns quantize, mm and mm_f32; "vec" owns all the rest. */
#ifndef RUNG_KERNEL_INT_H
#define RUNG_KERNEL_INT_H

#include "rung/kernel/kernel.h"

void rg__mm_init_ref(rg_kernels *k);
void rg__mm_init_avx2(rg_kernels *k);
void rg__mm_init_avx512(rg_kernels *k);

void rg__vec_init_ref(rg_kernels *k);
void rg__vec_init_avx2(rg_kernels *k);
void rg__vec_init_avx512(rg_kernels *k);

#endif
