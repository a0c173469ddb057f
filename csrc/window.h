/* window.h: one axis of a sliding window (convolution, pooling), cut into spans that read the same taps.  Nothing is
 * padded: outputs at an edge are spans of their own, with the taps that lie inside. */
#ifndef FNN_WINDOW_H
#define FNN_WINDOW_H

#include "step.h"

/* Output o reads, with tap t, input o*stride + t*dilation - pad: 0 <= o < out, 0 <= t < taps. */
typedef struct fnn_axis {
  ptrdiff_t in, out, taps, stride, dilation, pad;
} fnn_axis;

/* Outputs begin .. end-1 read inside the input with the taps first .. last-1 (none if equal). */
typedef struct fnn_span {
  ptrdiff_t begin, end, first, last;
} fnn_span;

/* Whether sizes are positive where they must be and no index overflows.  pad may be negative: a crop. */
static inline int fnn_axis_valid(const fnn_axis *a) {
  if (a->in < 0 || a->out < 0 || a->taps < 1 || a->stride < 1 || a->dilation < 1) return 0;
  const ptrdiff_t reach = fnn_add(fnn_multiply(a->out, a->stride), fnn_multiply(a->taps, a->dilation));
  return a->pad > -(PTRDIFF_MAX / 2) && fnn_add(fnn_add(reach, a->in), a->pad < 0 ? -a->pad : a->pad) >= 0;
}

static inline fnn_span fnn_span_of(const fnn_axis *a, ptrdiff_t output) {
  const ptrdiff_t origin = output * a->stride - a->pad;
  fnn_span span = {output, output + 1, 0, 0};
  if (origin < 0) span.first = fnn_min(a->taps, fnn_ceil_div(-origin, a->dilation));
  if (origin < a->in) span.last = fnn_min(a->taps, (a->in - 1 - origin) / a->dilation + 1);
  span.last = fnn_max(span.first, span.last);
  return span;
}

/* The span that begins at output `begin` < `end`, and ends at `end` at the latest. */
static inline fnn_span fnn_next_span(const fnn_axis *a, ptrdiff_t begin, ptrdiff_t end) {
  fnn_span span = fnn_span_of(a, begin);
  if (span.last - span.first == a->taps) {
    const ptrdiff_t last_inside = (a->in - 1 - (a->taps - 1) * a->dilation + a->pad) / a->stride;
    span.end = fnn_min(end, last_inside + 1);
  }
  return span;
}

/* The input index that the first output of a span reads with its first tap; 0 for a span without taps. */
static inline ptrdiff_t fnn_span_input(const fnn_axis *a, const fnn_span *span) {
  if (span->first == span->last) return 0;
  return span->begin * a->stride + span->first * a->dilation - a->pad;
}

/* The outputs begin .. end-1 that read inside the input with one tap (first .. last-1). */
static inline fnn_span fnn_tap_outputs(const fnn_axis *a, ptrdiff_t tap) {
  const ptrdiff_t origin = tap * a->dilation - a->pad; /* what output 0 reads */
  fnn_span span = {0, 0, tap, tap + 1};
  if (origin < 0) span.begin = fnn_min(a->out, fnn_ceil_div(-origin, a->stride));
  if (origin < a->in) span.end = fnn_min(a->out, (a->in - 1 - origin) / a->stride + 1);
  span.end = fnn_max(span.begin, span.end);
  return span;
}

#endif
