#include <descent/core/kernels/accumulate.h>
#include <descent/core/kernels/elementwise.h>
#include <descent/core/launch.h>
#include <descent/core/parallel.h>

namespace descent::kernel {

bool can_accumulate(const Tensor& to, const Tensor& from) {
  return to.dtype() == from.dtype() && is_floating(to.dtype()) && to.shape() == from.shape() &&
         ((to.is_contiguous() && from.is_contiguous()) ||
          (to.strides() == from.strides() && is_dense(to))) &&
         !to.shares_storage(from);
}

void accumulate(const Tensor& to, const Tensor& from, double factor) {
  dispatch_floating(to.dtype(), [&]<class T>(T) {
    T* out = data<T>(to);
    const T* in = data<T>(from);
    const T a = static_cast<T>(factor);
    detail::launch("accumulate", {&to}, {&from}, [=, n = to.numel()] {
      parallel_for(n, kElementwiseGrain, [=](std::int64_t begin, std::int64_t end) {
        simd::loop(
            end - begin, [a](T& o, const T& v) { o += a * v; }, out + begin, in + begin);
      });
    });
  });
}

}  // namespace descent::kernel
