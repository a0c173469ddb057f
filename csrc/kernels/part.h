/* part.h: a vector, or the first lanes of one.  Where count is a constant FNN_LANES, nothing is masked. */
#ifndef FNN_KERNELS_PART_H
#define FNN_KERNELS_PART_H

#include <stddef.h>

FNN_INLINE vf vf_load_part(const float *p, ptrdiff_t count) {
  return count == FNN_LANES ? vf_load(p) : vf_load_first(p, count);
}

FNN_INLINE void vf_store_part(float *p, vf v, ptrdiff_t count) {
  if (count == FNN_LANES)
    vf_store(p, v);
  else
    vf_store_first(p, v, count);
}

#endif
