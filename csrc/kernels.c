/* kernels.c: the one source that is compiled once for each row of isa.def, with that row's flags and
 * -DFNN_ISA=<its name>.  Everything in it is static except the table fnn_kernels_<name>: the linker must never
 * give a function compiled for one ISA to code that runs on another. */
#define FNN_TEXT_(x) #x
#define FNN_TEXT(x) FNN_TEXT_(x)
#define FNN_JOIN_(a, b) a##b
#define FNN_JOIN(a, b) FNN_JOIN_(a, b)

#if defined(_MSC_VER) && !defined(__clang__)
#define FNN_INLINE static __forceinline
#else
#define FNN_INLINE static inline __attribute__((always_inline, unused))
#endif

/* The formatter takes the slash for a division. */
/* clang-format off */
#include FNN_TEXT(isa/FNN_ISA.h)
/* clang-format on */

#include "cache.h"
#include "dispatch.h"

#include "kernels/part.h"
#include "kernels/math.h"
#include "kernels/random.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "kernels/softmax.h"
#include "kernels/gemm.h"
#include "kernels/winograd.h"
#include "kernels/depthwise.h"
#include "kernels/pool.h"
#include "kernels/recurrent.h"
#include "kernels/transpose.h"
#include "kernels/peak.h"

#define FNN_KERNEL(type, name, arguments) .name = name,
const fnn_kernel_table FNN_JOIN(fnn_kernels_, FNN_ISA) = {
    .lanes = FNN_LANES,
    .panel = FNN_LANES * GEMM_MAX_VECTORS,
#include "kernels.def"
};
#undef FNN_KERNEL
