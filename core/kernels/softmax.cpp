#include <descent/core/kernels/math.h>
#include <descent/core/kernels/reduce_rows.h>
#include <descent/core/kernels/softmax.h>
#include <descent/core/kernels/softmax_row.h>

#include <algorithm>
#include <cmath>

namespace descent::kernel {

namespace {

/// out = f(g_row, y_row, out_row, n) for each row along the last dimension.
template <class F>
Tensor along_last(const char* op, const Tensor& g_any, const Tensor& y_any, F f) {
  const Tensor g = contiguous(g_any), y = contiguous(y_any);
  Tensor out = empty_as(y, y.dtype());
  const std::int64_t n = y.dim() > 0 ? y.size(-1) : 1;
  if (out.numel() == 0) return out;
  dispatch_floating(y.dtype(), [&]<class T>(T) {
    const T *a = data<T>(g), *b = data<T>(y);
    T* to = data<T>(out);
    detail::launch(op, {&out}, {&g, &y}, [=, rows = out.numel() / n] {
      parallel_for(rows, std::max<std::int64_t>(1, kGrain / 4 / n),
                   [=](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t r = begin; r < end; ++r)
                       simd::call([=]() __attribute__((always_inline)) {
                         f(a + r * n, b + r * n, to + r * n, n);
                       });
                   });
    });
  });
  return out;
}

}  // namespace

Tensor softmax(const Tensor& x, std::int64_t dim) {
  return along<false>("softmax", cast(x, promote_to_floating(x.dtype())), dim,
                      [](const auto* in, auto* out, std::int64_t n) {
                        simd::call([=]() __attribute__((always_inline)) {
                          auto total = small_exp_row(in, out, n);
                          if (total == 0) total = exp_row(in, out, n).total;
                          const auto scale = 1 / total;
                          for (std::int64_t i = 0; i < n; ++i) out[i] *= scale;
                        });
                      });
}

Tensor softmax_grad(const Tensor& g, const Tensor& y) {
  return along_last(
      "softmax", g, y,
      [](const auto* g_row, const auto* y_row, auto* out, std::int64_t n)
          __attribute__((always_inline)) {
            using T = std::remove_cvref_t<decltype(*out)>;
            double total[kRowLanes] = {};
            for (std::int64_t i = 0; i < n;) {
              const std::int64_t end = n - i < kSumBlock ? n : i + kSumBlock;
              T lanes[kRowLanes] = {};
              if (end - i >= kWideLanes) {
                T wide[kWideLanes] = {};
                for (; i + kWideLanes <= end; i += kWideLanes)
                  for (int k = 0; k < kWideLanes; ++k) wide[k] += g_row[i + k] * y_row[i + k];
                for (int j = 0; j < kWideLanes; j += kRowLanes)
                  for (int k = 0; k < kRowLanes; ++k) lanes[k] += wide[j + k];
              }
              for (; i + kRowLanes <= end; i += kRowLanes)
                for (int k = 0; k < kRowLanes; ++k) lanes[k] += g_row[i + k] * y_row[i + k];
              for (int k = 0; i < end; ++i, ++k) lanes[k] += g_row[i] * y_row[i];
              add_lanes(lanes, total);
            }
            const T dot = static_cast<T>(sum_of_lanes(total));
            for (std::int64_t j = 0; j < n; ++j) out[j] = y_row[j] * (g_row[j] - dot);
          });
}

Tensor log_softmax(const Tensor& x, std::int64_t dim) {
  return along<false>("log_softmax", cast(x, promote_to_floating(x.dtype())), dim,
                      [](const auto* in, auto* out, std::int64_t n) {
                        using T = std::remove_cvref_t<decltype(*out)>;
                        simd::call([=]() __attribute__((always_inline)) {
                          const RowSoftmax<T> row = exp_row(in, out, n);
                          const T log_sum =
                              static_cast<T>(std::log(static_cast<double>(row.total)));
                          for (std::int64_t i = 0; i < n; ++i) out[i] = (in[i] - row.max) - log_sum;
                        });
                      });
}

Tensor log_softmax_grad(const Tensor& g, const Tensor& y) {
  return along_last(
      "log_softmax", g, y,
      [](const auto* g_row, const auto* y_row, auto* out, std::int64_t n)
          __attribute__((always_inline)) {
            using T = std::remove_cvref_t<decltype(*out)>;
            const T total = static_cast<T>(sum_of_blocks(g_row, n));
            for (std::int64_t j = 0; j < n; ++j)
              out[j] = g_row[j] - math::exp_below_zero(y_row[j]) * total;
          });
}

}  // namespace descent::kernel
