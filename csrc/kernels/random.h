/* random.h: random numbers that depend on nothing but seed, step, stream and element index.
 *
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, SC 2011): a bijection of a
 * counter of four 32-bit words under a key of two.  Here
 *   key     = (seed low, seed high)
 *   counter = (c, stream, step low, step high)
 * and element i takes word (i / 16) % 4 of counter c = (i / 64) * 16 + i % 16: sixteen neighbours come from sixteen
 * neighbouring counters, so a vector of any ISA is filled without a shuffle.  c has 32 bits: a stream, 2^34 elements.
 * Uniform numbers in [0, 1) are the upper 24 bits of the word times 2^-24.  NumPy twin: fastnn/ops/philox.py. */
#ifndef FNN_KERNELS_RANDOM_H
#define FNN_KERNELS_RANDOM_H

enum { FNN_RANDOM_GROUP = 64 }; /* elements that share sixteen counters */

typedef struct fnn_random {
  uint32_t key[2], counter[3]; /* counter[0..2]: the words after c */
} fnn_random;

FNN_INLINE fnn_random random_of(const fnn_worker *worker, uint32_t stream) {
  return (fnn_random){{(uint32_t)worker->random_seed, (uint32_t)(worker->random_seed >> 32)},
                      {stream, (uint32_t)worker->random_step, (uint32_t)(worker->random_step >> 32)}};
}

/* Vectors of counters that go through the rounds side by side: the products of one take long, of two no longer. */
enum { RANDOM_VECTORS = FNN_LANES < 16 ? 2 : 1 };

/* word[w][v]: word w of the FNN_LANES counters from c + v * FNN_LANES on. */
FNN_INLINE void random_philox(const fnn_random *r, uint32_t c, vi word[4][RANDOM_VECTORS]) {
  const vi m0 = vi_set1((int32_t)0xD2511F53u), m1 = vi_set1((int32_t)0xCD9E8D57u);
  uint32_t k0 = r->key[0], k1 = r->key[1];
  for (int v = 0; v < RANDOM_VECTORS; v++) {
    word[0][v] = vi_add(vi_set1((int32_t)(c + (uint32_t)(v * FNN_LANES))), vi_iota());
    for (int w = 1; w < 4; w++) word[w][v] = vi_set1((int32_t)r->counter[w - 1]);
  }
  for (int round = 0; round < 10; round++) {
    for (int v = 0; v < RANDOM_VECTORS; v++) {
      vi high0 = vi_mulhi_u(word[0][v], m0), low0 = vi_mul(word[0][v], m0);
      vi high1 = vi_mulhi_u(word[2][v], m1), low1 = vi_mul(word[2][v], m1);
      word[0][v] = vi_xor(vi_xor(high1, word[1][v]), vi_set1((int32_t)k0));
      word[2][v] = vi_xor(vi_xor(high0, word[3][v]), vi_set1((int32_t)k1));
      word[1][v] = low1;
      word[3][v] = low0;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

FNN_INLINE vf random_float(vi word) { return vf_mul(vi_to_vf(vi_shr(word, 8)), vf_set1(0x1p-24f)); }

/* Elements begin .. begin+count-1 of the stream; count is rounded up to a whole group.  begin: a multiple of 64. */
static void random_uniform(const fnn_random *r, ptrdiff_t begin, ptrdiff_t count, float *out) {
  for (ptrdiff_t i = 0; i < count; i += FNN_RANDOM_GROUP) {
    uint32_t c = (uint32_t)((begin + i) / FNN_RANDOM_GROUP * 16);
    for (int j = 0; j < 16; j += RANDOM_VECTORS * FNN_LANES) {
      vi word[4][RANDOM_VECTORS];
      random_philox(r, c + (uint32_t)j, word);
      for (int w = 0; w < 4; w++) {
        for (int v = 0; v < RANDOM_VECTORS; v++) {
          vf_store(out + i + w * 16 + j + v * FNN_LANES, random_float(word[w][v]));
        }
      }
    }
  }
}

#endif
