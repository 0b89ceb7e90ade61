#include <descent/core/kernels/cross_entropy.h>
#include <descent/core/kernels/elementwise.h>
#include <descent/core/kernels/math.h>

#include <cmath>

namespace descent::kernel {

CrossEntropy cross_entropy(const Tensor& input, const Tensor& labels, std::int64_t ignore) {
  const Tensor logits = contiguous(input);
  const std::int64_t N = logits.shape()[0], C = logits.shape()[1];
  CrossEntropy out{0, 0, empty({N, C}, logits.dtype())};
  const auto* label = labels.data_ptr<std::int64_t>();
  dispatch_floating(logits.dtype(), [&]<class T>(T) {
    const T* x = logits.data_ptr<T>();
    T* p = out.probabilities.data_ptr<T>();
    for (std::int64_t r = 0; r < N; ++r, x += C, p += C) {
      T m = x[0];
      for (std::int64_t c = 1; c < C; ++c) m = x[c] > m ? x[c] : m;
      simd::loop(
          C, [m](const T& v, T& e) { e = math::exp(v - m); }, x, p);
      double total = 0;
      for (std::int64_t c = 0; c < C; ++c) total += static_cast<double>(p[c]);
      const T scale = static_cast<T>(1 / total);
      for (std::int64_t c = 0; c < C; ++c) p[c] *= scale;
      if (label[r] == ignore) continue;
      out.sum += std::log(total) - static_cast<double>(x[label[r]] - m);
      ++out.rows;
    }
  });
  return out;
}

Tensor cross_entropy_grad(const Tensor& probabilities, const Tensor& labels, std::int64_t ignore,
                          double scale) {
  const std::int64_t N = probabilities.shape()[0], C = probabilities.shape()[1];
  Tensor out = empty({N, C}, probabilities.dtype());
  const auto* label = labels.data_ptr<std::int64_t>();
  dispatch_floating(probabilities.dtype(), [&]<class T>(T) {
    const T* p = probabilities.data_ptr<T>();
    T* g = out.data_ptr<T>();
    const T s = static_cast<T>(scale);
    for (std::int64_t r = 0; r < N; ++r, p += C, g += C) {
      const bool counts = label[r] != ignore;
      for (std::int64_t c = 0; c < C; ++c) g[c] = counts ? p[c] * s : T(0);
      if (counts) g[label[r]] -= s;
    }
  });
  return out;
}

}  // namespace descent::kernel
