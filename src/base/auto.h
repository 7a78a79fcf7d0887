/* SPDX-License-Identifier: MIT
 *
 * base/auto.h - release at scope end, ownership hand-over, small macros
 *
 *   auto_free char *p = NULL;        freed when the scope ends
 *   auto_close int fd = -1;          closed when the scope ends, -1 is "none"
 *   AUTO(project_free) struct project *p = NULL;   needs DEFINE_AUTO beside project_free
 *   return TAKE(p); TAKE_FD(fd)      hands out, the scope no longer releases
 */
#pragma once
#include <stdlib.h>
#include <unistd.h>

static inline void auto_free_(void *p)
{
	free(*(void **)p);
}
static inline void auto_close_(int *fd)
{
	if (*fd >= 0)
		close(*fd); /* never retried: on Linux the descriptor is gone, close(2) */
}
#define auto_free __attribute__((cleanup(auto_free_)))
#define auto_close __attribute__((cleanup(auto_close_)))
#define DEFINE_AUTO(type, fn)                                                                      \
	static inline void auto_##fn(type *p)                                                      \
	{                                                                                          \
		if (*p)                                                                            \
			fn(*p);                                                                    \
	}
#define AUTO(fn) __attribute__((cleanup(auto_##fn)))
/* For objects that live in place: x_done(struct x *). */
#define AUTO_DONE(fn) __attribute__((cleanup(fn)))

#define TAKE(p)                                                                                    \
	__extension__({                                                                            \
		__auto_type take_ = (p);                                                           \
		(p) = NULL;                                                                        \
		take_;                                                                             \
	})
#define TAKE_FD(fd)                                                                                \
	__extension__({                                                                            \
		int take_ = (fd);                                                                  \
		(fd) = -1;                                                                         \
		take_;                                                                             \
	})
#define TRY(call)                                                                                  \
	do {                                                                                       \
		int try_ = (call);                                                                 \
		if (try_ < 0)                                                                      \
			return try_;                                                               \
	} while (0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof *(a))
/* Each side is evaluated once, so it may be a call. */
#define ONCE_(a, b, x, y, op)                                                                      \
	__extension__({                                                                            \
		__auto_type x = (a);                                                               \
		__auto_type y = (b);                                                               \
		x op y ? x : y;                                                                    \
	})
#define JOIN__(x, n) x##n
#define JOIN_(x, n) JOIN__(x, n)
#define MIN(a, b) ONCE_(a, b, JOIN_(min_a_, __COUNTER__), JOIN_(min_b_, __COUNTER__), <)
#define MAX(a, b) ONCE_(a, b, JOIN_(max_a_, __COUNTER__), JOIN_(max_b_, __COUNTER__), >)
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define CONTAINER_OF(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
