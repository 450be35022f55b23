/* peak.h - loops that do nothing but keep one unit of the machine busy: the rulers that rates
 * are held against.  Each runs on the calling thread; the caller times and multiplies. */
#ifndef RUNG_KERNEL_PEAK_H
#define RUNG_KERNEL_PEAK_H

#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/kernel/kernel.h"

RG_API_BEGIN

/* 8-bit dot products, f32 multiply-adds and bf16 dot products on registers; return the
 * operations done (a multiplication and an addition count as two), 0 where the machine or the
 * level has no such instruction. */
double rg_k_peak_i8(rg_isa isa, size_t rounds);
double rg_k_peak_f32(rg_isa isa, size_t rounds);
double rg_k_peak_bf16(rg_isa isa, size_t rounds);

/* Reads n bytes (a multiple of 64, 64-byte aligned) with prefetch; the result keeps the loop. */
uint64_t rg_k_peak_read(const void *p, size_t n);

RG_API_END
#endif
