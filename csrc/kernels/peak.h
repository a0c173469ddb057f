/* peak.h: the most that a core can do: fused multiply-adds on registers.  Chains enough to hide the latency of every
 * unit, and few enough for the registers. */
enum { PEAK_CHAINS = FNN_LANES == 4 ? 20 : 12 };

/* Returns the number of operations done; the sum keeps the compiler from leaving them out. */
static double multiply_adds(ptrdiff_t rounds, float *sum) {
  vf chain[PEAK_CHAINS], half = vf_set1(0.5f), total = vf_zero();
  for (int i = 0; i < PEAK_CHAINS; i++) chain[i] = vf_set1((float)i);
  for (ptrdiff_t round = 0; round < rounds; round++) {
    for (int i = 0; i < PEAK_CHAINS; i++) chain[i] = vf_fma(chain[i], half, half);
  }
  for (int i = 0; i < PEAK_CHAINS; i++) total = vf_add(total, chain[i]);
  *sum = vf_sum(total);
  return 2.0 * FNN_LANES * PEAK_CHAINS * (double)rounds;
}
