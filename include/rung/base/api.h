/* api.h - the brackets around every public header's declarations.
 *
 * What stands between RG_API_BEGIN and RG_API_END has C linkage under C++ and is visible in
 * librung.so; the tree is compiled with -fvisibility=hidden, so nothing else is. */
#ifndef RUNG_BASE_API_H
#define RUNG_BASE_API_H

#if defined(__GNUC__)
#define RG_API_SHOW _Pragma("GCC visibility push(default)")
#define RG_API_REST _Pragma("GCC visibility pop")
#else
#define RG_API_SHOW
#define RG_API_REST
#endif

#ifdef __cplusplus
#define RG_API_BEGIN extern "C" { RG_API_SHOW
#define RG_API_END   RG_API_REST }
#else
#define RG_API_BEGIN RG_API_SHOW
#define RG_API_END   RG_API_REST
#endif

#endif
